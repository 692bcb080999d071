#include "proxy/auth/deny_list.h"

#include <algorithm>
#include <utility>

namespace tollgate::proxy {

DenyList::DenyList(uint64_t revision, absl::Span<const std::string> key_ids,
                   std::vector<TokenDenial> tokens)
    : revision_(revision), key_ids_(key_ids.begin(), key_ids.end()), tokens_(std::move(tokens)) {
  for (const TokenDenial& denial : tokens_) {
    // Leeway lets a token live that much longer than its exp says, so a denial that was to last as
    // long as the token does too.
    const WallTime end =
        denial.until < kNoEnd - kMaxLeeway ? denial.until + kMaxLeeway : denial.until;
    WallTime& known =
        ends_.try_emplace(Key(denial.token.claim, denial.token.issuer, denial.token.value), end)
            .first->second;
    known = std::max(known, end);
  }
}

bool DenyList::FindToken(const VerifiedToken& token, WallTime now) const {
  const std::pair<DeniedClaim, const std::string*> claims[] = {
      {DeniedClaim::kTokenId, &token.id},
      {DeniedClaim::kSubject, &token.subject},
      {DeniedClaim::kClient, &token.client}};
  for (const auto& [claim, value] : claims) {
    if (value->empty()) continue;
    const auto found = ends_.find(Key(claim, token.iss, *value));
    if (found != ends_.end() && now < found->second) return true;
  }
  return false;
}

}  // namespace tollgate::proxy
