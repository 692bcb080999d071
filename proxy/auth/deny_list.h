// What has been revoked: API keys by id, tokens by a claim. Deny only, in force at once, whatever
// release is active. Immutable; the owner swaps one shared_ptr for the next.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/clock.h"
#include "common/policy/token_denial.h"
#include "proxy/auth/token_issuer.h"

namespace tollgate::proxy {

class DenyList {
 public:
  DenyList() = default;
  DenyList(uint64_t revision, absl::Span<const std::string> key_ids,
           std::vector<TokenDenial> tokens = {});
  DenyList(const DenyList&) = delete;
  DenyList& operator=(const DenyList&) = delete;

  bool KeyRevoked(absl::string_view id) const { return key_ids_.contains(id); }
  // Asked at every use of a token, also of one whose verification is cached: so no cache has to be
  // purged. Nothing but a comparison while no token is denied.
  bool TokenRevoked(const VerifiedToken& token, WallTime now) const {
    return !ends_.empty() && FindToken(token, now);
  }
  uint64_t revision() const { return revision_; }
  bool empty() const { return key_ids_.empty() && ends_.empty(); }

 private:
  using Key = std::tuple<DeniedClaim, absl::string_view, absl::string_view>;
  bool FindToken(const VerifiedToken& token, WallTime now) const;

  uint64_t revision_ = 0;
  absl::flat_hash_set<std::string> key_ids_;
  std::vector<TokenDenial> tokens_;          // what the keys below point into
  absl::flat_hash_map<Key, WallTime> ends_;  // when each is over
};

}  // namespace tollgate::proxy
