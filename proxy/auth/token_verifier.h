// Who is it, by bearer token. A worker owns one, and it outlives policy: buffers and the cache of
// verified tokens stay; the issuers come with each snapshot. No I/O. One thread.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"
#include "common/crypto/jws.h"
#include "proxy/auth/token_cache.h"
#include "proxy/auth/token_error.h"
#include "proxy/auth/token_issuer.h"

namespace tollgate::proxy {

struct TokenResult {
  std::shared_ptr<const VerifiedToken> token;  // set when ok()
  TokenError error;
  bool cached = false;
  bool ok() const { return token != nullptr; }
};

class TokenVerifier {
 public:
  explicit TokenVerifier(size_t cache_entries = 4096);
  ~TokenVerifier();

  // `issuers`: those that the Api accepts, in its order; the token's iss chooses.
  TokenResult Verify(absl::string_view token, absl::Span<const TokenIssuer* const> issuers,
                     WallTime now);
  void PurgeCache() { cache_.Purge(); }
  const TokenCache& cache() const { return cache_; }

 private:
  TokenResult VerifyFresh(absl::string_view token, absl::Span<const TokenIssuer* const> issuers,
                          WallTime now, const TokenIssuer** by);

  JwsParser parser_;
  std::unique_ptr<class ClaimsReader> claims_;
  Sha256Hasher hasher_;
  TokenCache cache_;
};

}  // namespace tollgate::proxy
