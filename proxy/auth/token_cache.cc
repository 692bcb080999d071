#include "proxy/auth/token_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tollgate::proxy {

TokenCache::TokenCache(size_t entries)
    : slots_(entries == 0 ? 0 : std::bit_ceil(std::max(entries, kWays))) {}

TokenCache::Slot* TokenCache::Set(const Digest256& token, const Digest256& issuer) {
  // Both are SHA-256: any of their bits are as good as a hash. Only tokens that verified are
  // inserted, so nobody else chooses which set they fall into.
  uint64_t a, b;
  std::memcpy(&a, token.data(), sizeof(a));
  std::memcpy(&b, issuer.data(), sizeof(b));
  const size_t sets = slots_.size() / kWays;
  return &slots_[((a ^ b) & (sets - 1)) * kWays];
}

std::shared_ptr<const VerifiedToken> TokenCache::Find(const Digest256& token,
                                                      const Digest256& issuer, WallTime now) {
  if (slots_.empty()) return nullptr;
  Slot* set = Set(token, issuer);
  for (Slot* slot = set; slot != set + kWays; ++slot) {
    if (slot->claims == nullptr || slot->token != token || slot->issuer != issuer) continue;
    // A wall clock that was set back makes the age negative: then it says nothing.
    const Duration age = now - slot->inserted;
    if (age < Duration::zero() || age >= kMaxAge) {
      slot->claims.reset();
      return nullptr;
    }
    slot->used = ++tick_;
    return slot->claims;
  }
  return nullptr;
}

void TokenCache::Insert(const Digest256& token, const Digest256& issuer, WallTime now,
                        std::shared_ptr<const VerifiedToken> claims) {
  if (slots_.empty()) return;
  Slot* set = Set(token, issuer);
  Slot* victim = set;
  for (Slot* slot = set; slot != set + kWays; ++slot) {
    if (slot->claims != nullptr && slot->token == token && slot->issuer == issuer) {
      victim = slot;
      break;
    }
    const bool older = slot->claims == nullptr
                           ? victim->claims != nullptr
                           : victim->claims != nullptr && slot->used < victim->used;
    if (older) victim = slot;
  }
  *victim = Slot{token, issuer, now, ++tick_, std::move(claims)};
}

void TokenCache::Purge() {
  for (Slot& slot : slots_) slot.claims.reset();
}

size_t TokenCache::size() const {
  return std::count_if(slots_.begin(), slots_.end(),
                       [](const Slot& s) { return s.claims != nullptr; });
}

}  // namespace tollgate::proxy
