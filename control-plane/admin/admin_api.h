// AdminApi: what each call of the admin API does, without gRPC: over releases, credentials, the
// fleet and the model. AdminService is its wire. Owned by main.
//
// Thread-safe; calls block on the store. An error's message is for the operator.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "control-plane/push/fleet.h"
#include "control-plane/push/questions.h"
#include "control-plane/release/credential_store.h"
#include "control-plane/release/denial_store.h"
#include "control-plane/release/releases.h"
#include "control-plane/release/state.h"
#include "control-plane/store/rev_store.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

// Who calls: the name that the client gives (whoever may open the socket is trusted; the name is
// for the record), and where the call came from.
struct Caller {
  std::string user;
  std::string peer;
};

class AdminApi {
 public:
  // Borrows all.
  AdminApi(RevStore& store, Releases& releases, CredentialStore& credentials, DenialStore& denials,
           Fleet& fleet, Questions& questions, const StateView& state)
      : store_(store),
        releases_(releases),
        credentials_(credentials),
        denials_(denials),
        fleet_(fleet),
        questions_(questions),
        state_(state) {}

  absl::Status Apply(const Caller& caller, const admin::v1::ApplyRequest& request,
                     admin::v1::ApplyResponse* response);
  absl::Status Get(const admin::v1::GetRequest& request, admin::v1::GetResponse* response);
  absl::Status Delete(const Caller& caller, const admin::v1::DeleteRequest& request,
                      admin::v1::ApplyResponse* response);
  absl::Status Diff(const admin::v1::ApplyRequest& request, admin::v1::DiffResponse* response);
  absl::Status ListReleases(const admin::v1::ListReleasesRequest& request,
                            admin::v1::ListReleasesResponse* response);
  absl::Status Rollback(const Caller& caller, const admin::v1::RollbackRequest& request,
                        admin::v1::ApplyResponse* response);
  absl::Status ListProxies(const admin::v1::ListProxiesRequest& request,
                           admin::v1::ListProxiesResponse* response);
  // As the connected sidecars reported last: the fullest counters first.
  absl::Status ListLimits(const admin::v1::ListLimitsRequest& request,
                          admin::v1::ListLimitsResponse* response);
  // Ends early, as it is then, once `cancelled`.
  absl::Status WaitRelease(const admin::v1::WaitReleaseRequest& request,
                           const std::function<bool()>& cancelled,
                           admin::v1::ListProxiesResponse* response);
  // Asks the sidecar; ends early once `cancelled`.
  absl::Status Explain(const admin::v1::ExplainRequest& request,
                       const std::function<bool()>& cancelled,
                       admin::v1::ExplainResponse* response);
  absl::Status IssueKey(const Caller& caller, const admin::v1::IssueKeyRequest& request,
                        admin::v1::IssueKeyResponse* response);
  absl::Status RotateKey(const Caller& caller, const admin::v1::IssueKeyRequest& request,
                         admin::v1::IssueKeyResponse* response);
  // Durable when it returns.
  absl::Status RevokeKey(const Caller& caller, const admin::v1::RevokeKeyRequest& request,
                         admin::v1::RevokeKeyResponse* response);
  absl::Status ListKeys(const admin::v1::ListKeysRequest& request,
                        admin::v1::ListKeysResponse* response);
  // Durable when it returns.
  absl::Status AddDenial(const Caller& caller, const admin::v1::AddDenialRequest& request,
                         admin::v1::AddDenialResponse* response);
  absl::Status RemoveDenial(const Caller& caller, const admin::v1::RemoveDenialRequest& request,
                            admin::v1::RemoveDenialResponse* response);
  absl::Status ListDenials(const admin::v1::ListDenialsRequest& request,
                           admin::v1::ListDenialsResponse* response);
  absl::Status GetVersion(admin::v1::GetVersionResponse* response);

 private:
  absl::StatusOr<PublishResult> PublishSources(const admin::v1::ApplyRequest& request,
                                               const std::string& author, bool dry_run);
  absl::StatusOr<SidecarStatus> FindSidecar(const std::string& environment,
                                            const std::string& node) const;
  absl::Status CheckKeyName(const std::string& environment, const std::string& consumer,
                            const std::string& name);
  // The iss claim of an Issuer in force.
  absl::StatusOr<std::string> IssClaimOf(const std::string& environment, const std::string& issuer);

  RevStore& store_;
  Releases& releases_;
  CredentialStore& credentials_;
  DenialStore& denials_;
  Fleet& fleet_;
  Questions& questions_;
  const StateView& state_;
};

}  // namespace tollgate::control
