// Route tables: one version of one API each.
#include "absl/algorithm/container.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/policy/convert.h"
#include "common/policy/plan_units.h"
#include "common/policy/route_conflicts.h"

namespace tollgate::internal {
namespace {

constexpr EnumValue<VersionState> kStates[] = {
    {config::v1::VERSION_STATE_ACTIVE, VersionState::kActive},
    {config::v1::VERSION_STATE_DEPRECATED, VersionState::kDeprecated},
    {config::v1::VERSION_STATE_RETIRED, VersionState::kRetired}};
constexpr EnumValue<RetryCondition> kConditions[] = {
    {config::v1::RETRY_CONDITION_NOT_SENT, RetryCondition::kNotSent},
    {config::v1::RETRY_CONDITION_CONNECTION_LOST, RetryCondition::kConnectionLost},
    {config::v1::RETRY_CONDITION_STATUS_502, RetryCondition::kStatus502},
    {config::v1::RETRY_CONDITION_STATUS_503, RetryCondition::kStatus503},
    {config::v1::RETRY_CONDITION_STATUS_504, RetryCondition::kStatus504}};
constexpr EnumValue<Priority> kPriorities[] = {
    {config::v1::PRIORITY_UNSPECIFIED, Priority::kDefault},
    {config::v1::PRIORITY_CRITICAL, Priority::kCritical},
    {config::v1::PRIORITY_DEFAULT, Priority::kDefault},
    {config::v1::PRIORITY_SHEDDABLE, Priority::kSheddable}};
constexpr absl::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                          "PATCH", "DELETE", "OPTIONS"};
constexpr uint64_t kMaxRetries = 4;                    // five attempts
constexpr uint64_t kMaxBodyBytes = uint64_t{1} << 40;  // 1 TiB

// Idempotent by definition (RFC 9110 section 9.2.2): may be sent again after it was sent.
bool IsIdempotent(absl::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE";
}

void ConvertRetry(const config::v1::Route& from, const At& route, RoutePolicy& to, Errors& errors) {
  if (!from.has_retry()) return;
  const config::v1::Retry& retry = from.retry();
  const At at = route["retry"];
  to.retry.max_retries = retry.max_retries();
  to.retry.other_endpoint = retry.other_endpoint();
  CheckRange(retry.max_retries(), 0, kMaxRetries, at["max_retries"], errors);
  if (retry.max_retries() > 0 && retry.when().empty()) {
    errors.Add(Code::kMissing, at["when"], "is empty; expected when to retry");
  }
  bool after_sent = false;
  absl::flat_hash_set<int> seen;
  for (int i = 0; i < retry.when_size(); ++i) {
    const At place = at("when", i);
    const RetryCondition condition = CheckEnum(retry.when(i), kConditions, place, errors);
    if (!seen.insert(retry.when(i)).second) {
      errors.Add(Code::kDuplicate, place, "stands here already");
    }
    after_sent |= condition != RetryCondition::kNotSent;
    to.retry.when.push_back(condition);
  }
  // A payment sent twice is a payment made twice, unless the service itself makes the key count
  // once. A route for every method has POST among them.
  if (retry.max_retries() > 0 && after_sent && !IsIdempotent(from.method()) &&
      !to.idempotency.honoured_by_service) {
    errors.Add(Code::kConflict, at["when"],
               absl::StrCat("sends a ", from.method().empty() ? "POST" : from.method(),
                            " again after it was sent; expected not-sent alone, or "
                            "idempotency.honoured_by_service"));
  }
}

void ConvertIdempotency(const config::v1::Route& from, const At& route, RoutePolicy& to,
                        Errors& errors) {
  if (!from.has_idempotency()) return;
  const config::v1::Idempotency& idempotency = from.idempotency();
  const At at = route["idempotency"];
  to.idempotency = {idempotency.header(), idempotency.required(),
                    idempotency.honoured_by_service()};
  if (!idempotency.header().empty()) {
    CheckHeaderName(idempotency.header(), at["header"], errors);
  } else if (idempotency.required() || idempotency.honoured_by_service()) {
    errors.Add(Code::kMissing, at["header"], "is empty; expected the header that carries the key");
  }
}

void ConvertPermission(const config::v1::Route& from, const At& at, RoutePolicy& to,
                       Errors& errors) {
  to.require.assign(from.require().begin(), from.require().end());
  to.is_public = from.public_();
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < from.require_size(); ++i) {
    const At place = at("require", i);
    if (CheckPermission(from.require(i), place, errors)) {
      CheckDistinct(from.require(i), seen, place, errors);
    }
  }
  if (to.is_public && !to.require.empty()) {
    errors.Add(Code::kConflict, at["public"], "is true, but the route requires permissions");
  } else if (!to.is_public && to.require.empty()) {  // deny by default
    errors.Add(Code::kMissing, at["require"],
               "is empty; expected a permission, or public: true for everybody");
  }
}

void ConvertDates(const config::v1::RouteTable& from, RouteTablePolicy& to, Errors& errors) {
  const At at;
  to.deprecated = CheckDate(from.deprecated(), at["deprecated"], errors);
  to.sunset = CheckDate(from.sunset(), at["sunset"], errors);
  if (to.state == VersionState::kDeprecated && from.deprecated() == 0) {
    errors.Add(Code::kMissing, at["deprecated"],
               "is not set, but the version is deprecated; expected a date");
  }
  // RFC 9745 section 4.
  if (to.deprecated && to.sunset && *to.sunset < *to.deprecated) {
    errors.Add(Code::kConflict, at["sunset"],
               absl::StrCat(from.sunset(), " is before the deprecation ", from.deprecated()));
  }
  to.successor = from.successor();
  if (!from.successor().empty() && from.successor() == from.version()) {
    errors.Add(Code::kConflict, at["successor"], "is the version itself");
  }
  to.link = from.link();  // goes between <> in a header
  if (!from.link().empty()) {
    const At link = at["link"];
    if (CheckIdentifier(from.link(), link, errors) &&
        from.link().find_first_of("<>\"\\^`{|}") != std::string::npos) {
      errors.Add(Code::kInvalid, link, absl::StrCat("\"", from.link(), "\"; expected a URI"));
    }
  }
}

void ConvertRoutes(const config::v1::RouteTable& from, const Policy& policy, RouteTablePolicy& to,
                   Errors& errors) {
  const At root;
  absl::flat_hash_set<std::string> names;
  std::vector<RouteShape> shapes;
  to.routes.reserve(from.routes_size());
  shapes.reserve(from.routes_size());
  for (int i = 0; i < from.routes_size(); ++i) {
    const config::v1::Route& route = from.routes(i);
    const At at = root("routes", i);
    if (CheckIdentifier(route.name(), at["name"], errors)) {
      CheckDistinct(route.name(), names, at["name"], errors);
    }
    to.routes.push_back(ConvertRoute(route, at, policy, errors));
    auto segments = ParsePathTemplate(route.path());
    if (!segments.ok()) {
      errors.Add(route.path().empty() ? Code::kMissing : Code::kInvalid, at["path"],
                 std::string(segments.status().message()));
      segments = std::vector<PathSegment>();
    }
    shapes.push_back({route.method(), *std::move(segments)});
  }
  for (const RouteConflict& conflict : FindRouteConflicts(shapes)) {
    const config::v1::Route& first = from.routes(conflict.first);
    errors.Add(
        Code::kConflict, root("routes", conflict.second),
        absl::StrCat(conflict.letter_case ? "differs in letter case only from a literal of routes["
                                          : "matches the same requests as routes[",
                     conflict.first, "] (", first.name(), ": ", first.method(),
                     first.method().empty() ? "" : " ", first.path(), ")"));
  }
  if (const uint64_t steps = WorstMatchSteps(shapes); steps > kMaxMatchSteps) {
    errors.Add(Code::kOutOfRange, root["routes"],
               absl::StrCat("literals and parameters stand at the same places so often that a "
                            "lookup may take ",
                            steps, " steps; expected at most ", kMaxMatchSteps));
  }
}

}  // namespace

RoutePolicy ConvertRoute(const config::v1::Route& from, const At& at, const Policy& policy,
                         Errors& errors) {
  RoutePolicy to;
  to.name = from.name();
  to.method = from.method();
  if (!from.method().empty() && !absl::c_linear_search(kMethods, from.method())) {
    errors.Add(Code::kUnknownValue, at["method"],
               absl::StrCat("\"", from.method(), "\"; expected ", absl::StrJoin(kMethods, ", "),
                            ", or none for every method"));
  }
  to.path = from.path();
  ConvertPermission(from, at, to, errors);
  to.timeout = CheckMillis(from.timeout_ms(), 1, kDayMs, at["timeout_ms"], errors);
  to.attempt_timeout = CheckMillis(from.attempt_timeout_ms(), 0, from.timeout_ms(),
                                   at["attempt_timeout_ms"], errors);
  ConvertIdempotency(from, at, to, errors);
  ConvertRetry(from, at, to, errors);
  to.priority = CheckEnum(from.priority(), kPriorities, at["priority"], errors);
  if (from.has_hedge()) to.hedge = ConvertHedge(from, at, errors);
  to.plan = from.plan();
  if (!from.plan().empty()) {
    const auto plan = policy.plans.find(from.plan());
    if (CheckReference(plan != policy.plans.end(), "a Plan", from.plan(), at["plan"], errors) &&
        to.is_public && plan->second.needs_caller()) {
      errors.Add(Code::kConflict, at["plan"],
                 absl::StrCat("plan ", from.plan(),
                              " counts by who calls, but nobody is asked on a public route; "
                              "expected one per route, api or address"));
    }
  }
  to.max_body_bytes = from.max_body_bytes();  // 0: no body at all
  CheckRange(from.max_body_bytes(), 0, kMaxBodyBytes, at["max_body_bytes"], errors);
  to.response_headers = CheckHeaders(from.response_headers(), at, errors);
  to.allow_upgrade = from.allow_upgrade();
  to.upstream = from.upstream();
  CheckReference(policy.upstreams.contains(from.upstream()), "an Upstream", from.upstream(),
                 at["upstream"], errors);
  to.cost = ConvertCost(from, at, errors);
  const auto plan = policy.plans.find(from.plan());
  if (plan != policy.plans.end() && to.cost.units > MostUnits(plan->second)) {
    errors.Add(Code::kConflict, at["cost"]["units"],
               absl::StrCat(to.cost.units, " is more than plan ", from.plan(),
                            " ever admits; expected at most ", MostUnits(plan->second)));
  }
  to.faults = ConvertFaults(from, at, errors);
  return to;
}

void ConvertRouteTables(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  const At root;
  for (int i = 0; i < bundle.route_tables_size(); ++i) {
    const config::v1::RouteTable& from = bundle.route_tables(i);
    const bool unique =
        EnterResource("RouteTable", from.name(), i, policy.route_tables, "name", errors);
    RouteTablePolicy to;
    to.name = from.name();
    to.api = from.api();
    to.version = from.version();
    const bool api_ok = CheckWord(from.api(), root["api"], errors);
    const bool version_ok = CheckWord(from.version(), root["version"], errors);
    const std::string expected = absl::StrCat(from.api(), "/", from.version());
    if (api_ok && version_ok && absl::StripPrefix(from.name(), "outbound/") != expected) {
      errors.Add(Code::kInvalid, root["name"],
                 absl::StrCat("\"", from.name(), "\"; expected \"", expected, "\" or \"outbound/",
                              expected, "\""));
    }
    to.state = CheckEnum(from.state(), kStates, root["state"], errors);
    ConvertDates(from, to, errors);
    ConvertRoutes(from, policy, to, errors);
    for (const RoutePolicy& route : to.routes) {
      if (route.priority == Priority::kDefault) continue;
      const auto upstream = policy.upstreams.find(route.upstream);
      if (upstream != policy.upstreams.end()) upstream->second.has_priorities = true;
    }
    if (unique) policy.route_tables.emplace(from.name(), std::move(to));
  }
}

}  // namespace tollgate::internal
