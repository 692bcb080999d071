// Limits: of addresses and routes before the token, of consumers after permission.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proxy/filter/context.h"
#include "proxy/filter/steps.h"
#include "proxy/limit/address_key.h"

namespace tollgate::proxy {
namespace {

StepResult TooMany(RequestContext& c, const CompiledPlan& plan, const LimitDecision& decision) {
  c.reason = decision.starved ? "limit_memory" : "limit_exceeded";
  LocalReply reply{.status = 429, .reason = c.reason};
  if (decision.retry_after == LimitDecision::kNeverFits) {
    reply.detail =
        absl::StrCat("This request costs more than the plan ", plan.policy->name, " ever allows.");
    return reply;
  }
  const int64_t seconds = RetryAfterSeconds(decision.retry_after);
  reply.detail = absl::StrCat("The limit of plan ", plan.policy->name, " is used up; try again in ",
                              seconds, " s.");
  reply.headers.push_back({"retry-after", absl::StrCat(seconds)});
  return reply;
}

// The counter's key. Kinds are kept apart by a first letter: a consumer named like an address must
// not share its counter. Nullopt: the plan does not apply (no such thing in this request).
bool LimitKeyOf(const RequestContext& c, const PlanPolicy& plan, std::string* key) {
  switch (plan.per) {
    case LimitKey::kAddress:
      *key = absl::StrCat("a:", AddressKey(c.client));
      return true;
    case LimitKey::kRoute:
      *key = c.route->plan_key;
      return true;
    case LimitKey::kConsumer:
      if (c.consumer != nullptr) {
        *key = absl::StrCat("c:", c.consumer->name);
      } else if (c.token != nullptr) {
        *key = absl::StrCat("t:", c.token->issuer, "\n", c.token->consumer);
      } else {
        return false;
      }
      return true;
    case LimitKey::kKey:
      // A token is a credential as well: its holder is counted like a key's.
      if (c.api_key != nullptr) {
        *key = absl::StrCat("k:", c.api_key->id);
      } else if (c.token != nullptr) {
        *key = absl::StrCat("t:", c.token->issuer, "\n", c.token->consumer);
      } else {
        return false;
      }
      return true;
    case LimitKey::kClaim: {
      const std::string* claim = c.token != nullptr ? c.token->Claim(plan.claim) : nullptr;
      // Without the claim all share one counter, rather than none.
      *key = claim != nullptr ? absl::StrCat("m:", *claim) : std::string("m-");
      return true;
    }
  }
  return false;
}

// Nullopt-like: Continue when there is room.
StepResult Check(RequestContext& c, const CompiledPlan& plan) {
  thread_local std::string key;  // one allocation a worker, not one a request
  if (!LimitKeyOf(c, *plan.policy, &key)) {
    c.reason = "limit_key";
    return LocalReply{.status = 403, .reason = c.reason, .detail = "The plan does not apply."};
  }
  const LimitDecision decision = c.services->limits.Check(plan.limit, key, c.mono);
  if (!decision.allowed) return TooMany(c, plan, decision);
  return kContinue;
}

std::string PerWhat(const PlanPolicy& plan) {
  switch (plan.per) {
    case LimitKey::kConsumer:
      return "consumer";
    case LimitKey::kKey:
      return "key";
    case LimitKey::kClaim:
      return absl::StrCat("claim ", plan.claim);
    case LimitKey::kAddress:
      return "address";
    case LimitKey::kRoute:
      return "route";
  }
  return "";
}

// "plan gentle: 3 in 1s, 100 in 1m per consumer".
std::string Describe(const PlanPolicy& plan) {
  std::string text = absl::StrCat("plan ", plan.name, ":");
  for (const WindowPolicy& window : plan.windows) {
    absl::StrAppend(&text, &window == &plan.windows.front() ? " " : ", ", window.count, " in ",
                    absl::FormatDuration(absl::FromChrono(window.period)));
  }
  return absl::StrCat(text, " per ", PerWhat(plan));
}

class EarlyLimitStep final : public Filter {
 public:
  const char* name() const override { return "early_limit"; }
  uint8_t phases() const override { return kRequestHead | kResponseHead; }
  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    if (c.api->address_plan != nullptr) {
      StepResult result = Check(c, *c.api->address_plan);
      if (!result.is_continue()) return result;
    }
    if (c.route->plan != nullptr) return Check(c, *c.route->plan);
    return kContinue;
  }
  // Of every plan that applied, the consumer's as well: the more specific one's value holds.
  void OnResponseHead(RequestContext& c, StepSlot&, ResponseHead& head) const override {
    for (const CompiledPlan* plan : {c.api->address_plan, c.route->plan, c.plan}) {
      if (plan == nullptr) continue;
      for (const HeaderValue& field : plan->policy->response_headers) {
        head.headers.Set(field.name, field.value);
      }
    }
  }
  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    for (const CompiledPlan* plan : {c.api->address_plan, c.route->plan}) {
      if (plan != nullptr) demands.push_back(Describe(*plan->policy));
    }
    return kContinue;
  }
};

class ConsumerLimitStep final : public Filter {
 public:
  const char* name() const override { return "consumer_limit"; }
  uint8_t phases() const override { return kRequestHead; }
  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    if (c.consumer != nullptr) {
      const auto found = c.snapshot->consumer_plans.find(c.consumer);
      if (found != c.snapshot->consumer_plans.end()) c.plan = found->second;
    } else if (c.token != nullptr) {
      c.plan = c.api->default_plan;
    }
    return c.plan != nullptr ? Check(c, *c.plan) : StepResult(kContinue);
  }
  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    if (c.route->policy->is_public) return kContinue;  // nobody is known whose plan it could be
    demands.push_back("the Consumer's plan, if it has one");
    if (c.api->policy->consumers_optional && c.api->default_plan != nullptr) {
      demands.push_back(
          absl::StrCat("without a Consumer ", Describe(*c.api->default_plan->policy)));
    }
    return kContinue;
  }
};

}  // namespace

std::unique_ptr<const Filter> MakeEarlyLimitStep() { return std::make_unique<EarlyLimitStep>(); }
std::unique_ptr<const Filter> MakeConsumerLimitStep() {
  return std::make_unique<ConsumerLimitStep>();
}

}  // namespace tollgate::proxy
