// One issuer of tokens, compiled from its policy: keys prepared, names indexed, and every claim
// check of RFC 7519 and RFC 9068. Owned by the snapshot; immutable, thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/clock.h"
#include "common/crypto/jwk.h"
#include "common/crypto/jws.h"
#include "common/policy/policy.h"
#include "proxy/auth/token_error.h"

namespace tollgate::proxy {

// An issuer's leeway is at most this.
inline constexpr Duration kMaxLeeway = std::chrono::seconds(60);

// What a token said, once its signature held. A value. It says nothing about permission.
struct VerifiedToken {
  std::string issuer;    // name of the IssuerPolicy
  std::string iss;       // the claim
  std::string consumer;  // value of its consumer_claim; "": the token has none
  std::vector<std::string> permissions;
  std::string subject;  // "": absent
  std::string id;       // jti; "": absent
  std::string client;   // client_id; "": absent
  std::vector<std::string> audiences;
  WallTime expires{};
  std::optional<WallTime> not_before;
  std::optional<WallTime> issued;
  std::vector<std::pair<std::string, std::string>> claims;  // those that plans count by, as text

  // A claim that was asked for at compile time: a string, or an integer in decimal. nullptr:
  // absent.
  const std::string* Claim(absl::string_view name) const;
  friend bool operator==(const VerifiedToken&, const VerifiedToken&) = default;
};

class TokenIssuer {
 public:
  // `claims`: names that plans limit by (`per: claim:NAME`). Refuses what could never verify or
  // would verify too much: no audience, a leeway above 60 s, an unknown algorithm, an unusable key
  // set.
  static absl::StatusOr<std::shared_ptr<const TokenIssuer>> Compile(
      const IssuerPolicy& policy, absl::Span<const std::string> claims = {});

  const std::string& name() const { return name_; }
  const std::string& issuer() const { return issuer_; }  // the iss claim
  const JwkSet& keys() const { return keys_; }
  // Of everything that decides what a token means here, except what Recheck looks at: keys, iss,
  // profile, algorithms, claim names. A cache entry under another digest is not ours.
  const Digest256& digest() const { return digest_; }

  // The payload of a JWS whose signature held, under this issuer's rules. The caller has found
  // `iss` equal. `payload` must be followed by JwsParser::kPadding readable bytes.
  TokenError ReadClaims(const class ClaimsReader& claims, std::optional<absl::string_view> typ,
                        WallTime now, VerifiedToken* token) const;
  // What can change between two uses of one token: time and our audiences.
  TokenError Recheck(const VerifiedToken& token, WallTime now) const;

 private:
  TokenIssuer() = default;
  bool TypeAccepted(std::optional<absl::string_view> typ) const;

  std::string name_;
  std::string issuer_;
  std::vector<std::string> audiences_;
  TokenProfile profile_ = TokenProfile::kJwt;
  std::string consumer_claim_;
  std::string permissions_claim_;
  std::vector<std::string> claims_;
  Duration leeway_{};
  JwkSet keys_;
  Digest256 digest_{};
};

}  // namespace tollgate::proxy
