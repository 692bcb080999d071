#include "control-plane/push/agent_server.h"

#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "grpcpp/support/server_callback.h"
#include "tollgate/agent/v1/agent.grpc.pb.h"

namespace tollgate::control {
namespace {

// One agent stream. gRPC calls one reaction at a time, OnCancel and OnWriteDone excepted; deletes
// itself in OnDone.
class AgentStream final : public grpc::ServerBidiReactor<agent::v1::Report, agent::v1::Question>,
                          private AgentPeer {
 public:
  AgentStream(Fleet* fleet, Questions* questions) : fleet_(fleet), questions_(questions) {
    StartRead(&report_);
  }

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
      session_ = questions_->Opened(environment_, report_.hello(), this);
    }
    if (report_.has_explanation()) {
      questions_->Answered(session_, std::move(*report_.mutable_explanation()));
    } else {
      fleet_->Report(environment_, node_, report_);
    }
    const std::lock_guard lock(mutex_);
    if (!ended_.has_value()) StartRead(&report_);
  }

  void OnWriteDone(bool) override {  // when it failed, the read ends too
    const std::lock_guard lock(mutex_);
    writing_.pop_front();
    if (ended_.has_value()) {
      Finish(*ended_);
    } else if (!writing_.empty()) {
      StartWrite(&writing_.front());
    }
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }

  void OnDone() override {
    if (session_ != 0) questions_->Closed(session_);
    delete this;
  }

 private:
  void Ask(const agent::v1::Question& question) override {
    const std::lock_guard lock(mutex_);
    if (ended_.has_value()) return;  // OnDone tells whoever waits
    writing_.push_back(question);
    if (writing_.size() == 1) StartWrite(&writing_.front());
  }

  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (ended_.has_value()) return;
    ended_ = status;
    if (writing_.empty()) Finish(status);  // else OnWriteDone does
  }

  Fleet* const fleet_;
  Questions* const questions_;
  agent::v1::Report report_;
  std::string environment_ = "default";
  std::string node_;
  uint64_t session_ = 0;  // 0: no hello yet

  std::mutex mutex_;
  std::deque<agent::v1::Question> writing_;  // the front is being written
  std::optional<grpc::Status> ended_;
};

}  // namespace

class AgentServer::Service final : public agent::v1::AgentService::CallbackService {
 public:
  Service(Fleet* fleet, Questions* questions) : fleet_(fleet), questions_(questions) {}

  grpc::ServerBidiReactor<agent::v1::Report, agent::v1::Question>* Connect(
      grpc::CallbackServerContext*) override {
    return new AgentStream(fleet_, questions_);
  }

 private:
  Fleet* const fleet_;
  Questions* const questions_;
};

AgentServer::AgentServer(Fleet* fleet, Questions* questions)
    : service_(std::make_unique<Service>(fleet, questions)) {}
AgentServer::~AgentServer() = default;
grpc::Service* AgentServer::service() { return service_.get(); }

}  // namespace tollgate::control
