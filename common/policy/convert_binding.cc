// The APIs behind a listener.
#include "absl/strings/str_cat.h"
#include "common/policy/convert.h"
#include "common/policy/plan_units.h"

namespace tollgate::internal {
namespace {

void ConvertAuthenticators(const config::v1::ApiBinding& from, const At& binding,
                           const Policy& policy, ApiBindingPolicy& to, Errors& errors) {
  absl::flat_hash_set<std::string> issuers;  // by `iss`: a token must mean one of them
  absl::flat_hash_set<std::string> headers;
  for (int i = 0; i < from.authenticate_size(); ++i) {
    const config::v1::Authenticator& authenticator = from.authenticate(i);
    const At at = binding("authenticate", i);
    AuthenticatorPolicy policy_value;
    switch (authenticator.kind_case()) {
      case config::v1::Authenticator::kJwt: {
        policy_value.issuer = authenticator.jwt();
        const auto issuer = policy.issuers.find(authenticator.jwt());
        if (CheckReference(issuer != policy.issuers.end(), "an Issuer", authenticator.jwt(),
                           at["jwt"], errors)) {
          CheckDistinct(issuer->second.issuer, issuers, at["jwt"], errors);
        }
        break;
      }
      case config::v1::Authenticator::kApiKeyHeader:
        policy_value.kind = AuthenticatorPolicy::Kind::kApiKey;
        policy_value.header = authenticator.api_key_header();
        if (CheckHeaderName(authenticator.api_key_header(), at["api_key_header"], errors)) {
          CheckDistinct(authenticator.api_key_header(), headers, at["api_key_header"], errors);
        }
        break;
      case config::v1::Authenticator::KIND_NOT_SET:
        errors.Add(Code::kMissing, at, "is empty; expected jwt or api_key_header");
        break;
    }
    to.authenticate.push_back(std::move(policy_value));
  }
}

void ConvertVersions(const config::v1::ApiBinding& from, const At& at, const Policy& policy,
                     ApiBindingPolicy& to, Errors& errors) {
  absl::flat_hash_set<std::string> versions;
  to.route_tables.assign(from.route_tables().begin(), from.route_tables().end());
  if (to.route_tables.empty()) errors.Add(Code::kMissing, at["route_tables"], "is empty");
  for (int i = 0; i < from.route_tables_size(); ++i) {
    const At place = at("route_tables", i);
    const auto table = policy.route_tables.find(from.route_tables(i));
    if (!CheckReference(table != policy.route_tables.end(), "a RouteTable", from.route_tables(i),
                        place, errors)) {
      continue;
    }
    if (table->second.api != from.api()) {
      errors.Add(Code::kConflict, place,
                 absl::StrCat("\"", from.route_tables(i), "\" is of API ", table->second.api,
                              ", not ", from.api()));
    }
    CheckDistinct(table->second.version, versions, place, errors);
  }

  const config::v1::VersionFrom& version_from = from.version_from();
  const At place = at["version_from"];
  to.version_from = {version_from.path(), version_from.strip(), version_from.header(),
                     version_from.default_version()};
  const std::string& default_version = version_from.default_version();
  if (!version_from.header().empty()) {
    CheckHeaderName(version_from.header(), place["header"], errors);
  }
  if (version_from.strip() && !version_from.path()) {
    errors.Add(Code::kConflict, place["strip"], "is true, but the version is not in the path");
  }
  if (!default_version.empty()) {
    CheckReference(versions.contains(default_version), "a version of this API", default_version,
                   place["default_version"], errors);
  } else if (!version_from.path() && version_from.header().empty() &&
             from.route_tables_size() > 1) {
    errors.Add(Code::kMissing, place,
               "selects nothing, and there are several versions; expected path, header or "
               "default_version");
  }
}

const PlanPolicy* CheckPlan(const std::string& name, const At& at, const Policy& policy,
                            Errors& errors) {
  const auto plan = policy.plans.find(name);
  if (!CheckReference(plan != policy.plans.end(), "a Plan", name, at, errors)) return nullptr;
  return &plan->second;
}

// The plan of strangers, and the one of addresses, which is checked before anybody is known.
void ConvertPlans(const config::v1::ApiBinding& from, const At& at, const Policy& policy,
                  ApiBindingPolicy& to, Errors& errors) {
  to.default_plan = from.default_plan();
  if (from.consumers_optional() || !from.default_plan().empty()) {
    const At place = at["default_plan"];
    const PlanPolicy* plan = CheckPlan(from.default_plan(), place, policy, errors);
    if (plan != nullptr && !plan->needs_caller() && !CountsPer(*plan, LimitKey::kAddress)) {
      errors.Add(Code::kConflict, place,
                 absl::StrCat("plan ", plan->name, " does not count by who calls"));
    }
  }
  to.address_plan = from.address_plan();
  if (!from.address_plan().empty()) {
    const At place = at["address_plan"];
    const PlanPolicy* plan = CheckPlan(from.address_plan(), place, policy, errors);
    if (plan != nullptr && (plan->needs_caller() || !CountsPer(*plan, LimitKey::kAddress))) {
      errors.Add(Code::kConflict, place,
                 absl::StrCat("plan ", plan->name, " is not per address",
                              plan->needs_caller() ? " alone" : ""));
    }
  }
}

// An outbound listener asks no plan: one that is named there would seem to be enforced.
void CheckNoPlans(const config::v1::ApiBinding& from, const At& at, const Policy& policy,
                  Errors& errors) {
  constexpr char kWhy[] = "is set, but an outbound listener limits nothing";
  if (!from.default_plan().empty()) errors.Add(Code::kConflict, at["default_plan"], kWhy);
  if (!from.address_plan().empty()) errors.Add(Code::kConflict, at["address_plan"], kWhy);
  for (int i = 0; i < from.route_tables_size(); ++i) {
    const auto table = policy.route_tables.find(from.route_tables(i));
    if (table == policy.route_tables.end()) continue;
    for (const RoutePolicy& route : table->second.routes) {
      if (route.plan.empty() && route.cost == CostPolicy()) continue;
      errors.Add(Code::kConflict, at("route_tables", i),
                 absl::StrCat("route ", route.name, " has a ", route.plan.empty() ? "cost" : "plan",
                              ", but an outbound listener limits nothing"));
      break;
    }
  }
}

// What only an inbound listener may do, and what it must: nothing checks a permission outbound, and
// a permission that nobody can hold is a mistake.
void CheckDirection(const config::v1::ApiBinding& from, Direction direction, const At& at,
                    const Policy& policy, Errors& errors) {
  const bool outbound = direction == Direction::kOutbound;
  if (outbound && from.authenticate_size() > 0) {
    errors.Add(Code::kConflict, at["authenticate"],
               "an outbound listener carries its own service's calls and authenticates nobody");
  }
  if (outbound) CheckNoPlans(from, at, policy, errors);
  if (!outbound && from.authenticate_size() > 0) return;
  for (int i = 0; i < from.route_tables_size(); ++i) {
    const auto table = policy.route_tables.find(from.route_tables(i));
    if (table == policy.route_tables.end()) continue;
    for (const RoutePolicy& route : table->second.routes) {
      if (route.require.empty()) continue;
      errors.Add(Code::kConflict, at("route_tables", i),
                 absl::StrCat("route ", route.name, " requires ", route.require[0], ", but ",
                              outbound ? "an outbound listener checks no permission"
                                       : "the API authenticates nobody"));
      break;
    }
  }
}

}  // namespace

ApiBindingPolicy ConvertBinding(const config::v1::ApiBinding& from, Direction direction,
                                const At& at, const Policy& policy, Errors& errors) {
  ApiBindingPolicy to;
  to.api = from.api();
  CheckWord(from.api(), at["api"], errors);
  to.hosts.assign(from.hosts().begin(), from.hosts().end());
  if (to.hosts.empty()) errors.Add(Code::kMissing, at["hosts"], "is empty; \"*\" is any host");
  for (int i = 0; i < from.hosts_size(); ++i) CheckHost(from.hosts(i), at("hosts", i), errors);
  to.base_path = from.base_path();
  CheckBasePath(from.base_path(), at["base_path"], errors);
  ConvertAuthenticators(from, at, policy, to, errors);
  ConvertVersions(from, at, policy, to, errors);
  CheckDirection(from, direction, at, policy, errors);
  to.consumers_optional = from.consumers_optional();
  ConvertPlans(from, at, policy, to, errors);
  return to;
}

}  // namespace tollgate::internal
