#include "control-plane/cli/client.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/status.h"
#include "grpcpp/grpcpp.h"
#include "tollgate/admin/v1/admin.grpc.pb.h"

namespace tollgate::control {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;  // a whole release
// A control plane that was started a moment ago may not listen yet.
constexpr std::chrono::milliseconds kConnectPatience(2'000);
constexpr int kConnectAgainMs = 100;
constexpr std::chrono::milliseconds kWhyNot(500);

constexpr absl::string_view kUnknown =
    "What changes something may have happened all the same: look (tollgatectl releases, key list, "
    "deny list) before you repeat it";

// For the record of who did what.
std::string UserName() {
  const passwd* entry = getpwuid(getuid());
  return entry == nullptr ? absl::StrCat("uid:", getuid()) : entry->pw_name;
}

class GrpcClient final : public Client {
 public:
  GrpcClient(std::string address, std::chrono::milliseconds timeout)
      : address_(std::move(address)), timeout_(timeout) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    // Nothing is asked twice, and of a call whose connection breaks the error says so, not why the
    // next connection failed.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectAgainMs);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kConnectAgainMs);
    channel_ = grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
    stub_ = admin::v1::AdminService::NewStub(channel_);
  }

  absl::StatusOr<admin::v1::ApplyResponse> Apply(const admin::v1::ApplyRequest& request) override {
    return Call<admin::v1::ApplyResponse>(&Stub::Apply, request);
  }
  absl::StatusOr<admin::v1::GetResponse> Get(const admin::v1::GetRequest& request) override {
    return Call<admin::v1::GetResponse>(&Stub::Get, request);
  }
  absl::StatusOr<admin::v1::ApplyResponse> Delete(
      const admin::v1::DeleteRequest& request) override {
    return Call<admin::v1::ApplyResponse>(&Stub::Delete, request);
  }
  absl::StatusOr<admin::v1::DiffResponse> Diff(const admin::v1::ApplyRequest& request) override {
    return Call<admin::v1::DiffResponse>(&Stub::Diff, request);
  }
  absl::StatusOr<admin::v1::ListReleasesResponse> ListReleases(
      const admin::v1::ListReleasesRequest& request) override {
    return Call<admin::v1::ListReleasesResponse>(&Stub::ListReleases, request);
  }
  absl::StatusOr<admin::v1::ApplyResponse> Rollback(
      const admin::v1::RollbackRequest& request) override {
    return Call<admin::v1::ApplyResponse>(&Stub::Rollback, request);
  }
  absl::StatusOr<admin::v1::ListProxiesResponse> ListProxies(
      const admin::v1::ListProxiesRequest& request) override {
    return Call<admin::v1::ListProxiesResponse>(&Stub::ListProxies, request);
  }
  absl::StatusOr<admin::v1::ListLimitsResponse> ListLimits(
      const admin::v1::ListLimitsRequest& request) override {
    return Call<admin::v1::ListLimitsResponse>(&Stub::ListLimits, request);
  }
  absl::StatusOr<admin::v1::ListProxiesResponse> WaitRelease(
      const admin::v1::WaitReleaseRequest& request) override {
    return Call<admin::v1::ListProxiesResponse>(&Stub::WaitRelease, request,
                                                std::chrono::milliseconds(request.timeout_ms()));
  }
  absl::StatusOr<admin::v1::ExplainResponse> Explain(
      const admin::v1::ExplainRequest& request) override {
    return Call<admin::v1::ExplainResponse>(&Stub::Explain, request,
                                            std::chrono::milliseconds(request.timeout_ms()));
  }
  absl::StatusOr<admin::v1::IssueKeyResponse> IssueKey(
      const admin::v1::IssueKeyRequest& request) override {
    return Call<admin::v1::IssueKeyResponse>(&Stub::IssueKey, request);
  }
  absl::StatusOr<admin::v1::IssueKeyResponse> RotateKey(
      const admin::v1::IssueKeyRequest& request) override {
    return Call<admin::v1::IssueKeyResponse>(&Stub::RotateKey, request);
  }
  absl::StatusOr<admin::v1::RevokeKeyResponse> RevokeKey(
      const admin::v1::RevokeKeyRequest& request) override {
    return Call<admin::v1::RevokeKeyResponse>(&Stub::RevokeKey, request);
  }
  absl::StatusOr<admin::v1::ListKeysResponse> ListKeys(
      const admin::v1::ListKeysRequest& request) override {
    return Call<admin::v1::ListKeysResponse>(&Stub::ListKeys, request);
  }
  absl::StatusOr<admin::v1::AddDenialResponse> AddDenial(
      const admin::v1::AddDenialRequest& request) override {
    return Call<admin::v1::AddDenialResponse>(&Stub::AddDenial, request);
  }
  absl::StatusOr<admin::v1::RemoveDenialResponse> RemoveDenial(
      const admin::v1::RemoveDenialRequest& request) override {
    return Call<admin::v1::RemoveDenialResponse>(&Stub::RemoveDenial, request);
  }
  absl::StatusOr<admin::v1::ListDenialsResponse> ListDenials(
      const admin::v1::ListDenialsRequest& request) override {
    return Call<admin::v1::ListDenialsResponse>(&Stub::ListDenials, request);
  }
  absl::StatusOr<admin::v1::GetVersionResponse> GetVersion() override {
    return Call<admin::v1::GetVersionResponse>(&Stub::GetVersion, admin::v1::GetVersionRequest());
  }

 private:
  using Stub = admin::v1::AdminService::Stub;

  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request,
                                std::chrono::milliseconds longer = std::chrono::milliseconds(0)) {
    const auto now = std::chrono::system_clock::now();
    const bool connected = channel_->WaitForConnected(now + std::min(timeout_, kConnectPatience));
    grpc::ClientContext context;
    // Without a connection the call only says why there is none.
    context.set_deadline(connected ? now + timeout_ + longer
                                   : std::chrono::system_clock::now() + kWhyNot);
    context.AddMetadata("tollgate-user", UserName());
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (status.ok()) return response;
    if (!connected) {
      return absl::UnavailableError(absl::StrCat(
          "cannot reach the control plane at ", address_, ": ", status.error_message(),
          "\nIs tollgate-control running there, and may you open its socket? Another address: "
          "--server, or TOLLGATE_ADMIN in the environment"));
    }
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      return absl::UnavailableError(absl::StrCat("the control plane at ", address_,
                                                 " broke off before it answered (",
                                                 status.error_message(), "). ", kUnknown));
    }
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the control plane at ", address_, " did not answer within ", (timeout_ + longer).count(),
          " ms; give it more time with --timeout. ", kUnknown));
    }
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }

  const std::string address_;
  const std::chrono::milliseconds timeout_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Make(const std::string& address,
                                                     std::chrono::milliseconds timeout) {
  ASSIGN_OR_RETURN(const Address parsed, Address::Parse(address));
  if (!parsed.is_local()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--server ", address,
                     ": the admin API is plaintext and for its own machine; expected "
                     "unix:/path or a loopback address such as 127.0.0.1:18001"));
  }
  return std::make_unique<GrpcClient>(parsed.ToString(), timeout);
}

}  // namespace tollgate::control
