// The steps that exist, by the order in which an inbound listener runs them. Each is one file.
#pragma once

#include <memory>
#include <vector>

#include "common/policy/policy.h"
#include "proxy/filter/filter.h"

namespace tollgate::proxy {

// Gives the request its id and trace context, canonicalises the path, refuses TRACE, finds the
// client's address through trusted hops; strips identity fields and adds the forwarding ones.
std::unique_ptr<const Filter> MakeIdentifyStep(const ListenerPolicy& listener);
// MatchApi, then version and route; 404, 405, 410; lifecycle, route and upstream response fields.
std::unique_ptr<const Filter> MakeMatchStep();
// Address and route limits: guessing a credential is limited too.
std::unique_ptr<const Filter> MakeEarlyLimitStep();
// Exactly one credential, and it holds. 401, 400 for two.
std::unique_ptr<const Filter> MakeAuthenticateStep();
// The token's permissions and the Consumer's grants cover what the route requires. 401, 403.
std::unique_ptr<const Filter> MakePermissionStep();
// A key where the route demands one. 400.
std::unique_ptr<const Filter> MakeIdempotencyStep();
// The consumer's plan. 429.
std::unique_ptr<const Filter> MakeConsumerLimitStep();
// Delays and aborts on purpose, last of all: only what would have been let through. Not among
// MakeSteps': a chain has it when one of its routes has faults.
std::unique_ptr<const Filter> MakeFaultStep();

// All of them in order, for the direction of `listener`.
std::vector<std::unique_ptr<const Filter>> MakeSteps(const ListenerPolicy& listener);

}  // namespace tollgate::proxy
