// Client: the admin API as seen by tollgatectl: one blocking call a method, absl::Status for
// errors. One thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

class Client {
 public:
  // Connects with the first call. InvalidArgument: an address off this machine (plaintext).
  static absl::StatusOr<std::unique_ptr<Client>> Make(const std::string& address,
                                                      std::chrono::milliseconds timeout);
  virtual ~Client() = default;

  // Unavailable, with the address and the remedy, when nobody answers there.
  virtual absl::StatusOr<admin::v1::ApplyResponse> Apply(
      const admin::v1::ApplyRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::GetResponse> Get(const admin::v1::GetRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ApplyResponse> Delete(
      const admin::v1::DeleteRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::DiffResponse> Diff(const admin::v1::ApplyRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ListReleasesResponse> ListReleases(
      const admin::v1::ListReleasesRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ApplyResponse> Rollback(
      const admin::v1::RollbackRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ListProxiesResponse> ListProxies(
      const admin::v1::ListProxiesRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ListLimitsResponse> ListLimits(
      const admin::v1::ListLimitsRequest& request) = 0;
  // Takes the request's timeout longer than others.
  virtual absl::StatusOr<admin::v1::ListProxiesResponse> WaitRelease(
      const admin::v1::WaitReleaseRequest& request) = 0;
  // Takes the request's timeout longer than others.
  virtual absl::StatusOr<admin::v1::ExplainResponse> Explain(
      const admin::v1::ExplainRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::IssueKeyResponse> IssueKey(
      const admin::v1::IssueKeyRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::IssueKeyResponse> RotateKey(
      const admin::v1::IssueKeyRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::RevokeKeyResponse> RevokeKey(
      const admin::v1::RevokeKeyRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ListKeysResponse> ListKeys(
      const admin::v1::ListKeysRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::AddDenialResponse> AddDenial(
      const admin::v1::AddDenialRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::RemoveDenialResponse> RemoveDenial(
      const admin::v1::RemoveDenialRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::ListDenialsResponse> ListDenials(
      const admin::v1::ListDenialsRequest& request) = 0;
  virtual absl::StatusOr<admin::v1::GetVersionResponse> GetVersion() = 0;
};

}  // namespace tollgate::control
