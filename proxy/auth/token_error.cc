#include "proxy/auth/token_error.h"

namespace tollgate::proxy {

absl::string_view TokenError::reason() const {
  switch (failure) {
    case TokenFailure::kNone:
      return "none";
    case TokenFailure::kJws:
      return ToString(jws);
    case TokenFailure::kPayload:
      return "payload";
    case TokenFailure::kIssuer:
      return "issuer";
    case TokenFailure::kType:
      return "type";
    case TokenFailure::kMissingClaim:
      return "missing-claim";
    case TokenFailure::kInvalidClaim:
      return "invalid-claim";
    case TokenFailure::kAudience:
      return "audience";
    case TokenFailure::kExpired:
      return "expired";
    case TokenFailure::kNotYetValid:
      return "not-yet-valid";
  }
  return "";
}

absl::string_view TokenError::description() const {
  switch (failure) {
    case TokenFailure::kNone:
      return "";
    case TokenFailure::kExpired:
      return "expired";
    case TokenFailure::kNotYetValid:
      return "not yet valid";
    case TokenFailure::kAudience:
      return "not meant for this audience";
    // What was wrong with a signature, a key or a form helps only whoever makes tokens up.
    default:
      return "not a valid token";
  }
}

}  // namespace tollgate::proxy
