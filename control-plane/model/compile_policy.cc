// Issuers and consumers.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/algorithm.h"
#include "common/crypto/jwk.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/suggest.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

void CompileKeys(const model::v1::Keys& keys, const std::vector<JwsAlgorithm>& algorithms,
                 Checker* check, IssuerModel* issuer) {
  if (!keys.file().empty()) {
    check->Report("keys.file", keys.file(),
                  keys.jwks().empty() ? "the file was not read: it belongs to whoever applies"
                                      : "stands beside jwks; expected one of the two",
                  "Apply with tollgatectl, which puts the file's content in its place, or write "
                  "the JWK set as keys.jwks");
    return;
  }
  if (keys.jwks().empty()) {
    check->Report("keys", "", "is missing",
                  "Name a file with the issuer's JWK set: "
                  "keys: {file: issuer.jwks.json}");
    return;
  }
  // The content may be secret: it is never shown.
  auto info = InspectJwkSet(keys.jwks());
  if (!info.ok()) {
    check->Report("keys.jwks", "", info.status().message());
    return;
  }
  if (info->has_private) {
    check->Report("keys.jwks", "", "holds a private key, which only the issuer may have",
                  "Publish the public members only, and replace the key: it has been shown");
    return;
  }
  issuer->symmetric = info->has_symmetric;
  if (algorithms.empty()) return;  // reported already
  if (auto set = JwkSet::Parse(keys.jwks(), algorithms); !set.ok()) {
    check->Report("keys.jwks", "", set.status().message());
  }
}

}  // namespace

void CompileIssuer(const model::v1::Issuer& spec, Checker* check, Model* model) {
  IssuerModel issuer;
  IssuerPolicy& policy = issuer.policy;
  policy.name = check->name();
  policy.issuer = spec.issuer();
  if (spec.issuer().empty()) {
    check->Report("issuer", "", "is missing; expected the exact `iss` of the issuer's tokens");
  } else {
    check->Check("issuer", spec.issuer(), CheckIdentifier(spec.issuer()));
  }
  policy.audiences = check->TakeTexts("audiences", spec.audiences(), CheckIdentifier);
  if (spec.audiences().empty()) {
    check->Report("audiences", "", "is missing; a token must say that it is meant for us",
                  "List what the issuer writes into `aud` for this API");
  }
  policy.algorithms = {spec.algorithms().begin(), spec.algorithms().end()};
  std::vector<JwsAlgorithm> algorithms;
  if (auto parsed = ParseJwsAlgorithms(policy.algorithms); parsed.ok()) {
    algorithms = *std::move(parsed);
  } else {
    check->Report("algorithms", "", parsed.status().message());
  }
  CompileKeys(spec.keys(), algorithms, check, &issuer);
  policy.jwks = spec.keys().jwks();
  policy.profile = check->TakeWord("profile", spec.profile(), {"jwt", "rfc9068"}, std::nullopt) == 0
                       ? TokenProfile::kJwt
                       : TokenProfile::kRfc9068;
  policy.consumer_claim = spec.consumer_claim();
  if (spec.consumer_claim().empty()) {
    policy.consumer_claim = policy.profile == TokenProfile::kJwt ? "sub" : "client_id";
  }
  policy.permissions_claim = spec.permissions_claim().empty() ? "scope" : spec.permissions_claim();
  check->Check("consumer_claim", policy.consumer_claim, CheckIdentifier(policy.consumer_claim));
  check->Check("permissions_claim", policy.permissions_claim,
               CheckIdentifier(policy.permissions_claim));
  if (spec.leeway() != "0s") {
    policy.leeway = check->TakeDuration("leeway", spec.leeway(), Duration::zero());
  }
  if (policy.leeway > std::chrono::seconds(60) ||
      policy.leeway % std::chrono::seconds(1) != Duration::zero()) {
    check->Report("leeway", spec.leeway(), "expected whole seconds, at most 60s");
  }
  model->issuers[check->name()] = std::move(issuer);
}

void CompileConsumer(const model::v1::Consumer& spec, Checker* check, Model* model) {
  ConsumerPolicy consumer;
  consumer.name = check->name();
  consumer.plan = spec.plan();
  CheckPlan(
      "plan", spec.plan(), [](const PlanPolicy& plan) { return plan.needs_caller(); },
      "consumer, key or claim:NAME", check, *model);
  consumer.grants = check->TakeTexts("grants", spec.grants(), CheckPermission);
  absl::flat_hash_set<std::pair<std::string, std::string>> seen;
  for (int i = 0; i < spec.tokens_size(); ++i) {
    const model::v1::TokenIdentity& token = spec.tokens(i);
    check->Refer(At("tokens", i, "issuer"), "Issuer", token.issuer());
    const std::string at = At("tokens", i, "value");
    if (token.value().empty()) {
      check->Report(at, "", "is missing; expected what the issuer's consumer claim holds");
    }
    TokenIdentity identity{token.issuer(), token.value()};
    if (!seen.emplace(token.issuer(), token.value()).second) {
      check->Report(at, token.value(), "stands here twice");
    }
    consumer.tokens.push_back(std::move(identity));
  }
  model->key_names[check->name()] = check->TakeTexts("api_keys", spec.api_keys(), CheckName);
  model->consumers[check->name()] = std::move(consumer);
}

}  // namespace tollgate::control
