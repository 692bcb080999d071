#include "proxy/filter/limit_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proxy/limit/address_key.h"
#include "proxy/limit/limit_key.h"

namespace tollgate::proxy {
namespace {

// The first role in which `plan` is noted; kLimitRoles: in none.
size_t FirstRole(const RequestContext& c, const CompiledPlan& plan) {
  size_t role = 0;
  while (role < kLimitRoles && c.limits[role].plan != &plan) ++role;
  return role;
}

// What `cost` is more than the plan was asked for already. What it never admits stays so.
uint32_t MoreUnits(const AskedLimit& asked, const CompiledPlan& plan, uint32_t cost) {
  if (!asked.counted || cost > plan.limit->max_cost()) return cost;
  return cost > asked.units ? cost - asked.units : 0;
}

// Who has shown no credential is not told what a plan is called and how much it allows, unless the
// plan tells everybody.
bool MayBeNamed(const RequestContext& c, const CompiledPlan& plan) {
  return c.consumer != nullptr || c.token != nullptr || plan.policy->headers != LimitHeaders::kNone;
}

// Adds one part of a key; false: the request has no such thing.
bool AddPart(const RequestContext& c, const PlanPolicy& plan, const LimitKeyPart& part,
             LimitKeyText* key) {
  switch (part.kind) {
    case LimitKey::kAddress: {
      thread_local std::string address;
      address.clear();
      AppendAddressKey(c.client, {plan.ipv4_prefix, plan.ipv6_prefix}, &address);
      key->Add(LimitKeyText::kAddress, address);
      return true;
    }
    case LimitKey::kApi:
      key->Add(LimitKeyText::kApi, c.api->policy->api);
      return true;
    case LimitKey::kRoute:
      key->Add(LimitKeyText::kRoute, c.version->policy->name, "/", c.route->policy->name);
      return true;
    case LimitKey::kConsumer:
      if (c.consumer != nullptr) {
        key->Add(LimitKeyText::kConsumer, c.consumer->name);
        return true;
      }
      break;
    case LimitKey::kKey:
      if (c.api_key != nullptr) {
        key->Add(LimitKeyText::kKeyId, c.api_key->id);
        return true;
      }
      break;
    case LimitKey::kClaim: {
      const std::string* claim = c.token != nullptr ? c.token->Claim(part.claim) : nullptr;
      if (claim != nullptr) {
        key->Add(LimitKeyText::kClaim, c.token->issuer, "\n", *claim);
      } else {
        // Without the claim all share one counter, rather than none.
        key->Add(LimitKeyText::kNoClaim, c.token != nullptr ? c.token->issuer : "");
      }
      return true;
    }
  }
  // Who is no Consumer is counted by the identity of its token, which is a credential like a key.
  if (c.token == nullptr) return false;
  key->Add(LimitKeyText::kToken, c.token->issuer, "\n", c.token->consumer);
  return true;
}

// The counter's key under `plan`; null: the plan does not apply. One allocation a worker, not one a
// request; valid until the next call.
const std::string* KeyOf(const RequestContext& c, const PlanPolicy& plan) {
  thread_local std::string text;
  LimitKeyText key(&text, plan.per.size());
  for (const LimitKeyPart& part : plan.per) {
    if (!AddPart(c, plan, part, &key)) return nullptr;
  }
  return &text;
}

StepResult Inapplicable(RequestContext& c) {
  c.reason = "limit_key";
  return LocalReply{.status = 403, .reason = c.reason, .detail = "The plan does not apply."};
}

// In shadow mode: noted, and the request goes on.
bool OnlyShadow(RequestContext& c, const PlanPolicy& plan) {
  if (plan.shadow) {
    if (c.shadowed_by.empty()) c.shadowed_by = plan.name;
    return true;
  }
  c.limited_by = plan.name;
  return false;
}

const RateLimitFields* FieldsOf(const CompiledPlan& plan, size_t role) {
  return plan.fields.empty() ? nullptr : &plan.fields[role];
}

LocalReply TooMany(RequestContext& c, const char* reason, Duration retry_after) {
  c.reason = reason;
  LocalReply reply{.status = 429, .reason = reason};
  reply.headers.push_back({"retry-after", absl::StrCat(RetryAfterSeconds(retry_after))});
  return reply;
}

// Section 5.1 of the draft: which policies were violated.
template <typename AppendNames>
void MakeQuotaExceeded(LocalReply& reply, AppendNames append_names) {
  reply.type = kQuotaExceededType;
  reply.title = kQuotaExceededTitle;
  reply.members = ",\"violated-policies\":";
  append_names(&reply.members);
}

}  // namespace

StepResult TakePlace(RequestContext& c, LimitRole role, const CompiledPlan& plan) {
  const bool has_one = FirstRole(c, plan) < kLimitRoles;
  AskedLimit& asked = c.limits[static_cast<size_t>(role)];
  asked.plan = &plan;
  if (plan.policy->concurrency == 0 || has_one) return kContinue;
  const std::string* key = KeyOf(c, *plan.policy);
  if (key == nullptr) return Inapplicable(c);
  ConcurrencyDecision decision = c.services->limits.concurrency().Acquire(plan.limit, *key);
  asked.in_progress = decision.in_progress;
  asked.ticket = std::move(decision.ticket);
  if (decision.allowed || OnlyShadow(c, *plan.policy)) return kContinue;
  LocalReply reply = TooMany(c, "concurrency_exceeded", std::chrono::seconds(1));
  reply.detail =
      MayBeNamed(c, plan)
          ? absl::StrCat("Plan ", plan.policy->name, " allows ", plan.policy->concurrency,
                         " requests in progress; try again when one has ended.")
          : "Too many requests are in progress; try again when one has ended.";
  if (const RateLimitFields* fields = FieldsOf(plan, static_cast<size_t>(role))) {
    MakeQuotaExceeded(reply, [&](std::string* out) { fields->AppendConcurrencyViolated(out); });
  }
  return reply;
}

StepResult TakeUnits(RequestContext& c, const CompiledPlan& plan, uint32_t cost, MonoTime now) {
  if (plan.policy->windows.empty()) return kContinue;
  const size_t role = FirstRole(c, plan);
  AskedLimit& asked = c.limits[role];
  cost = std::max<uint32_t>(cost, 1);
  const uint32_t more = MoreUnits(asked, plan, cost);
  if (more == 0) return kContinue;
  const std::string* key = KeyOf(c, *plan.policy);
  if (key == nullptr) return Inapplicable(c);
  asked.decision = c.services->limits.Check(plan.limit, *key, now, more);
  asked.counted = true;
  asked.units = cost;
  const LimitDecision& decision = asked.decision;
  if (decision.allowed || OnlyShadow(c, *plan.policy)) return kContinue;
  if (decision.retry_after == LimitDecision::kNeverFits) {
    // Not "too many": waiting changes nothing (RFC 9110 section 15.5.4: not to be repeated).
    c.reason = "cost_too_large";
    return LocalReply{.status = 403,
                      .reason = c.reason,
                      .detail = MayBeNamed(c, plan)
                                    ? absl::StrCat("This request costs ", cost, " units, and plan ",
                                                   plan.policy->name, " never allows more than ",
                                                   decision.limit, " at once.")
                                    : "This request costs more than is ever allowed at once."};
  }
  LocalReply reply =
      TooMany(c, decision.starved ? "limit_memory" : "limit_exceeded", decision.retry_after);
  const std::string& wait = reply.headers.front().value;
  reply.detail = MayBeNamed(c, plan)
                     ? absl::StrCat("The limit of plan ", plan.policy->name,
                                    " is used up; try again in ", wait, " s.")
                     : absl::StrCat("Too many requests; try again in ", wait, " s.");
  if (const RateLimitFields* fields = FieldsOf(plan, role)) {
    MakeQuotaExceeded(reply, [&](std::string* out) { fields->AppendViolated(decision, out); });
  }
  return reply;
}

bool HasUnits(const RequestContext& c, const CompiledPlan& plan, uint32_t cost, MonoTime now) {
  const uint32_t more = MoreUnits(c.limits[FirstRole(c, plan)], plan, std::max<uint32_t>(cost, 1));
  if (more == 0) return true;
  const std::string* key = KeyOf(c, *plan.policy);
  return key != nullptr && c.services->limits.Peek(plan.limit, *key, now, more).allowed;
}

void AddRateLimitFields(const RequestContext& c, ResponseHead& head) {
  if (head.status / 100 != 2 && head.status != 429) return;
  thread_local std::string policy;
  thread_local std::string state;
  policy.clear();
  state.clear();
  for (size_t role = 0; role < kLimitRoles; ++role) {
    const AskedLimit& asked = c.limits[role];
    if (asked.plan == nullptr || asked.plan->fields.empty()) continue;
    if (FirstRole(c, *asked.plan) != role) continue;  // told already
    const RateLimitFields& fields = asked.plan->fields[role];
    absl::StrAppend(&policy, policy.empty() ? "" : ", ", fields.policy());
    if (asked.counted) fields.AppendWindow(asked.decision, &state);
    if (asked.in_progress > 0) fields.AppendConcurrency(asked.in_progress, &state);
  }
  if (policy.empty()) return;
  // In the place of the service's own: the caller is told of the limits that it meets first.
  head.headers.Set("ratelimit-policy", policy);
  if (!state.empty()) head.headers.Set("ratelimit", state);
}

namespace {

std::string DescribePart(const LimitKeyPart& part) {
  switch (part.kind) {
    case LimitKey::kConsumer:
      return "consumer";
    case LimitKey::kKey:
      return "key";
    case LimitKey::kClaim:
      return absl::StrCat("claim ", part.claim);
    case LimitKey::kAddress:
      return "address";
    case LimitKey::kRoute:
      return "route";
    case LimitKey::kApi:
      return "api";
  }
  return "";
}

}  // namespace

std::string DescribePlan(const PlanPolicy& plan) {
  std::string text = absl::StrCat("plan ", plan.name, ":");
  absl::string_view before = " ";
  for (const WindowPolicy& window : plan.windows) {
    absl::StrAppend(&text, before, window.count, " in ",
                    absl::FormatDuration(absl::FromChrono(window.period)));
    before = ", ";
  }
  if (plan.concurrency > 0) absl::StrAppend(&text, before, plan.concurrency, " in progress");
  before = " per ";
  for (const LimitKeyPart& part : plan.per) {
    absl::StrAppend(&text, before, DescribePart(part));
    before = " and ";
  }
  if (plan.shadow) absl::StrAppend(&text, " (shadow: refuses nothing)");
  return text;
}

std::string DescribeCost(const CostPolicy& cost) {
  if (!cost.by_body()) {
    return cost.units == 1 ? "" : absl::StrCat("costs ", cost.units, " units");
  }
  std::string text = "costs 1 unit for each";
  if (cost.divide > 1) absl::StrAppend(&text, " ", cost.divide);
  absl::StrAppend(&text, " of ", cost.json, " in the body");
  if (cost.max > 0) absl::StrAppend(&text, ", at most ", cost.max);
  return text;
}

}  // namespace tollgate::proxy
