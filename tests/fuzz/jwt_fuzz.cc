// Everything of common/crypto and proxy/auth that reads what a client sent or an operator wrote.
// The first byte chooses: 't' a token as it is; 's' header LF payload, signed here, so that
// mutations reach the claims; 'k' a JWK set; 'a' an Authorization value and an API key. Besides not
// crashing, what is accepted must be right.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/api_key.h"
#include "common/crypto/encoding.h"
#include "common/crypto/jwk.h"
#include "common/crypto/jws.h"
#include "common/crypto/signing_key.h"
#include "proxy/auth/bearer.h"
#include "proxy/auth/token_verifier.h"

namespace {

using namespace tollgate;         // NOLINT
using namespace tollgate::proxy;  // NOLINT

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

constexpr char kSecretJwk[] =
    R"({"kty":"oct","kid":"k","alg":"HS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"})";
const WallTime kNow = FromUnixSeconds(1'700'000'000);

struct Fixture {
  Fixture() {
    IssuerPolicy policy;
    policy.name = "fuzz";
    policy.issuer = "i";
    policy.audiences = {"a"};
    policy.algorithms = {"HS256"};
    policy.jwks = absl::StrCat("{\"keys\":[", kSecretJwk, "]}");
    policy.consumer_claim = "sub";
    policy.permissions_claim = "scope";
    const std::string claims[] = {"tenant"};
    jwt = TokenIssuer::Compile(policy, claims).value();
    policy.profile = TokenProfile::kRfc9068;
    access_token = TokenIssuer::Compile(policy, claims).value();
  }
  SigningKey key = SigningKey::Parse(kSecretJwk).value();
  std::shared_ptr<const TokenIssuer> jwt, access_token;
  TokenVerifier verifier{64};
  TokenVerifier uncached{0};
};

void CheckToken(Fixture& f, absl::string_view token) {
  for (const TokenIssuer* issuer : {f.jwt.get(), f.access_token.get()}) {
    const TokenIssuer* const issuers[] = {issuer};
    const TokenResult first = f.verifier.Verify(token, issuers, kNow);
    const TokenResult again = f.verifier.Verify(token, issuers, kNow);
    const TokenResult fresh = f.uncached.Verify(token, issuers, kNow);
    Require(first.ok() == again.ok() && first.ok() == fresh.ok(), "the cache changes no verdict");
    Require(first.ok() == first.error.ok(), "a refusal has a reason");
    if (!first.ok()) continue;
    Require(*first.token == *fresh.token && *first.token == *again.token, "nor any claim");
    Require(first.token->expires > kNow, "an expired token is refused");
    Require(!first.token->audiences.empty(), "a token is meant for us");
    // The signature covers every character but its own.
    const size_t dot = token.rfind('.');
    Digest256 mac = HmacSha256("0123456789abcdef0123456789abcdef", token.substr(0, dot));
    Require(Base64UrlEncode(AsBytes(mac)) == token.substr(dot + 1), "only a signed token passes");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Fixture* fixture = new Fixture();
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 't':
      CheckToken(*fixture, text);
      break;
    case 's': {
      const size_t line = text.find('\n');
      if (line == absl::string_view::npos) break;
      CheckToken(*fixture,
                 fixture->key.SignWithHeader(text.substr(0, line), text.substr(line + 1)).value());
      break;
    }
    case 'k': {
      using A = JwsAlgorithm;
      const A all[] = {A::kHs256, A::kPs256, A::kEs256, A::kEs384, A::kEdDsa};
      const auto set = JwkSet::Parse(text, all);
      const auto info = InspectJwkSet(text);
      Require(!set.ok() || (info.ok() && !info->has_private), "no private key in a set");
      Require(!set.ok() || (set->size() > 0 && set->size() <= kMaxJwkSetKeys), "keys in bounds");
      (void)SigningKey::Parse(text);
      break;
    }
    case 'a': {
      const Bearer bearer = ParseBearer(text);
      Require((bearer.status == BearerStatus::kOk) == !bearer.token.empty(), "a token when ok");
      const auto key = ParseApiKey(text);
      Require(!key || absl::StrCat(key->id, ".", key->secret) == text, "both halves, nothing else");
      break;
    }
    default:
      break;
  }
  return 0;
}
