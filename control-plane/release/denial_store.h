// DenialStore: which tokens are refused although they verify. Like API keys, denials belong to no
// release: apply, prune and rollback neither add nor lift one. Owned by main.
//
// Thread-safe; several control planes may share one store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/policy/token_denial.h"
#include "control-plane/store/rev_store.h"

namespace tollgate::control {

// A value. Times are Unix seconds, but for `denial`.
struct DenialRecord {
  std::string id;      // of what is denied: equal for equal issuer, claim and value
  std::string issuer;  // name of the Issuer document when it was denied
  TokenDenial denial;
  int64_t created = 0;
  std::string reason;
  std::string author;     // who denied it, or who changed that last
  Revision revision = 0;  // at which it was written
  friend bool operator==(const DenialRecord&, const DenialRecord&) = default;
};

struct NewDenial {
  std::string issuer;
  DeniedToken token;
  Duration lasts = Duration::zero();  // zero: until it is lifted
  std::string reason;
  std::string author;
};
struct AddedDenial {
  DenialRecord record;
  bool existed = false;  // it was in force already; what it says now is at least as much
};
struct LiftedDenial {
  DenialRecord record;
  Revision revision = 0;
};

// All of an environment are sent to the sidecars as one resource, which must fit in a message.
inline constexpr size_t kMaxDenials = 4096;
inline constexpr size_t kMaxDenialBytes = 1024 * 1024;  // issuers and values together
inline constexpr size_t kMaxDenialReason = 512;
// One that is over is listed for this long; sidecars let it go by themselves.
inline constexpr int64_t kKeepEndedSeconds = 7 * 24 * 3600;

class DenialStore {
 public:
  // Borrows both.
  DenialStore(RevStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Durable when it returns. What is in force already may be prolonged, never shortened.
  // ResourceExhausted when there are too many.
  absl::StatusOr<AddedDenial> Add(const std::string& environment, const NewDenial& denial);
  // NotFound when there is none of this id.
  absl::StatusOr<LiftedDenial> Lift(const std::string& environment, const std::string& id);
  // By the time they were made; also those that ended a while ago.
  absl::StatusOr<std::vector<DenialRecord>> List(const std::string& environment);

 private:
  RevStore& store_;
  const Clock& clock_;
};

// denied/ID -> what is denied. DataLoss when it is not one. Internal to control-plane/release.
absl::StatusOr<DenialRecord> ParseDenial(const KeyValue& kv);

}  // namespace tollgate::control
