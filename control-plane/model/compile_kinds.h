// How each kind becomes a part of the Model. Each reports through its Checker and adds what could
// be read to `model` (never used when there are problems, except to check others against). Order:
// Service, Listener, Issuer, Plan, Consumer, Api: each may look at what came before.
#pragma once

#include "control-plane/model/checker.h"
#include "control-plane/model/model.h"
#include "tollgate/model/v1/model.pb.h"

namespace tollgate::control {

void CompileService(const model::v1::Service& spec, Checker* check, Model* model);
void CompileListener(const model::v1::Listener& spec, Checker* check, Model* model);
void CompileIssuer(const model::v1::Issuer& spec, Checker* check, Model* model);
void CompilePlan(const model::v1::Plan& spec, Checker* check, Model* model);
void CompileConsumer(const model::v1::Consumer& spec, Checker* check, Model* model);
void CompileApi(const model::v1::Api& spec, Checker* check, Model* model);

// How callers choose between the endpoints of a Service.
void CompileBalance(const model::v1::Balance& spec, Checker* check, UpstreamPolicy* upstream);

// The routes of one version; `field` is "versions[0]". `default_service` is the Api's.
std::vector<RoutePolicy> CompileRoutes(const model::v1::ApiVersion& version,
                                       absl::string_view field, const std::string& default_service,
                                       Checker* check, const Model& model);

// Parts of a Service and of a Route; `field` of a hedge is "versions[0].routes[1].hedge".
HealthCheckPolicy CompileHealthCheck(const model::v1::HealthCheck& spec, Checker* check);
AdaptiveConcurrencyPolicy CompileAdaptiveConcurrency(const model::v1::AdaptiveConcurrency& spec,
                                                     Checker* check);
SuccessRatePolicy CompileSuccessRate(const model::v1::SuccessRate& spec, Checker* check);
FailurePercentagePolicy CompileFailurePercentage(const model::v1::FailurePercentage& spec,
                                                 Checker* check);
HedgePolicy CompileHedge(const model::v1::Hedge& spec, absl::string_view field,
                         const RoutePolicy& route, Checker* check);
FaultsPolicy CompileFaults(const model::v1::Faults& spec, const std::string& field, Checker* check);

// The plan that `field` names; reports one that does not exist. Null: none, or it has problems.
const PlanPolicy* FindPlan(absl::string_view field, const std::string& plan, Checker* check,
                           const Model& model);
// Reports also one that does not fit there; `expected`: "consumer or key".
void CheckPlan(absl::string_view field, const std::string& plan, bool (*fits)(const PlanPolicy&),
               absl::string_view expected, Checker* check, const Model& model);
// What a request to `route` (its method, plan and largest body are known) costs.
CostPolicy CompileCost(const model::v1::Cost& spec, absl::string_view field,
                       const RoutePolicy& route, Checker* check, const Model& model);

}  // namespace tollgate::control
