// Denials of tokens: what is refused although it verifies, by one of its claims. Both planes work
// with these; they belong to no Policy and no release. Values.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/policy/from_proto.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate {

// One token (RFC 7519 section 4.1.7), everything of a subject (4.1.2), everything of a client (RFC
// 8693 section 4.3).
enum class DeniedClaim : uint8_t { kTokenId, kSubject, kClient };
absl::string_view ToString(DeniedClaim claim);  // as tokens spell it: "jti", "sub", "client_id"
std::optional<DeniedClaim> ParseDeniedClaim(absl::string_view text);

// `issuer` is the iss claim, not the name of an Issuer document: a release that renames or copies
// the document changes nothing about which tokens are denied.
struct DeniedToken {
  std::string issuer;
  DeniedClaim claim = DeniedClaim::kTokenId;
  std::string value;
  friend auto operator<=>(const DeniedToken&, const DeniedToken&) = default;
};

inline constexpr WallTime kNoEnd = WallTime::max();
inline constexpr size_t kMaxDeniedValue = 1024;  // bytes

struct TokenDenial {
  DeniedToken token;
  WallTime until = kNoEnd;  // in whole seconds
  friend bool operator==(const TokenDenial&, const TokenDenial&) = default;
};

config::v1::TokenDenial ToProto(const TokenDenial& denial);

// The tokens that a Revocation denies, as far as it can be understood; `errors` gains what cannot,
// also unknown fields anywhere in it. Denying what is understood is safe; saying that all of it was
// understood is not.
std::vector<TokenDenial> TokenDenialsOf(const config::v1::Revocation& revocation,
                                        std::vector<ResourceError>* errors);

}  // namespace tollgate
