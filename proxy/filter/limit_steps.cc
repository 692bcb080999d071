// Limits: of addresses, and of what is public, before the credential; all others after permission.
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/crypto/json.h"
#include "proxy/filter/context.h"
#include "proxy/filter/limit_check.h"
#include "proxy/filter/steps.h"
#include "proxy/limit/body_cost.h"

namespace tollgate::proxy {
namespace {

const CompiledPlan* EarlyRoutePlan(const RequestContext& c) {
  return c.route->plan_is_early ? c.route->plan : nullptr;
}
const CompiledPlan* LateRoutePlan(const RequestContext& c) {
  return c.route->plan_is_early ? nullptr : c.route->plan;
}

StepResult Ask(RequestContext& c, LimitRole role, const CompiledPlan& plan, uint32_t cost) {
  StepResult result = TakePlace(c, role, plan);
  if (!result.is_continue()) return result;
  return TakeUnits(c, plan, cost, c.mono);
}

class EarlyLimitStep final : public Filter {
 public:
  const char* name() const override { return "early_limit"; }
  uint8_t phases() const override { return kRequestHead | kResponseHead; }
  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    const CompiledPlan* address = c.api->address_plan;
    const CompiledPlan* route = EarlyRoutePlan(c);
    const uint32_t units = c.route->policy->cost.units;
    if (address != nullptr) {
      // One plan in both roles is asked once.
      StepResult result = Ask(c, LimitRole::kAddress, *address, address == route ? units : 1);
      if (!result.is_continue()) return result;
    }
    if (route == nullptr || route == address) return kContinue;
    return Ask(c, LimitRole::kRoute, *route, units);
  }
  // Of every plan that applies, the caller's as well: the more specific one's value holds.
  void OnResponseHead(RequestContext& c, StepSlot&, ResponseHead& head) const override {
    const CompiledPlan* callers = c.limits[static_cast<size_t>(LimitRole::kCaller)].plan;
    for (const CompiledPlan* plan : {c.api->address_plan, c.route->plan, callers}) {
      if (plan == nullptr) continue;
      for (const HeaderValue& field : plan->policy->response_headers) {
        head.headers.Set(field.name, field.value);
      }
    }
    AddRateLimitFields(c, head);
  }
  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    const CompiledPlan* address = c.api->address_plan;
    const CompiledPlan* route = EarlyRoutePlan(c);
    if (address != nullptr) demands.push_back(DescribePlan(*address->policy));
    if (route != nullptr && route != address) demands.push_back(DescribePlan(*route->policy));
    return kContinue;
  }
};

class ConsumerLimitStep final : public Filter {
 public:
  const char* name() const override { return "consumer_limit"; }
  uint8_t phases() const override { return kRequestHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    const CompiledPlan* callers = CallersPlan(c);
    if (callers != nullptr) {
      StepResult result = TakePlace(c, LimitRole::kCaller, *callers);
      if (!result.is_continue()) return result;
    }
    const CompiledPlan* route = LateRoutePlan(c);
    if (route != nullptr && route != callers) {  // one plan in both roles is asked once
      StepResult result = TakePlace(c, LimitRole::kRoute, *route);
      if (!result.is_continue()) return result;
    }
    if (c.route->body_cost != nullptr) return AskForBody(c);
    if (callers == nullptr && route == nullptr) return kContinue;
    const uint32_t units = c.route->policy->cost.units;
    return Charge(c, {.callers = units, .route = units}, c.mono);
  }

  StepResult OnRequestBody(RequestContext& c, StepSlot&, absl::string_view body) const override {
    // Its memory is the worker's; simdjson asks for none before the first body.
    thread_local StrictJson parser;
    const CostPolicy& cost = c.route->policy->cost;
    uint32_t units = 0;
    switch (c.route->body_cost->Of(body, parser, &units)) {
      case BodyCost::Result::kOk:
        break;
      case BodyCost::Result::kNotJson:
        return Unreadable(c, "cost_not_json", "The body must be JSON, with no name twice.");
      case BodyCost::Result::kNoField:
        return Unreadable(
            c, "cost_missing",
            absl::StrCat("The body has no ", cost.json, ", which says what the request costs."));
      case BodyCost::Result::kNotAmount:
        return Unreadable(
            c, "cost_not_a_number",
            absl::StrCat(cost.json, " in the body must be a number of zero or more."));
    }
    if (cost.max > 0 && units > cost.max) {
      c.reason = "cost_too_large";
      return LocalReply{.status = 403,
                        .reason = c.reason,
                        .detail = absl::StrCat("This request costs ", units, " units; at most ",
                                               cost.max, " are allowed.")};
    }
    Costs costs;
    (OfRoute(c) != nullptr ? costs.route : costs.callers) = units;
    // The body took its time: what left the windows meanwhile is room.
    return Charge(c, costs, c.services->clock.Mono());
  }

  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    if (const std::string cost = DescribeCost(c.route->policy->cost); !cost.empty()) {
      demands.push_back(cost);
    }
    if (const CompiledPlan* plan = LateRoutePlan(c)) demands.push_back(DescribePlan(*plan->policy));
    if (c.route->policy->is_public) return kContinue;  // nobody is known whose plan it could be
    demands.push_back("the Consumer's plan, if it has one");
    if (c.api->policy->consumers_optional && c.api->default_plan != nullptr) {
      demands.push_back(
          absl::StrCat("without a Consumer ", DescribePlan(*c.api->default_plan->policy)));
    }
    return kContinue;
  }

 private:
  // What each plan takes; nullopt: it is not asked.
  struct Costs {
    std::optional<uint32_t> callers = 1;
    std::optional<uint32_t> route = 1;
  };

  static const CompiledPlan* CallersPlan(const RequestContext& c) {
    if (c.consumer != nullptr) {
      const auto found = c.snapshot->consumer_plans.find(c.consumer);
      return found != c.snapshot->consumer_plans.end() ? found->second : nullptr;
    }
    return c.token != nullptr ? c.api->default_plan : nullptr;
  }

  // Of the plans that TakePlace has noted, those that have windows.
  static const CompiledPlan* WithWindows(const CompiledPlan* plan) {
    return plan != nullptr && !plan->policy->windows.empty() ? plan : nullptr;
  }
  static const CompiledPlan* OfCaller(const RequestContext& c) {
    return WithWindows(c.limits[static_cast<size_t>(LimitRole::kCaller)].plan);
  }
  static const CompiledPlan* OfRoute(const RequestContext& c) {
    return WithWindows(LateRoutePlan(c));
  }
  // Who is charged what the body says: a number of the body has a unit of its own (money, items),
  // so it is one plan's, the route's if there is one. The other counts the request.
  static const CompiledPlan* Charged(const RequestContext& c) {
    const CompiledPlan* route = OfRoute(c);
    return route != nullptr ? route : OfCaller(c);
  }
  // Whether what the body says can refuse the request.
  static bool Enforces(const RequestContext& c) {
    const CompiledPlan* charged = Charged(c);
    return c.route->policy->cost.max > 0 || (charged != nullptr && !charged->policy->shadow);
  }

  // Asks for the body, if anything depends on it.
  static StepResult AskForBody(RequestContext& c) {
    if (!Enforces(c) && Charged(c) == nullptr) return Charge(c, {}, c.mono);
    // Whoever has no room for the least that a request costs need not send its body.
    StepResult full = RefuseIfFull(c, OfCaller(c));
    if (!full.is_continue()) return full;
    full = RefuseIfFull(c, OfRoute(c));
    if (!full.is_continue()) return full;

    if (c.head.headers.Count(HeaderId::kContentType) != 1 ||
        !SaysJson(*c.head.headers.Get(HeaderId::kContentType))) {
      return Unreadable(c, "cost_not_json",
                        "The body must be JSON, and the Content-Type say so: application/json.");
    }
    const uint64_t max = c.route->policy->cost.max_body_bytes;
    if (Enforces(c)) return NeedBody{max};
    // In shadow mode nothing is refused, so no body is asked for that could turn out too large.
    switch (c.head.body.kind) {
      case BodySize::Kind::kNone:
        break;
      case BodySize::Kind::kLength:
        if (c.head.body.length <= max) return NeedBody{max};
        break;
      case BodySize::Kind::kUnknown:
        return ChargeTheOther(c);  // nobody has looked: there is nothing to report
    }
    return Unreadable(c, "", "");
  }

  static StepResult RefuseIfFull(RequestContext& c, const CompiledPlan* plan) {
    if (plan == nullptr || plan->policy->shadow || HasUnits(c, *plan, 1, c.mono)) return kContinue;
    // If there is room after all by now, this much of the cost has been taken.
    return TakeUnits(c, *plan, 1, c.mono);
  }

  static StepResult Unreadable(RequestContext& c, const char* reason, std::string detail) {
    if (Enforces(c)) {
      c.reason = reason;
      return LocalReply{.status = 400, .reason = reason, .detail = std::move(detail)};
    }
    // The plan in shadow mode would have refused.
    if (c.shadowed_by.empty()) c.shadowed_by = Charged(c)->policy->name;
    return ChargeTheOther(c);
  }

  // The plan that the body would have been taken from is in shadow mode and does not learn how
  // much; the other one is asked all the same.
  static StepResult ChargeTheOther(RequestContext& c) {
    Costs costs;
    (OfRoute(c) != nullptr ? costs.route : costs.callers).reset();
    return Charge(c, costs, c.services->clock.Mono());
  }

  // From the caller's plan and the route's: from both or, as far as can be told beforehand, from
  // none. Whoever would refuse is asked first. (One plan in both roles takes the larger cost:
  // TakeUnits takes what it has not taken yet.)
  static StepResult Charge(RequestContext& c, const Costs& costs, MonoTime now) {
    const CompiledPlan* callers = costs.callers.has_value() ? OfCaller(c) : nullptr;
    const CompiledPlan* route = costs.route.has_value() ? OfRoute(c) : nullptr;
    const bool route_first =
        callers != nullptr && route != nullptr && !HasUnits(c, *route, *costs.route, now);
    if (route_first) {
      StepResult result = TakeUnits(c, *route, *costs.route, now);
      if (!result.is_continue()) return result;
    }
    if (callers != nullptr) {
      StepResult result = TakeUnits(c, *callers, *costs.callers, now);
      if (!result.is_continue()) return result;
    }
    if (route == nullptr || route_first) return kContinue;
    return TakeUnits(c, *route, *costs.route, now);
  }
};

}  // namespace

std::unique_ptr<const Filter> MakeEarlyLimitStep() { return std::make_unique<EarlyLimitStep>(); }
std::unique_ptr<const Filter> MakeConsumerLimitStep() {
  return std::make_unique<ConsumerLimitStep>();
}

}  // namespace tollgate::proxy
