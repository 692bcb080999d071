// Who is it, by API key. Compiled from a Policy, owned by the snapshot; immutable, thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"
#include "common/policy/policy.h"
#include "proxy/auth/consumer_index.h"
#include "proxy/auth/deny_list.h"

namespace tollgate::proxy {

enum class ApiKeyFailure { kNone, kMalformed, kUnknown, kRevoked, kSecret, kExpired };
// "unknown-key", ... for log and metrics; the client is told none of it.
absl::string_view ToString(ApiKeyFailure failure);

struct ApiKeyResult {
  ApiKeyFailure failure = ApiKeyFailure::kUnknown;
  const ConsumerPolicy* consumer = nullptr;  // set when ok()
  const ApiKeyPolicy* key = nullptr;         // set when ok()
  absl::string_view id =
      {};  // into the presented text, unless kMalformed: may be logged and reported
  bool ok() const { return failure == ApiKeyFailure::kNone; }
};

class ApiKeyVerifier {
 public:
  // `index` and `policy` must outlive it. Refuses a key whose pepper is no secret of the policy or
  // whose hash is not 32 bytes.
  static absl::StatusOr<ApiKeyVerifier> Compile(const Policy& policy, const ConsumerIndex* index);

  // An unknown id costs the same hash and comparison as a known one.
  ApiKeyResult Check(absl::string_view presented, const DenyList& denied, WallTime now) const;

 private:
  ApiKeyVerifier(const ConsumerIndex* index, HmacKey dummy)
      : index_(index), dummy_(std::move(dummy)) {}

  const ConsumerIndex* index_;
  HmacKey dummy_;                                      // hashes secrets of unknown ids
  absl::flat_hash_map<std::string, HmacKey> peppers_;  // by the secret's name
};

}  // namespace tollgate::proxy
