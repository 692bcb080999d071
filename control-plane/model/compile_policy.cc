// Issuers, plans and consumers.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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

void CompilePlan(const model::v1::Plan& spec, Checker* check, Model* model) {
  const size_t before = check->problem_count();
  PlanPolicy plan;
  plan.name = check->name();
  if (spec.limit().empty()) {
    check->Report("limit", "", "is missing; expected e.g. 10/second;100/minute");
  } else if (auto windows = ParseLimit(spec.limit());
             check->Check("limit", spec.limit(), windows.status())) {
    plan.windows = *std::move(windows);
  }
  plan.algorithm =
      check->TakeWord("algorithm", spec.algorithm(), {"gcra", "sliding-window"}, std::nullopt) == 0
          ? LimitAlgorithm::kGcra
          : LimitAlgorithm::kSlidingWindow;
  absl::string_view per = spec.per();
  if (absl::ConsumePrefix(&per, "claim:")) {
    plan.per = LimitKey::kClaim;
    plan.claim = std::string(per);
    if (per.empty()) {
      check->Report("per", spec.per(), "names no claim; expected e.g. claim:sub");
    } else {
      check->Check("per", spec.per(), CheckIdentifier(per));
    }
  } else {
    static constexpr LimitKey kKeys[] = {LimitKey::kConsumer, LimitKey::kKey, LimitKey::kAddress,
                                         LimitKey::kRoute, LimitKey::kClaim};
    plan.per = kKeys[check->TakeWord(
        "per", per, {"consumer", "key", "address", "route", "claim:NAME"}, std::nullopt)];
    if (plan.per == LimitKey::kClaim) {
      check->Report("per", spec.per(), "NAME stands for the name of a claim, e.g. claim:sub");
    }
  }
  if (spec.scope() == "fleet") {
    check->Report("scope", "fleet",
                  "one count for the whole fleet is not built yet: it needs "
                  "leases",
                  "Use scope: sidecar, which counts in each sidecar alone");
  } else {
    check->TakeWord("scope", spec.scope(), {"sidecar"}, 0);
  }
  if (spec.has_burst()) {
    if (plan.algorithm != LimitAlgorithm::kGcra) {
      check->Report("burst", absl::StrCat(spec.burst()),
                    "only gcra has a burst; a sliding window admits its count exactly");
    }
    plan.burst = check->TakeNumber("burst", true, spec.burst(), 0, 1, 1'000'000'000);
  }
  plan.response_headers = check->TakeHeaders("response_headers", spec.response_headers());
  if (check->problem_count() == before) model->plans[check->name()] = std::move(plan);
}

bool CheckPlan(absl::string_view field, const std::string& plan,
               std::initializer_list<LimitKey> allowed, absl::string_view allowed_text,
               Checker* check, const Model& model) {
  if (plan.empty()) return true;
  if (!check->Refer(field, "Plan", plan)) return false;
  const auto found = model.plans.find(plan);
  if (found == model.plans.end()) return false;  // it has problems of its own
  if (std::find(allowed.begin(), allowed.end(), found->second.per) != allowed.end()) return true;
  check->Report(field, plan, absl::StrCat("does not count per ", allowed_text),
                absl::StrCat("Name a Plan with per: ", allowed_text));
  return false;
}

void CompileConsumer(const model::v1::Consumer& spec, Checker* check, Model* model) {
  ConsumerPolicy consumer;
  consumer.name = check->name();
  consumer.plan = spec.plan();
  CheckPlan("plan", spec.plan(), {LimitKey::kConsumer, LimitKey::kKey, LimitKey::kClaim},
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
