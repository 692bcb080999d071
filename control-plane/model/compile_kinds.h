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

// Reports a plan that does not exist or does not count per one of `allowed` ("address or route").
// Whether the field is empty or fine.
bool CheckPlan(absl::string_view field, const std::string& plan,
               std::initializer_list<LimitKey> allowed, absl::string_view allowed_text,
               Checker* check, const Model& model);

}  // namespace tollgate::control
