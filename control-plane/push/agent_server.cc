#include "control-plane/push/agent_server.h"

#include <mutex>

#include "grpcpp/support/server_callback.h"
#include "tollgate/agent/v1/agent.grpc.pb.h"

namespace tollgate::control {
namespace {

// One agent stream. gRPC calls one reaction at a time, OnCancel excepted; deletes itself in OnDone.
class AgentStream final : public grpc::ServerBidiReactor<agent::v1::Report, agent::v1::Question> {
 public:
  explicit AgentStream(Fleet* fleet) : fleet_(fleet) { StartRead(&report_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End(grpc::Status::OK);
      return;
    }
    if (node_.empty()) {
      if (!report_.has_hello() || report_.hello().node().empty()) {
        End({grpc::StatusCode::INVALID_ARGUMENT, "expected a hello with the node's id first"});
        return;
      }
      node_ = report_.hello().node();
      if (!report_.hello().environment().empty()) environment_ = report_.hello().environment();
    }
    fleet_->Report(environment_, node_, report_);
    const std::lock_guard lock(mutex_);
    if (!ended_) StartRead(&report_);
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    Finish(status);
  }

  Fleet* const fleet_;
  agent::v1::Report report_;
  std::string environment_ = "default";
  std::string node_;
  std::mutex mutex_;
  bool ended_ = false;
};

}  // namespace

class AgentServer::Service final : public agent::v1::AgentService::CallbackService {
 public:
  explicit Service(Fleet* fleet) : fleet_(fleet) {}

  grpc::ServerBidiReactor<agent::v1::Report, agent::v1::Question>* Connect(
      grpc::CallbackServerContext*) override {
    return new AgentStream(fleet_);
  }

 private:
  Fleet* const fleet_;
};

AgentServer::AgentServer(Fleet* fleet) : service_(std::make_unique<Service>(fleet)) {}
AgentServer::~AgentServer() = default;
grpc::Service* AgentServer::service() { return service_.get(); }

}  // namespace tollgate::control
