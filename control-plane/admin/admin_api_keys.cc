// AdminApi: API keys. They belong to no release, but whom they are for does: a key is issued only
// under a name that a Consumer in force lists.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "control-plane/admin/admin_api.h"
#include "control-plane/admin/audit.h"
#include "control-plane/admin/wire.h"

namespace tollgate::control {
namespace {

constexpr int64_t kMaxSeconds = int64_t{10} * 366 * 24 * 3600;
constexpr int64_t kDefaultOverlap = 86400;

absl::StatusOr<Duration> Seconds(absl::string_view field, int64_t seconds) {
  if (seconds >= 0 && seconds <= kMaxSeconds) return std::chrono::seconds(seconds);
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", seconds, " seconds; expected 0 to ", kMaxSeconds, " (ten years)"));
}

std::string NameOf(const std::string& consumer, const std::string& name) {
  return absl::StrCat(consumer, "/", name);
}

absl::Status Finish(const absl::StatusOr<IssuedKey>& key, admin::v1::IssueKeyResponse* response) {
  if (!key.ok()) return key.status();
  response->set_id(key->id);
  response->set_key(key->text);
  response->set_revision(static_cast<uint64_t>(key->revision));
  return absl::OkStatus();
}

}  // namespace

absl::Status AdminApi::CheckKeyName(const std::string& environment, const std::string& consumer,
                                    const std::string& name) {
  ASSIGN_OR_RETURN(const Release head, releases_.Load(environment, 0));
  const auto it = head.documents.find({.kind = "Consumer", .name = consumer});
  if (it == head.documents.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "there is no Consumer/", consumer, " in environment '", environment, "' (release ",
        head.info.number, "); apply one that lists api_keys: [", name, "] first"));
  }
  const auto& names = it->second.document->consumer().api_keys();
  if (std::find(names.begin(), names.end(), name) != names.end()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("Consumer/", consumer, " does not list an API key \"", name, "\"; it lists ",
                   names.empty() ? "none" : absl::StrCat("[", absl::StrJoin(names, ", "), "]"),
                   ": add it to api_keys and apply that first"));
}

absl::Status AdminApi::IssueKey(const Caller& caller, const admin::v1::IssueKeyRequest& request,
                                admin::v1::IssueKeyResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  const auto issue = [&]() -> absl::StatusOr<IssuedKey> {
    RETURN_IF_ERROR(CheckKeyName(environment, request.consumer(), request.name()));
    ASSIGN_OR_RETURN(const Duration expires, Seconds("expires", request.expires_in_seconds()));
    return credentials_.Issue(environment, request.consumer(), request.name(), expires);
  };
  const absl::StatusOr<IssuedKey> key = issue();
  Audit(caller, "IssueKey", environment,
        absl::StrCat(NameOf(request.consumer(), request.name()), key.ok() ? " " : "",
                     key.ok() ? key->id : ""),
        key.status());
  return Finish(key, response);
}

absl::Status AdminApi::RotateKey(const Caller& caller, const admin::v1::IssueKeyRequest& request,
                                 admin::v1::IssueKeyResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  const auto rotate = [&]() -> absl::StatusOr<IssuedKey> {
    RETURN_IF_ERROR(CheckKeyName(environment, request.consumer(), request.name()));
    ASSIGN_OR_RETURN(const Duration expires, Seconds("expires", request.expires_in_seconds()));
    const int64_t overlap =
        request.old_valid_for_seconds() == 0 ? kDefaultOverlap : request.old_valid_for_seconds();
    ASSIGN_OR_RETURN(const Duration old_valid_for, Seconds("old key's rest", overlap));
    return credentials_.Rotate(environment, request.consumer(), request.name(), expires,
                               old_valid_for);
  };
  const absl::StatusOr<IssuedKey> key = rotate();
  Audit(caller, "RotateKey", environment,
        absl::StrCat(NameOf(request.consumer(), request.name()), key.ok() ? " " : "",
                     key.ok() ? key->id : ""),
        key.status());
  return Finish(key, response);
}

absl::Status AdminApi::RevokeKey(const Caller& caller, const admin::v1::RevokeKeyRequest& request,
                                 admin::v1::RevokeKeyResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  const auto revoke = [&]() -> absl::StatusOr<RevokedKeys> {
    if (request.id().empty()) {
      return credentials_.RevokeName(environment, request.consumer(), request.name());
    }
    if (!request.consumer().empty() || !request.name().empty()) {
      return absl::InvalidArgumentError("give an id, or a consumer and a name, not both");
    }
    return credentials_.RevokeId(environment, request.id());
  };
  const absl::StatusOr<RevokedKeys> revoked = revoke();
  Audit(caller, "RevokeKey", environment,
        request.id().empty() ? NameOf(request.consumer(), request.name()) : request.id(),
        revoked.status());
  if (!revoked.ok()) return revoked.status();
  for (const std::string& id : revoked->ids) response->add_ids(id);
  response->set_revision(static_cast<uint64_t>(revoked->revision));
  return absl::OkStatus();
}

absl::Status AdminApi::ListKeys(const admin::v1::ListKeysRequest& request,
                                admin::v1::ListKeysResponse* response) {
  ASSIGN_OR_RETURN(const std::vector<KeyRecord> keys,
                   credentials_.List(EnvironmentOf(request.environment()), request.consumer()));
  for (const KeyRecord& key : keys) ToWire(key, response->add_keys());
  return absl::OkStatus();
}

}  // namespace tollgate::control
