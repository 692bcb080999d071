#include "proxy/auth/token_verifier.h"

#include <utility>

#include "proxy/auth/claims_reader.h"

namespace tollgate::proxy {
namespace {

TokenResult Refuse(TokenError error) { return {.token = nullptr, .error = error, .cached = false}; }

TokenError JwsError(JwsFailure failure) {
  return {.failure = TokenFailure::kJws, .jws = failure, .claim = {}};
}

}  // namespace

TokenVerifier::TokenVerifier(size_t cache_entries)
    : claims_(std::make_unique<ClaimsReader>()), cache_(cache_entries) {}
TokenVerifier::~TokenVerifier() = default;

TokenResult TokenVerifier::Verify(absl::string_view token,
                                  absl::Span<const TokenIssuer* const> issuers, WallTime now) {
  if (token.size() > kMaxJwsBytes) return Refuse(JwsError(JwsFailure::kTooLong));
  const Digest256 digest = hasher_.Hash(token);
  for (const TokenIssuer* issuer : issuers) {
    std::shared_ptr<const VerifiedToken> known = cache_.Find(digest, issuer->digest(), now);
    // What no longer holds here may hold for another issuer: the whole verification decides.
    if (known != nullptr && issuer->Recheck(*known, now).ok()) {
      return {.token = std::move(known), .error = {}, .cached = true};
    }
  }
  const TokenIssuer* by = nullptr;
  TokenResult result = VerifyFresh(token, issuers, now, &by);
  if (result.ok()) cache_.Insert(digest, by->digest(), now, result.token);
  return result;
}

TokenResult TokenVerifier::VerifyFresh(absl::string_view token,
                                       absl::Span<const TokenIssuer* const> issuers, WallTime now,
                                       const TokenIssuer** by) {
  Jws jws;
  if (const JwsFailure f = parser_.Parse(token, &jws); f != JwsFailure::kNone) {
    return Refuse(JwsError(f));
  }
  if (const TokenError e = claims_->Parse(jws.payload); !e.ok()) return Refuse(e);
  absl::string_view iss;
  if (claims_->String("iss", &iss) != ClaimsReader::Result::kOk) {
    return Refuse({.failure = TokenFailure::kIssuer});
  }
  TokenError last{.failure = TokenFailure::kIssuer};
  for (const TokenIssuer* issuer : issuers) {
    if (issuer->issuer() != iss) continue;
    if (const JwsFailure f = VerifyJws(jws, issuer->keys()); f != JwsFailure::kNone) {
      last = JwsError(f);
      continue;
    }
    auto verified = std::make_shared<VerifiedToken>();
    last = issuer->ReadClaims(*claims_, jws.typ, now, verified.get());
    if (last.ok()) {
      *by = issuer;
      return {.token = std::move(verified), .error = {}, .cached = false};
    }
  }
  return Refuse(last);
}

}  // namespace tollgate::proxy
