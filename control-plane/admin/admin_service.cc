#include "control-plane/admin/admin_service.h"

#include <string>

#include "grpcpp/server_context.h"
#include "tollgate/admin/v1/admin.grpc.pb.h"

namespace tollgate::control {
namespace {

constexpr size_t kMaxUserBytes = 64;

// The codes of both are the same numbers (google.rpc.Code). The one place where errors become
// gRPC's. Unavailable is how a client says that nobody answers: ours is the store's.
grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const bool store = absl::IsUnavailable(status);
  return grpc::Status(
      store ? grpc::StatusCode::INTERNAL : static_cast<grpc::StatusCode>(status.raw_code()),
      std::string(status.message()));
}

Caller CallerOf(const grpc::ServerContext& context) {
  Caller caller;
  caller.peer = context.peer();
  const auto it = context.client_metadata().find(kUserMetadata);
  if (it != context.client_metadata().end()) {
    caller.user = std::string(it->second.data(), std::min(it->second.size(), kMaxUserBytes));
  }
  return caller;
}

}  // namespace

class AdminService::Service final : public admin::v1::AdminService::Service {
 public:
  explicit Service(AdminApi* api) : api_(api) {}

  grpc::Status Apply(grpc::ServerContext* context, const admin::v1::ApplyRequest* request,
                     admin::v1::ApplyResponse* response) override {
    return ToGrpc(api_->Apply(CallerOf(*context), *request, response));
  }
  grpc::Status Get(grpc::ServerContext*, const admin::v1::GetRequest* request,
                   admin::v1::GetResponse* response) override {
    return ToGrpc(api_->Get(*request, response));
  }
  grpc::Status Delete(grpc::ServerContext* context, const admin::v1::DeleteRequest* request,
                      admin::v1::ApplyResponse* response) override {
    return ToGrpc(api_->Delete(CallerOf(*context), *request, response));
  }
  grpc::Status Diff(grpc::ServerContext*, const admin::v1::ApplyRequest* request,
                    admin::v1::DiffResponse* response) override {
    return ToGrpc(api_->Diff(*request, response));
  }
  grpc::Status ListReleases(grpc::ServerContext*, const admin::v1::ListReleasesRequest* request,
                            admin::v1::ListReleasesResponse* response) override {
    return ToGrpc(api_->ListReleases(*request, response));
  }
  grpc::Status Rollback(grpc::ServerContext* context, const admin::v1::RollbackRequest* request,
                        admin::v1::ApplyResponse* response) override {
    return ToGrpc(api_->Rollback(CallerOf(*context), *request, response));
  }
  grpc::Status ListProxies(grpc::ServerContext*, const admin::v1::ListProxiesRequest* request,
                           admin::v1::ListProxiesResponse* response) override {
    return ToGrpc(api_->ListProxies(*request, response));
  }
  grpc::Status ListLimits(grpc::ServerContext*, const admin::v1::ListLimitsRequest* request,
                          admin::v1::ListLimitsResponse* response) override {
    return ToGrpc(api_->ListLimits(*request, response));
  }
  grpc::Status WaitRelease(grpc::ServerContext* context,
                           const admin::v1::WaitReleaseRequest* request,
                           admin::v1::ListProxiesResponse* response) override {
    const auto cancelled = [context] { return context->IsCancelled(); };
    return ToGrpc(api_->WaitRelease(*request, cancelled, response));
  }
  grpc::Status Explain(grpc::ServerContext* context, const admin::v1::ExplainRequest* request,
                       admin::v1::ExplainResponse* response) override {
    const auto cancelled = [context] { return context->IsCancelled(); };
    return ToGrpc(api_->Explain(*request, cancelled, response));
  }
  grpc::Status IssueKey(grpc::ServerContext* context, const admin::v1::IssueKeyRequest* request,
                        admin::v1::IssueKeyResponse* response) override {
    return ToGrpc(api_->IssueKey(CallerOf(*context), *request, response));
  }
  grpc::Status RotateKey(grpc::ServerContext* context, const admin::v1::IssueKeyRequest* request,
                         admin::v1::IssueKeyResponse* response) override {
    return ToGrpc(api_->RotateKey(CallerOf(*context), *request, response));
  }
  grpc::Status RevokeKey(grpc::ServerContext* context, const admin::v1::RevokeKeyRequest* request,
                         admin::v1::RevokeKeyResponse* response) override {
    return ToGrpc(api_->RevokeKey(CallerOf(*context), *request, response));
  }
  grpc::Status ListKeys(grpc::ServerContext*, const admin::v1::ListKeysRequest* request,
                        admin::v1::ListKeysResponse* response) override {
    return ToGrpc(api_->ListKeys(*request, response));
  }
  grpc::Status AddDenial(grpc::ServerContext* context, const admin::v1::AddDenialRequest* request,
                         admin::v1::AddDenialResponse* response) override {
    return ToGrpc(api_->AddDenial(CallerOf(*context), *request, response));
  }
  grpc::Status RemoveDenial(grpc::ServerContext* context,
                            const admin::v1::RemoveDenialRequest* request,
                            admin::v1::RemoveDenialResponse* response) override {
    return ToGrpc(api_->RemoveDenial(CallerOf(*context), *request, response));
  }
  grpc::Status ListDenials(grpc::ServerContext*, const admin::v1::ListDenialsRequest* request,
                           admin::v1::ListDenialsResponse* response) override {
    return ToGrpc(api_->ListDenials(*request, response));
  }
  grpc::Status GetVersion(grpc::ServerContext*, const admin::v1::GetVersionRequest*,
                          admin::v1::GetVersionResponse* response) override {
    return ToGrpc(api_->GetVersion(response));
  }

 private:
  AdminApi* const api_;
};

AdminService::AdminService(AdminApi* api) : service_(std::make_unique<Service>(api)) {}
AdminService::~AdminService() = default;
grpc::Service* AdminService::service() { return service_.get(); }

}  // namespace tollgate::control
