// Why a bearer token was refused: a typed reason for logs and metrics, and the little that the
// client is told. A value.
#pragma once

#include "absl/strings/string_view.h"
#include "common/crypto/jws.h"

namespace tollgate::proxy {

enum class TokenFailure {
  kNone,
  kJws,           // TokenError::jws says which
  kPayload,       // the claims are not a JSON object, or one has the wrong type
  kIssuer,        // iss absent, or none of those accepted here
  kType,          // typ does not fit the profile
  kMissingClaim,  // TokenError::claim says which
  kInvalidClaim,  // likewise
  kAudience,
  kExpired,
  kNotYetValid,  // nbf, or iat, too far ahead
};

struct TokenError {
  TokenFailure failure = TokenFailure::kNone;
  JwsFailure jws = JwsFailure::kNone;
  absl::string_view claim = {};  // a literal: "exp", "aud", ...

  bool ok() const { return failure == TokenFailure::kNone; }
  // For log and metrics, from a small fixed set: "expired", "signature", "algorithm-none".
  absl::string_view reason() const;
  // RFC 6750 error_description: tells no more than a client needs to get a better token.
  absl::string_view description() const;
  friend bool operator==(const TokenError&, const TokenError&) = default;
};

}  // namespace tollgate::proxy
