// The steps of FromBundle, in the order in which they refer to each other; each takes one kind of
// resource into the Policy. Internal to common/policy.
#pragma once

#include "common/policy/check.h"
#include "common/policy/policy.h"
#include "common/policy/token_denial.h"

namespace tollgate::internal {

void ConvertEpoch(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
void ConvertSecrets(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
void ConvertUpstreams(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
void ConvertPolicySets(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
void ConvertConsumers(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
void ConvertRouteTables(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
void ConvertListeners(const config::v1::Bundle& bundle, Policy& policy, Errors& errors);
// Checks only: a Revocation applies at once, and belongs to no Policy.
void CheckRevocations(const config::v1::Bundle& bundle, Errors& errors);
std::vector<TokenDenial> ConvertTokenDenials(const config::v1::Revocation& from, Errors& errors);

// What `balance` leaves open in an Upstream.
BalancingPolicy ConvertBalancing(const config::v1::Balancing& from, Balance balance, const At& at,
                                 Errors& errors);
PlanPolicy ConvertPlan(const config::v1::Plan& plan, const At& at, Errors& errors);
// What a request to the route costs, and the faults that it meets.
CostPolicy ConvertCost(const config::v1::Route& route, const At& at, Errors& errors);
FaultsPolicy ConvertFaults(const config::v1::Route& route, const At& at, Errors& errors);
// One route of a table; `policy` has upstreams and plans.
RoutePolicy ConvertRoute(const config::v1::Route& route, const At& at, const Policy& policy,
                         Errors& errors);
// Parts of an upstream and of a route.
HealthCheckPolicy ConvertHealthCheck(const config::v1::HealthCheck& from, const At& at,
                                     Errors& errors);
AdaptiveConcurrencyPolicy ConvertAdaptiveConcurrency(const config::v1::AdaptiveConcurrency& from,
                                                     const At& at, Errors& errors);
SuccessRatePolicy ConvertSuccessRate(const config::v1::SuccessRate& from, const At& at,
                                     Errors& errors);
FailurePercentagePolicy ConvertFailurePercentage(const config::v1::FailurePercentage& from,
                                                 const At& at, Errors& errors);
HedgePolicy ConvertHedge(const config::v1::Route& from, const At& route, Errors& errors);
// One binding of a listener; `policy` has everything but listeners.
ApiBindingPolicy ConvertBinding(const config::v1::ApiBinding& binding, Direction direction,
                                const At& at, const Policy& policy, Errors& errors);

// Enters resource `index` of type `type`, checks its name, and that no other has it; true when
// `map` may take it.
template <typename Map>
bool EnterResource(absl::string_view type, const std::string& name, int index, const Map& map,
                   absl::string_view field, Errors& errors) {
  errors.Enter(type, name, index);
  const At root;
  const At at = root[field];
  if (!CheckIdentifier(name, at, errors)) return false;
  if (map.contains(name)) {
    errors.Add(Code::kDuplicate, at, "another resource has this name already");
    return false;
  }
  return true;
}

}  // namespace tollgate::internal
