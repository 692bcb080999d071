// The routes of one API version.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/policy/path.h"
#include "common/policy/route_conflicts.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr absl::string_view kDefaultIdempotencyHeader = "idempotency-key";

IdempotencyPolicy CompileIdempotency(const model::v1::Idempotency& spec, const std::string& field,
                                     Checker* check) {
  IdempotencyPolicy out;
  out.header = check->TakeHeaderName(absl::StrCat(field, ".header"), spec.header(),
                                     kDefaultIdempotencyHeader);
  out.required = spec.required();
  if (!spec.honoured_by().empty()) {
    check->TakeWord(absl::StrCat(field, ".honoured_by"), spec.honoured_by(), {"service"}, 0);
    out.honoured_by_service = true;
  }
  return out;
}

RetryPolicy CompileRetry(const model::v1::Retry& spec, const std::string& field, Checker* check) {
  static const auto* const kConditions = new std::vector<std::string>{
      "not-sent", "connection-lost", "status-502", "status-503", "status-504"};
  static constexpr RetryCondition kValues[] = {
      RetryCondition::kNotSent, RetryCondition::kConnectionLost, RetryCondition::kStatus502,
      RetryCondition::kStatus503, RetryCondition::kStatus504};
  RetryPolicy out;
  if (!spec.has_max_retries()) {
    check->Report(absl::StrCat(field, ".max_retries"), "", "is missing; expected 0 to 4");
  }
  out.max_retries = check->TakeNumber(absl::StrCat(field, ".max_retries"), spec.has_max_retries(),
                                      spec.max_retries(), 0, 0, 4);
  const std::string when = absl::StrCat(field, ".when");
  for (int i = 0; i < spec.when_size(); ++i) {
    const size_t before = check->problem_count();
    const RetryCondition condition =
        kValues[check->TakeWord(At(when, i), spec.when(i), *kConditions, std::nullopt)];
    if (check->problem_count() != before) continue;
    if (std::find(out.when.begin(), out.when.end(), condition) != out.when.end()) {
      check->Report(At(when, i), spec.when(i), "stands here twice");
      continue;
    }
    out.when.push_back(condition);
  }
  std::sort(out.when.begin(), out.when.end());
  if (out.max_retries > 0 && spec.when().empty()) {
    check->Report(when, "", "is missing: when may the request be sent again?",
                  "e.g. when: [not-sent, connection-lost]");
  }
  out.other_endpoint = spec.other_endpoint();
  return out;
}

// RFC 9110 section 9.2.2: what is not idempotent is sent once, unless it provably never arrived or
// the service itself makes a key exactly-once.
void CheckRetryIsSafe(const RoutePolicy& route, const std::string& field, Checker* check) {
  const bool unsafe = route.method.empty() || route.method == "POST" || route.method == "PATCH";
  const bool after_sent =
      std::any_of(route.retry.when.begin(), route.retry.when.end(),
                  [](RetryCondition c) { return c != RetryCondition::kNotSent; });
  if (!unsafe || !after_sent || route.retry.max_retries == 0) return;
  if (route.idempotency.honoured_by_service) return;
  check->Report(
      absl::StrCat(field, ".retry.when"), "",
      absl::StrCat("would send ", route.method.empty() ? "any method" : route.method,
                   " again although it may have arrived: a payment could happen twice"),
      "Keep only not-sent, or say idempotency: {honoured_by: service} if the service makes the "
      "key exactly-once");
}

RoutePolicy CompileRoute(const model::v1::Route& spec, const std::string& field,
                         const std::string& default_service, Checker* check, const Model& model) {
  const auto at = [&field](absl::string_view name) { return absl::StrCat(field, ".", name); };
  RoutePolicy route;
  route.name = spec.name();
  check->Check(at("name"), spec.name(), CheckName(spec.name()));
  if (spec.match().empty()) {
    check->Report(at("match"), "", "is missing; expected METHOD /PATH, e.g. GET /payments/{id}");
  } else if (auto match = ParseMatch(spec.match());
             check->Check(at("match"), spec.match(), match.status())) {
    route.method = match->method;
    route.path = match->path;
  }
  route.require = check->TakeTexts(at("require"), spec.require(), CheckPermission);
  route.is_public = spec.public_();
  if (spec.public_() && !spec.require().empty()) {
    check->Report(at("public"), "true", "stands beside require; a public route asks for nothing",
                  "Keep one of the two");
  } else if (!spec.public_() && spec.require().empty()) {
    check->Report(at("require"), "", "is missing: nobody would be permitted, or everybody",
                  "Name the permissions, or say public: true");
  }
  route.timeout = check->TakeDuration(at("timeout"), spec.timeout(), route.timeout);
  route.attempt_timeout =
      check->TakeDuration(at("attempt_timeout"), spec.attempt_timeout(), Duration::zero());
  if (route.attempt_timeout > route.timeout) {
    check->Report(at("attempt_timeout"), spec.attempt_timeout(),
                  "is longer than the timeout, which covers every attempt");
  }
  if (spec.has_idempotency()) {
    route.idempotency = CompileIdempotency(spec.idempotency(), at("idempotency"), check);
  }
  if (spec.has_retry()) route.retry = CompileRetry(spec.retry(), at("retry"), check);
  CheckRetryIsSafe(route, field, check);
  if (spec.has_hedge()) route.hedge = CompileHedge(spec.hedge(), at("hedge"), route, check);
  if (spec.has_faults()) route.faults = CompileFaults(spec.faults(), at("faults"), check);
  static constexpr Priority kPriorities[] = {Priority::kCritical, Priority::kDefault,
                                             Priority::kSheddable};
  route.priority = kPriorities[check->TakeWord(at("priority"), spec.priority(),
                                               {"critical", "default", "sheddable"}, 1)];
  route.plan = spec.plan();
  const PlanPolicy* plan = FindPlan(at("plan"), spec.plan(), check, model);
  if (plan != nullptr && plan->needs_caller() && spec.public_()) {
    check->Report(at("plan"), spec.plan(),
                  "counts by who calls, but on a public route nobody is asked",
                  "Name a Plan per route, api or address");
  }
  route.max_body_bytes = check->TakeSize(at("max_body"), spec.max_body(), route.max_body_bytes);
  if (spec.has_cost()) route.cost = CompileCost(spec.cost(), at("cost"), route, check, model);
  route.response_headers = check->TakeHeaders(at("response_headers"), spec.response_headers());
  route.allow_upgrade = spec.allow_upgrade();
  route.upstream = spec.service().empty() ? default_service : spec.service();
  if (!spec.service().empty()) check->Refer(at("service"), "Service", spec.service());
  return route;
}

void CheckConflicts(const std::vector<RoutePolicy>& routes, absl::string_view list,
                    Checker* check) {
  absl::flat_hash_map<std::string, size_t> names;
  std::vector<RouteShape> shapes;
  for (size_t i = 0; i < routes.size(); ++i) {
    if (auto [it, fresh] = names.emplace(routes[i].name, i); !fresh && !routes[i].name.empty()) {
      check->Report(At(list, i, "name"), routes[i].name,
                    absl::StrCat("is the name of routes[", it->second, "] already"));
    }
    RouteShape shape{routes[i].method, {}};
    if (auto segments = ParsePathTemplate(routes[i].path); segments.ok()) {
      shape.segments = *std::move(segments);
    }
    shapes.push_back(std::move(shape));
  }
  const auto match = [&](size_t i) {
    return absl::StrCat(routes[i].method.empty() ? "ANY" : routes[i].method, " ", routes[i].path);
  };
  for (const RouteConflict& conflict : FindRouteConflicts(shapes)) {
    check->Report(At(list, conflict.second, "match"), match(conflict.second),
                  absl::StrCat(conflict.letter_case
                                   ? "has a literal that differs in letter case only from route \""
                                   : "takes the same requests as route \"",
                               routes[conflict.first].name, "\" (", match(conflict.first), ")"),
                  conflict.letter_case ? "Spell it the same way in both" : "Keep one of the two");
  }
  if (const uint64_t steps = WorstMatchSteps(shapes); steps > kMaxMatchSteps) {
    check->Report(list, "",
                  absl::StrCat("mixes literals and parameters so that one path could "
                               "take ",
                               steps, " steps to match; at most ", kMaxMatchSteps),
                  "Use literals or parameters in one place, not both, or split the Api");
  }
}

}  // namespace

std::vector<RoutePolicy> CompileRoutes(const model::v1::ApiVersion& version,
                                       absl::string_view field, const std::string& default_service,
                                       Checker* check, const Model& model) {
  const std::string list = absl::StrCat(field, ".routes");
  std::vector<RoutePolicy> routes;
  routes.reserve(version.routes_size());
  for (int i = 0; i < version.routes_size(); ++i) {
    routes.push_back(CompileRoute(version.routes(i), At(list, i), default_service, check, model));
  }
  CheckConflicts(routes, list, check);
  return routes;
}

}  // namespace tollgate::control
