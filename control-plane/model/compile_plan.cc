// Plans, and what a request costs under them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/policy/json_pointer.h"
#include "common/policy/plan_units.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr int kMaxParts = 4;
constexpr uint32_t kMaxUnits = 1'000'000'000;
constexpr uint64_t kMaxCostBody = uint64_t{1} << 20;  // it is held in memory as a whole

// What one algorithm cannot count, though the other can.
void CheckCounts(const std::string& limit, const PlanPolicy& plan, Checker* check) {
  for (const WindowPolicy& window : plan.windows) {
    const uint64_t most = MaxGcraCount(window.period);
    if (plan.algorithm == LimitAlgorithm::kSlidingWindow && window.count > kMaxSlidingCount) {
      check->Report("limit", limit,
                    absl::StrCat("counts ", window.count,
                                 " in one window; a sliding window keeps "
                                 "8 bytes a unit, so at most ",
                                 kMaxSlidingCount),
                    "Use algorithm: gcra, or count in larger units");
    } else if (plan.algorithm == LimitAlgorithm::kGcra && window.count > most) {
      check->Report("limit", limit,
                    absl::StrCat("counts ", window.count,
                                 " in one window; gcra counts whole "
                                 "nanoseconds a unit, so at most ",
                                 most, " in that period"),
                    "Count in larger units");
    }
  }
}

void CompileWindows(const model::v1::Plan& spec, Checker* check, PlanPolicy* plan) {
  if (spec.limit().empty()) {
    if (!spec.has_concurrency()) {
      check->Report("limit", "",
                    "is missing, and so is concurrency; expected e.g. 10/second;100/minute");
    } else if (!spec.algorithm().empty()) {
      check->Report("algorithm", spec.algorithm(), "has a meaning beside limit alone",
                    "Leave it out: requests in progress are counted one way only");
    }
  } else if (auto windows = ParseLimit(spec.limit());
             check->Check("limit", spec.limit(), windows.status())) {
    plan->windows = *std::move(windows);
  }
  if (!spec.limit().empty() || !spec.has_concurrency()) {
    plan->algorithm = check->TakeWord("algorithm", spec.algorithm(), {"gcra", "sliding-window"},
                                      std::nullopt) == 0
                          ? LimitAlgorithm::kGcra
                          : LimitAlgorithm::kSlidingWindow;
  }
  CheckCounts(spec.limit(), *plan, check);
  if (spec.has_burst()) {
    if (plan->algorithm != LimitAlgorithm::kGcra) {
      check->Report("burst", absl::StrCat(spec.burst()),
                    "only gcra has a burst; a sliding window admits its count exactly");
    }
    plan->burst = check->TakeNumber("burst", true, spec.burst(), 0, 1, kMaxUnits);
  }
  plan->concurrency =
      check->TakeNumber("concurrency", spec.has_concurrency(), spec.concurrency(), 0, 1, 1'000'000);
}

LimitKeyPart CompilePart(absl::string_view field, const std::string& text, Checker* check) {
  absl::string_view claim = text;
  if (absl::ConsumePrefix(&claim, "claim:")) {
    if (claim.empty()) {
      check->Report(field, text, "names no claim; expected e.g. claim:sub");
    } else {
      check->Check(field, text, CheckIdentifier(claim));
    }
    return LimitKeyPart(LimitKey::kClaim, std::string(claim));
  }
  static constexpr LimitKey kKeys[] = {LimitKey::kConsumer, LimitKey::kKey, LimitKey::kAddress,
                                       LimitKey::kRoute,    LimitKey::kApi, LimitKey::kClaim};
  const LimitKey key = kKeys[check->TakeWord(
      field, text, {"consumer", "key", "address", "route", "api", "claim:NAME"}, std::nullopt)];
  return key;
}

void CompileKey(const model::v1::Plan& spec, Checker* check, PlanPolicy* plan) {
  plan->per.clear();
  if (spec.per_size() > kMaxParts) {
    check->Report("per", "",
                  absl::StrCat("has ", spec.per_size(), " parts; expected at most ", kMaxParts));
  }
  if (spec.per().empty()) plan->per.push_back(CompilePart("per", "", check));
  for (int i = 0; i < spec.per_size(); ++i) {
    const std::string at = spec.per_size() == 1 ? "per" : At("per", i);
    const size_t before = check->problem_count();
    LimitKeyPart part = CompilePart(at, spec.per(i), check);
    if (check->problem_count() == before &&
        std::find(plan->per.begin(), plan->per.end(), part) != plan->per.end()) {
      check->Report(at, spec.per(i), "stands here twice");
    }
    plan->per.push_back(std::move(part));
  }
}

void CompilePrefixes(const model::v1::Plan& spec, Checker* check, PlanPolicy* plan) {
  plan->ipv4_prefix = check->TakeNumber("ipv4_prefix", spec.has_ipv4_prefix(), spec.ipv4_prefix(),
                                        plan->ipv4_prefix, 1, 32);
  plan->ipv6_prefix = check->TakeNumber("ipv6_prefix", spec.has_ipv6_prefix(), spec.ipv6_prefix(),
                                        plan->ipv6_prefix, 1, 128);
  if (CountsPer(*plan, LimitKey::kAddress)) return;
  for (const auto& [field, present] : {std::pair("ipv4_prefix", spec.has_ipv4_prefix()),
                                       std::pair("ipv6_prefix", spec.has_ipv6_prefix())}) {
    if (present) check->Report(field, "", "has a meaning per address alone");
  }
}

}  // namespace

void CompilePlan(const model::v1::Plan& spec, Checker* check, Model* model) {
  const size_t before = check->problem_count();
  PlanPolicy plan;
  plan.name = check->name();
  CompileWindows(spec, check, &plan);
  CompileKey(spec, check, &plan);
  CompilePrefixes(spec, check, &plan);
  if (spec.scope() == "fleet") {
    check->Report("scope", "fleet",
                  "one count for the whole fleet is not built yet: it needs "
                  "leases",
                  "Use scope: sidecar, which counts in each sidecar alone");
  } else {
    check->TakeWord("scope", spec.scope(), {"sidecar"}, 0);
  }
  if (check->TakeWord("headers", spec.headers(), {"none", "draft-10"}, 0) == 1) {
    plan.headers = LimitHeaders::kDraft10;
  }
  plan.shadow = check->TakeWord("mode", spec.mode(), {"enforce", "shadow"}, 0) == 1;
  plan.show_claims = spec.show_claims();
  plan.response_headers = check->TakeHeaders("response_headers", spec.response_headers());
  if (check->problem_count() == before) model->plans[check->name()] = std::move(plan);
}

const PlanPolicy* FindPlan(absl::string_view field, const std::string& plan, Checker* check,
                           const Model& model) {
  if (plan.empty() || !check->Refer(field, "Plan", plan)) return nullptr;
  const auto found = model.plans.find(plan);
  return found == model.plans.end() ? nullptr : &found->second;  // it has problems of its own
}

void CheckPlan(absl::string_view field, const std::string& name, bool (*fits)(const PlanPolicy&),
               absl::string_view expected, Checker* check, const Model& model) {
  const PlanPolicy* plan = FindPlan(field, name, check, model);
  if (plan == nullptr || fits(*plan)) return;
  check->Report(field, name, absl::StrCat("does not count per ", expected),
                absl::StrCat("Name a Plan with per: ", expected));
}

CostPolicy CompileCost(const model::v1::Cost& spec, absl::string_view field,
                       const RoutePolicy& route, Checker* check, const Model& model) {
  const auto at = [&field](absl::string_view name) { return absl::StrCat(field, ".", name); };
  CostPolicy cost;
  if (spec.json().empty()) {
    if (!spec.has_units()) {
      check->Report(field, "", "says neither units nor json",
                    "e.g. cost: 5, or cost: {json: /amount, divide: 100}");
    }
    cost.units = check->TakeNumber(at("units"), spec.has_units(), spec.units(), 1, 1, kMaxUnits);
    if (spec.has_divide() || spec.has_max() || !spec.max_body().empty()) {
      check->Report(field, "", "has divide, max or max_body, which say how to read the body",
                    "Say where in it with json: /amount, or leave them out");
    }
    const auto plan = model.plans.find(route.plan);
    if (plan != model.plans.end() && cost.units > MostUnits(plan->second)) {
      check->Report(at("units"), absl::StrCat(cost.units),
                    absl::StrCat("is more than plan ", route.plan, " ever admits (",
                                 MostUnits(plan->second), ")"));
    }
    return cost;
  }
  cost.units = 0;
  cost.json = spec.json();
  check->Check(at("json"), spec.json(), ParseJsonPointer(spec.json()).status());
  if (spec.has_units()) {
    check->Report(at("units"), absl::StrCat(spec.units()), "stands beside json",
                  "Keep one of the two");
  }
  if (route.method == "GET" || route.method == "HEAD") {
    check->Report(at("json"), spec.json(),
                  absl::StrCat("is read from the body, and a ", route.method, " has none"));
  }
  cost.divide = check->TakeNumber(at("divide"), spec.has_divide(), spec.divide(), 1, 1, kMaxUnits);
  cost.max = check->TakeNumber(at("max"), spec.has_max(), spec.max(), 0, 1, kMaxUnits);
  const uint64_t fallback = std::min(cost.max_body_bytes, route.max_body_bytes);
  cost.max_body_bytes = check->TakeSize(at("max_body"), spec.max_body(), fallback);
  if (cost.max_body_bytes == 0 || cost.max_body_bytes > kMaxCostBody) {
    check->Report(at("max_body"), spec.max_body(), "expected 1 byte to 1MiB: it is held whole");
  } else if (cost.max_body_bytes > route.max_body_bytes) {
    check->Report(at("max_body"), spec.max_body(), "is more than max_body of the route");
  }
  return cost;
}

}  // namespace tollgate::control
