// What it costs to know who is calling: each signature algorithm, a cache hit, an API key.
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/crypto/api_key.h"
#include "common/crypto/jws.h"
#include "common/crypto/signing_key.h"
#include "proxy/auth/api_key_verifier.h"
#include "proxy/auth/token_verifier.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kTokenBytes = 800;  // about what an identity provider issues
const WallTime kNow = FromUnixSeconds(1'700'000'000);

std::string MakeToken(const SigningKey& key, size_t padding) {
  return key
      .Sign(absl::StrCat(R"({"iss":"https://login.bank.example/","aud":"card-payments",)",
                         R"("exp":1700000300,"iat":1700000000,"sub":"shop-42",)",
                         R"("client_id":"shop-42","jti":"5f2c0e7a9b1d",)",
                         R"("scope":"payments.read payments.write","pad":")",
                         std::string(padding, 'x'), "\"}"),
            "at+jwt")
      .value();
}

struct Fixture {
  explicit Fixture(JwsAlgorithm alg) {
    const SigningKey key = SigningKey::Generate(alg, "key-1").value();
    const auto public_jwk = key.PublicJwk();
    IssuerPolicy policy;
    policy.name = "bank-login";
    policy.issuer = "https://login.bank.example/";
    policy.audiences = {"card-payments"};
    policy.algorithms = {std::string(ToString(alg))};
    policy.jwks =
        absl::StrCat("{\"keys\":[", public_jwk.ok() ? *public_jwk : key.PrivateJwk(), "]}");
    policy.profile = TokenProfile::kRfc9068;
    policy.consumer_claim = "client_id";
    policy.permissions_claim = "scope";
    issuer = TokenIssuer::Compile(policy).value();
    const size_t bare = MakeToken(key, 0).size();
    token = MakeToken(key, bare < kTokenBytes ? (kTokenBytes - bare) * 3 / 4 : 0);
  }
  std::shared_ptr<const TokenIssuer> issuer;
  std::string token;
};

void Run(benchmark::State& state, JwsAlgorithm alg, size_t cache_entries) {
  const Fixture f(alg);
  TokenVerifier verifier(cache_entries);
  const TokenIssuer* const issuers[] = {f.issuer.get()};
  for (auto _ : state) {
    const TokenResult result = verifier.Verify(f.token, issuers, kNow);
    if (!result.ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(result.token.get());
  }
  state.counters["token_bytes"] = static_cast<double>(f.token.size());
}

void BM_Verify(benchmark::State& state, JwsAlgorithm alg) { Run(state, alg, 0); }
BENCHMARK_CAPTURE(BM_Verify, HS256, JwsAlgorithm::kHs256);
BENCHMARK_CAPTURE(BM_Verify, HS384, JwsAlgorithm::kHs384);
BENCHMARK_CAPTURE(BM_Verify, HS512, JwsAlgorithm::kHs512);
BENCHMARK_CAPTURE(BM_Verify, RS256, JwsAlgorithm::kRs256);
BENCHMARK_CAPTURE(BM_Verify, PS256, JwsAlgorithm::kPs256);
BENCHMARK_CAPTURE(BM_Verify, ES256, JwsAlgorithm::kEs256);
BENCHMARK_CAPTURE(BM_Verify, ES384, JwsAlgorithm::kEs384);
BENCHMARK_CAPTURE(BM_Verify, EdDSA, JwsAlgorithm::kEdDsa);

void BM_CacheHit(benchmark::State& state) { Run(state, JwsAlgorithm::kEs256, 4096); }
BENCHMARK(BM_CacheHit);

void BM_Sha256Of800Bytes(benchmark::State& state) {
  Sha256Hasher hasher;
  const std::string text(800, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(hasher.Hash(text));
}
BENCHMARK(BM_Sha256Of800Bytes);

void BM_RefuseBadSignature(benchmark::State& state) {
  Fixture f(JwsAlgorithm::kHs256);
  f.token[f.token.size() - 4] ^= 1;
  TokenVerifier verifier(0);
  const TokenIssuer* const issuers[] = {f.issuer.get()};
  for (auto _ : state) {
    benchmark::DoNotOptimize(verifier.Verify(f.token, issuers, kNow).ok());
  }
}
BENCHMARK(BM_RefuseBadSignature);

void ApiKeyCheck(benchmark::State& state, bool known) {
  const GeneratedApiKey key = GenerateApiKey();
  Policy policy;
  policy.secrets["pepper"] = RandomBytes(32);
  policy.consumers["shop-42"].api_keys.push_back(
      {.id = key.id,
       .hash = std::string(AsBytes(HashApiKeySecret(policy.secrets["pepper"], key.secret))),
       .name = "till",
       .not_after = std::nullopt,
       .pepper = "pepper"});
  const ConsumerIndex index = ConsumerIndex::Build(policy).value();
  const ApiKeyVerifier verifier = ApiKeyVerifier::Compile(policy, &index).value();
  const DenyList denied;
  const std::string text = known ? key.text() : GenerateApiKey().text();
  for (auto _ : state) {
    const ApiKeyResult result = verifier.Check(text, denied, kNow);
    if (result.ok() != known) state.SkipWithError("wrong verdict");
  }
}
void BM_ApiKey(benchmark::State& state) { ApiKeyCheck(state, true); }
BENCHMARK(BM_ApiKey);
void BM_ApiKeyUnknownId(benchmark::State& state) { ApiKeyCheck(state, false); }
BENCHMARK(BM_ApiKeyUnknownId);

}  // namespace
}  // namespace tollgate::proxy
