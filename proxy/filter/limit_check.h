// Asking a plan about a request: by which key it counts, whether there is a place and room, what a
// refusal says, and what clients and operators are told. Stateless; the steps that ask are in
// limit_steps.cc.
#pragma once

#include <string>

#include "proxy/filter/context.h"
#include "proxy/filter/filter.h"

namespace tollgate::proxy {

// A plan that applies to a request in several roles has the same key in each, so it is asked as if
// in the first alone: one place, and the units by which a later cost is larger.

// Takes a place among the requests in progress, if `plan` limits them, and notes in `c` that the
// plan was asked in this role. Continue, or the refusal.
StepResult TakePlace(RequestContext& c, LimitRole role, const CompiledPlan& plan);
// After TakePlace. Takes `cost` units from all windows of `plan`, less those that the request has
// taken already, or from none. Continue, or the refusal.
StepResult TakeUnits(RequestContext& c, const CompiledPlan& plan, uint32_t cost, MonoTime now);
// After TakePlace. Whether TakeUnits would continue now, shadow mode apart.
bool HasUnits(const RequestContext& c, const CompiledPlan& plan, uint32_t cost, MonoTime now);

// RateLimit-Policy and RateLimit, of the plans that were asked and tell it.
void AddRateLimitFields(const RequestContext& c, ResponseHead& head);

// For people: "plan gentle: 3 in 1s, 100 in 1m per consumer".
std::string DescribePlan(const PlanPolicy& plan);
// "costs 1 unit for each 100 of /amount in the body"; "" when it is the usual 1.
std::string DescribeCost(const CostPolicy& cost);

}  // namespace tollgate::proxy
