// Tokens that have been verified and need not be again: bounded, at most 60 s old, claims only
// (never the token). Keyed by SHA-256(token) and the issuer's digest, so that it outlives policy:
// after a push that changed keys or claim names its old entries are simply not found. Owned by one
// worker; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/digest.h"
#include "proxy/auth/token_issuer.h"

namespace tollgate::proxy {

class TokenCache {
 public:
  static constexpr Duration kMaxAge = std::chrono::seconds(60);
  // `entries` is rounded up to a power of two, at least kWays. Zero: no cache.
  explicit TokenCache(size_t entries);

  // nullptr: not here, or too old. The caller rechecks time and audience.
  std::shared_ptr<const VerifiedToken> Find(const Digest256& token, const Digest256& issuer,
                                            WallTime now);
  void Insert(const Digest256& token, const Digest256& issuer, WallTime now,
              std::shared_ptr<const VerifiedToken> claims);
  // Forgets everything: after a revocation, or when a key was withdrawn.
  void Purge();

  size_t size() const;
  size_t capacity() const { return slots_.size(); }

 private:
  static constexpr size_t kWays =
      8;  // a token can be in one of these; the least recently used gives way
  struct Slot {
    Digest256 token;
    Digest256 issuer;
    WallTime inserted;
    uint64_t used = 0;  // tick of last use
    std::shared_ptr<const VerifiedToken> claims;
  };
  Slot* Set(const Digest256& token, const Digest256& issuer);

  std::vector<Slot> slots_;
  uint64_t tick_ = 0;
};

}  // namespace tollgate::proxy
