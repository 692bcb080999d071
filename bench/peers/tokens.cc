// Keys and tokens for the policy workload. Tokens are signed on all processors; each differs by its
// jti, and by its subject, which cycles through the consumers.
//
//   bench-tokens keygen ALG PRIVATE.jwk PUBLIC.jwks      PUBLIC of HS256 is the key itself, as a
//   set bench-tokens sign PRIVATE.jwk --iss I --aud A --sub PREFIX --subjects 64 --count N
//   --seconds 3600
//                     --scope "a b"                      one token a line
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file.h"
#include "common/crypto/signing_key.h"

namespace tollgate {
namespace {

struct Claims {
  std::string issuer, audience, subject, scope;
  uint64_t subjects = 1, count = 1;
  int64_t seconds = 3600;
};

int Fail(const absl::Status& status) {
  std::cerr << "bench-tokens: " << status.ToString() << "\n";
  return 1;
}

int Generate(const std::string& alg_name, const std::string& secret, const std::string& shared) {
  const auto alg = ParseJwsAlgorithm(alg_name);
  if (!alg) return Fail(absl::InvalidArgumentError(absl::StrCat("unknown algorithm ", alg_name)));
  const auto key = SigningKey::Generate(*alg, absl::StrCat("bench-", alg_name));
  if (!key.ok()) return Fail(key.status());
  PosixFileSystem files;
  if (const auto s = files.Write(secret, key->PrivateJwk()); !s.ok()) return Fail(s);
  const auto published = key->PublicJwk();
  const std::string jwk = published.ok() ? *published : key->PrivateJwk();
  const std::string set = absl::StrCat("{\"keys\":[", jwk, "]}");
  if (const auto s = files.Write(shared, set); !s.ok()) return Fail(s);
  return 0;
}

absl::Status SignRange(const SigningKey& key, const Claims& claims, int64_t now, uint64_t salt,
                       uint64_t begin, std::vector<std::string>::iterator out, uint64_t n) {
  for (uint64_t i = begin; i < begin + n; ++i, ++out) {
    auto token =
        key.Sign(absl::StrCat(R"({"iss":")", claims.issuer, R"(","aud":")", claims.audience,
                              R"(","sub":")", claims.subject, i % claims.subjects, R"(","scope":")",
                              claims.scope, R"(","iat":)", now, R"(,"exp":)", now + claims.seconds,
                              R"(,"jti":")", absl::Hex(salt, absl::kZeroPad16), "-", i, R"("})"));
    if (!token.ok()) return token.status();
    *out = *std::move(token);
  }
  return absl::OkStatus();
}

int Sign(const std::string& path, const Claims& claims) {
  PosixFileSystem files;
  const auto jwk = files.Read(path, 1 << 16);
  if (!jwk.ok()) return Fail(jwk.status());
  const auto key = SigningKey::Parse(*jwk);
  if (!key.ok()) return Fail(key.status());
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  const uint64_t salt = std::random_device{}();
  std::vector<std::string> tokens(claims.count);
  const uint64_t threads = std::max<uint64_t>(1, std::thread::hardware_concurrency());
  const uint64_t share = (claims.count + threads - 1) / threads;
  std::vector<absl::Status> results(threads);
  std::vector<std::thread> running;
  for (uint64_t t = 0; t * share < claims.count; ++t) {
    running.emplace_back([&, t] {
      const uint64_t n = std::min(share, claims.count - t * share);
      results[t] = SignRange(*key, claims, now, salt, t * share,
                             tokens.begin() + static_cast<int64_t>(t * share), n);
    });
  }
  for (std::thread& thread : running) thread.join();
  for (const absl::Status& result : results) {
    if (!result.ok()) return Fail(result);
  }
  for (const std::string& token : tokens) std::printf("%s\n", token.c_str());
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Keys and tokens for the policy workload of bench/peers.");
  std::string alg, secret, shared;
  Claims claims;
  CLI::App* keygen = app.add_subcommand("keygen", "make a key");
  keygen->add_option("alg", alg)->required();
  keygen->add_option("private", secret)->required();
  keygen->add_option("public", shared)->required();
  CLI::App* sign = app.add_subcommand("sign", "sign tokens");
  sign->add_option("private", secret)->required();
  sign->add_option("--iss", claims.issuer)->required();
  sign->add_option("--aud", claims.audience)->required();
  sign->add_option("--sub", claims.subject, "prefix of the subject")->required();
  sign->add_option("--subjects", claims.subjects)->check(CLI::PositiveNumber);
  sign->add_option("--count", claims.count)->check(CLI::PositiveNumber);
  sign->add_option("--seconds", claims.seconds, "until they expire; may be negative");
  sign->add_option("--scope", claims.scope);
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  return *keygen ? Generate(alg, secret, shared) : Sign(secret, claims);
}

}  // namespace
}  // namespace tollgate

int main(int argc, char** argv) { return tollgate::Main(argc, argv); }
