// CredentialStore: the API keys of consumers. They belong to no release: each change is a revision
// of its own, and apply, prune and rollback never add, remove or revive a key. The secret is
// returned once and kept only as HMAC-SHA-256(pepper, secret). A revoked id stays revoked forever.
// Owned by main.
//
// Thread-safe; several control planes may share one store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "control-plane/release/pepper.h"
#include "control-plane/store/rev_store.h"

namespace tollgate::control {

// One key, without its secret. Times are Unix seconds. A value.
struct KeyRecord {
  std::string id;
  std::string consumer;
  std::string name;
  std::string hash;  // 32 bytes; empty when revoked
  std::string pepper;
  int64_t created = 0;
  int64_t not_after = 0;  // 0: no end
  int64_t revoked = 0;    // 0: not revoked
  Revision revision = 0;  // revoked keys: at which it was revoked
  friend bool operator==(const KeyRecord&, const KeyRecord&) = default;
};

struct IssuedKey {
  std::string id;
  std::string text;  // "id.secret": shown once, never stored
  Revision revision = 0;
};
struct RevokedKeys {
  std::vector<std::string> ids;
  Revision revision = 0;
};

inline constexpr size_t kMaxLiveKeys = 2;  // of one consumer and name: the old and the new

class CredentialStore {
 public:
  // Borrows all three.
  CredentialStore(RevStore& store, const Clock& clock, const Peppers& peppers);

  // FailedPrecondition when a live key was hashed under a pepper that we do not have.
  absl::Status CheckPeppers();

  // `expires_in` 0: no end. FailedPrecondition when two are live already.
  absl::StatusOr<IssuedKey> Issue(const std::string& environment, const std::string& consumer,
                                  const std::string& name, Duration expires_in);

  // A second key; the first one ends after `old_valid_for` at the latest. NotFound when none is
  // live, FailedPrecondition when two are.
  absl::StatusOr<IssuedKey> Rotate(const std::string& environment, const std::string& consumer,
                                   const std::string& name, Duration expires_in,
                                   Duration old_valid_for);

  // One key, or all of a consumer and name, in one revision. Revoking a revoked id again is OK.
  absl::StatusOr<RevokedKeys> RevokeId(const std::string& environment, const std::string& id);
  absl::StatusOr<RevokedKeys> RevokeName(const std::string& environment,
                                         const std::string& consumer, const std::string& name);

  // Live, expired and revoked ones, by consumer, name, time; consumer "": all.
  absl::StatusOr<std::vector<KeyRecord>> List(const std::string& environment,
                                              const std::string& consumer);

 private:
  RevStore& store_;
  const Clock& clock_;
  const Peppers& peppers_;
};

}  // namespace tollgate::control
