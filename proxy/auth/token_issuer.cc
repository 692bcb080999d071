#include "proxy/auth/token_issuer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/policy/token_denial.h"
#include "proxy/auth/claims_reader.h"

namespace tollgate::proxy {
namespace {

using Result = ClaimsReader::Result;

// FAPI 2.0 section 5.3.2.1: iat and nbf up to 10 s ahead are accepted, more than 60 s never.
constexpr Duration kAheadAccepted = std::chrono::seconds(10);

TokenError Missing(absl::string_view claim) {
  return {.failure = TokenFailure::kMissingClaim, .claim = claim};
}
TokenError Invalid(absl::string_view claim) {
  return {.failure = TokenFailure::kInvalidClaim, .claim = claim};
}

// Identities go into logs and headers: no control characters.
bool Printable(absl::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// A string that may be absent, or (required) must be there and say something.
TokenError ReadString(const ClaimsReader& claims, absl::string_view name, bool required,
                      absl::string_view label, std::string* out) {
  absl::string_view text;
  switch (claims.String(name, &text)) {
    case Result::kAbsent:
      return required ? Missing(label) : TokenError{};
    case Result::kWrongType:
      return Invalid(label);
    case Result::kOk:
      break;
  }
  // What is longer could not be denied.
  if ((required && text.empty()) || text.size() > kMaxDeniedValue || !Printable(text)) {
    return Invalid(label);
  }
  *out = std::string(text);
  return {};
}

TokenError ReadTime(const ClaimsReader& claims, absl::string_view name, bool required,
                    std::optional<WallTime>* out) {
  WallTime time;
  switch (claims.Time(name, &time)) {
    case Result::kAbsent:
      return required ? Missing(name) : TokenError{};
    case Result::kWrongType:
      return Invalid(name);
    case Result::kOk:
      break;
  }
  *out = time;
  return {};
}

// RFC 8693 section 4.2 and RFC 9068: words separated by spaces; some issuers write an array.
TokenError ReadPermissions(const ClaimsReader& claims, absl::string_view name,
                           std::vector<std::string>* out) {
  std::vector<absl::string_view> values;
  if (claims.Strings(name, &values) == Result::kWrongType) return Invalid("permissions_claim");
  for (const absl::string_view value : values) {
    for (const absl::string_view word : absl::StrSplit(value, ' ', absl::SkipEmpty())) {
      out->emplace_back(word);
    }
  }
  return {};
}

void AppendField(absl::string_view field, std::string* out) {
  absl::StrAppend(out, field.size(), ":", field);
}

}  // namespace

const std::string* VerifiedToken::Claim(absl::string_view name) const {
  for (const auto& [claim, value] : claims) {
    if (claim == name) return &value;
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<const TokenIssuer>> TokenIssuer::Compile(
    const IssuerPolicy& policy, absl::Span<const std::string> claims) {
  const auto refuse = [&policy](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("issuer '", policy.name, "': ", what));
  };
  if (policy.issuer.empty()) return refuse("issuer is empty; expected the tokens' iss");
  if (policy.audiences.empty() ||
      std::find(policy.audiences.begin(), policy.audiences.end(), "") != policy.audiences.end()) {
    return refuse("audiences is empty or has an empty entry; a token must be meant for us");
  }
  if (policy.consumer_claim.empty()) {
    return refuse("consumer_claim is empty; expected the claim that names the consumer");
  }
  if (policy.leeway < Duration::zero() || policy.leeway > kMaxLeeway) {
    return refuse(absl::StrCat(
        "leeway is ", std::chrono::duration_cast<std::chrono::milliseconds>(policy.leeway).count(),
        " ms; expected 0 to 60000"));
  }
  const auto algorithms = ParseJwsAlgorithms(policy.algorithms);
  if (!algorithms.ok()) return refuse(algorithms.status().message());
  absl::StatusOr<JwkSet> keys = JwkSet::Parse(policy.jwks, *algorithms);
  if (!keys.ok()) return refuse(absl::StrCat("jwks: ", keys.status().message()));

  std::shared_ptr<TokenIssuer> issuer(new TokenIssuer());
  issuer->name_ = policy.name;
  issuer->issuer_ = policy.issuer;
  issuer->audiences_ = policy.audiences;
  issuer->profile_ = policy.profile;
  issuer->consumer_claim_ = policy.consumer_claim;
  issuer->permissions_claim_ = policy.permissions_claim;
  issuer->claims_.assign(claims.begin(), claims.end());
  issuer->leeway_ = policy.leeway;
  issuer->keys_ = *std::move(keys);

  std::string meaning;
  for (const absl::string_view field :
       {absl::string_view(policy.name), absl::string_view(policy.issuer),
        absl::string_view(policy.consumer_claim), absl::string_view(policy.permissions_claim),
        AsBytes(issuer->keys_.digest())}) {
    AppendField(field, &meaning);
  }
  absl::StrAppend(&meaning, static_cast<int>(policy.profile), ";");
  for (const JwsAlgorithm alg : *algorithms) AppendField(ToString(alg), &meaning);
  meaning += ';';
  for (const std::string& claim : claims) AppendField(claim, &meaning);
  issuer->digest_ = Sha256(meaning);
  return issuer;
}

bool TokenIssuer::TypeAccepted(std::optional<absl::string_view> typ) const {
  if (!typ) return profile_ == TokenProfile::kJwt;
  // A media type: case-insensitive, "application/" may be left out (RFC 7515 section 4.1.9).
  absl::string_view type = *typ;
  constexpr absl::string_view kPrefix = "application/";
  if (absl::StartsWithIgnoreCase(type, kPrefix)) type.remove_prefix(kPrefix.size());
  if (absl::EqualsIgnoreCase(type, "at+jwt")) return true;
  return profile_ == TokenProfile::kJwt && absl::EqualsIgnoreCase(type, "JWT");
}

TokenError TokenIssuer::ReadClaims(const ClaimsReader& claims, std::optional<absl::string_view> typ,
                                   WallTime now, VerifiedToken* token) const {
  if (!TypeAccepted(typ)) return {.failure = TokenFailure::kType};
  const bool strict = profile_ == TokenProfile::kRfc9068;
  token->issuer = name_;
  token->iss = issuer_;

  std::optional<WallTime> expires;
  if (auto e = ReadTime(claims, "exp", /*required=*/true, &expires); !e.ok()) return e;
  token->expires = *expires;
  if (auto e = ReadTime(claims, "nbf", false, &token->not_before); !e.ok()) return e;
  if (auto e = ReadTime(claims, "iat", strict, &token->issued); !e.ok()) return e;

  std::vector<absl::string_view> audiences;
  switch (claims.Strings("aud", &audiences)) {
    case Result::kAbsent:
      return Missing("aud");
    case Result::kWrongType:
      return Invalid("aud");
    case Result::kOk:
      break;
  }
  for (const absl::string_view audience : audiences) token->audiences.emplace_back(audience);
  if (auto e = ReadString(claims, "sub", strict, "sub", &token->subject); !e.ok()) return e;
  if (auto e = ReadString(claims, "jti", strict, "jti", &token->id); !e.ok()) return e;
  if (auto e = ReadString(claims, "client_id", strict, "client_id", &token->client); !e.ok()) {
    return e;
  }
  if (auto e = ReadString(claims, consumer_claim_, false, "consumer_claim", &token->consumer);
      !e.ok()) {
    return e;
  }
  if (!permissions_claim_.empty()) {
    if (auto e = ReadPermissions(claims, permissions_claim_, &token->permissions); !e.ok()) {
      return e;
    }
  }
  for (const std::string& name : claims_) {
    // Plans of other issuers' callers name claims as well, so one of another type is no fault of
    // the token. It counts as absent: those share one counter, which is the strictest.
    std::string value;
    if (claims.Key(name, &value)) token->claims.emplace_back(name, std::move(value));
  }
  return Recheck(*token, now);
}

TokenError TokenIssuer::Recheck(const VerifiedToken& token, WallTime now) const {
  // RFC 7519 section 4.1.4: now must be before exp.
  if (now - leeway_ >= token.expires) return {.failure = TokenFailure::kExpired};
  const WallTime ahead = now + std::max(kAheadAccepted, leeway_);
  if ((token.not_before && *token.not_before > ahead) || (token.issued && *token.issued > ahead)) {
    return {.failure = TokenFailure::kNotYetValid};
  }
  for (const std::string& audience : token.audiences) {
    if (std::find(audiences_.begin(), audiences_.end(), audience) != audiences_.end()) return {};
  }
  return {.failure = TokenFailure::kAudience};
}

}  // namespace tollgate::proxy
