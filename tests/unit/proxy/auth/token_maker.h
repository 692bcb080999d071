// Makes tokens and the issuer that accepts them: claims are changed one at a time. For tests only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/crypto/json.h"
#include "common/crypto/signing_key.h"
#include "common/policy/policy.h"
#include "proxy/auth/token_issuer.h"
#include "proxy/auth/token_verifier.h"

namespace tollgate::proxy {

inline constexpr int64_t kNow = 1'700'000'000;
inline WallTime At(int64_t seconds) { return FromUnixSeconds(seconds); }

class TokenMaker {
 public:
  TokenMaker() : key_(SigningKey::Generate(JwsAlgorithm::kEs256, "k1").value()) {
    policy.name = "bank-login";
    policy.issuer = "https://login.bank.example/";
    policy.audiences = {"card-payments"};
    policy.algorithms = {"ES256"};
    policy.jwks = absl::StrCat("{\"keys\":[", key_.PublicJwk().value(), "]}");
    policy.profile = TokenProfile::kJwt;
    policy.consumer_claim = "client_id";
    policy.permissions_claim = "scope";
    claims = {{"iss", R"("https://login.bank.example/")"},
              {"aud", R"("card-payments")"},
              {"exp", absl::StrCat(kNow + 300)},
              {"nbf", absl::StrCat(kNow)},
              {"iat", absl::StrCat(kNow)},
              {"sub", R"("shop-42-till")"},
              {"jti", R"("t-1")"},
              {"client_id", R"("shop-42")"},
              {"scope", R"("payments.read payments.write")"}};
  }

  // Claims as JSON texts; erase one to leave it out.
  std::map<std::string, std::string> claims;
  IssuerPolicy policy;
  std::vector<std::string> limit_claims;
  std::string typ = "at+jwt";  // "": none

  std::string Payload() const {
    std::string json = "{";
    for (const auto& [name, value] : claims) {
      if (json != "{") json += ',';
      AppendJsonString(name, &json);
      absl::StrAppend(&json, ":", value);
    }
    return json + "}";
  }
  std::string Token() const { return key_.Sign(Payload(), typ).value(); }
  std::string TokenWithPayload(absl::string_view payload) const {
    return key_.Sign(payload, typ).value();
  }
  std::shared_ptr<const TokenIssuer> Issuer() const {
    return TokenIssuer::Compile(policy, limit_claims).value();
  }
  const SigningKey& key() const { return key_; }

  // Verified without a cache.
  TokenResult Verify(int64_t now = kNow) const { return VerifyToken(Token(), At(now)); }
  TokenResult VerifyToken(absl::string_view token, WallTime now = At(kNow)) const {
    const auto issuer = Issuer();
    const TokenIssuer* const issuers[] = {issuer.get()};
    return TokenVerifier(0).Verify(token, issuers, now);
  }

 private:
  SigningKey key_;
};

}  // namespace tollgate::proxy
