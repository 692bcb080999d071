// Apis: hosts, authenticators, versions.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/policy/plan_units.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr absl::string_view kDefaultApiKeyHeader = "x-api-key";
constexpr int kMaxVersions = 100;
constexpr size_t kMaxRoutes = 100'000;  // of all versions of an Api, shared ones counted for each
constexpr absl::string_view kVersionSegment = "/{version}/";

AuthenticatorPolicy CompileAuthenticator(const model::v1::Authenticator& spec,
                                         const std::string& field, Checker* check) {
  AuthenticatorPolicy out;
  if (spec.has_api_key() == !spec.jwt().empty()) {
    check->Report(field, "", "expected exactly one of jwt and api_key",
                  "e.g. authenticate: [{jwt: ISSUER}, {api_key: {header: X-Api-Key}}]");
    return out;
  }
  if (spec.has_api_key()) {
    out.kind = AuthenticatorPolicy::Kind::kApiKey;
    out.header = check->TakeHeaderName(absl::StrCat(field, ".api_key.header"),
                                       spec.api_key().header(), kDefaultApiKeyHeader);
  } else {
    out.kind = AuthenticatorPolicy::Kind::kJwt;
    out.issuer = spec.jwt();
    check->Refer(absl::StrCat(field, ".jwt"), "Issuer", spec.jwt());
  }
  return out;
}

// What a client presents must say which authenticator is meant.
void CheckDistinct(const std::vector<AuthenticatorPolicy>& all, Checker* check,
                   const Model& model) {
  absl::flat_hash_map<std::string, size_t> headers, issuers;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].kind == AuthenticatorPolicy::Kind::kApiKey) {
      if (auto [it, fresh] = headers.emplace(all[i].header, i); !fresh) {
        check->Report(At("authenticate", i, "api_key.header"), all[i].header,
                      absl::StrCat("is the header of authenticate[", it->second, "] already"));
      }
      continue;
    }
    const auto issuer = model.issuers.find(all[i].issuer);
    if (issuer == model.issuers.end()) continue;
    const std::string& iss = issuer->second.policy.issuer;
    if (auto [it, fresh] = issuers.emplace(iss, i); !fresh) {
      check->Report(At("authenticate", i, "jwt"), all[i].issuer,
                    absl::StrCat("has the same `iss` (", iss, ") as authenticate[", it->second,
                                 "]: a token could mean either"),
                    "Keep one of the two");
    }
  }
}

void CompileVersionFrom(const model::v1::Api& spec, const std::vector<std::string>& names,
                        Checker* check, VersionFromPolicy* out) {
  const model::v1::VersionFrom& from = spec.version_from();
  if (!from.path().empty() && from.path() != kVersionSegment) {
    check->Report(
        "version_from.path", from.path(),
        absl::StrCat("expected \"", kVersionSegment, "\": the segment after the base path"));
  }
  out->path = !from.path().empty();
  out->strip = from.strip();
  if (from.strip() && !out->path) {
    check->Report("version_from.strip", "true", "there is nothing to strip without a path",
                  absl::StrCat("Say path: \"", kVersionSegment, "\", or leave strip out"));
  }
  if (!from.header().empty()) {
    out->header = check->TakeHeaderName("version_from.header", from.header(), "");
  }
  out->default_version = from.default_version();
  if (!from.default_version().empty()) {
    check->Among("version_from.default_version", from.default_version(), "version", names);
    for (const model::v1::ApiVersion& version : spec.versions()) {
      if (version.name() == from.default_version() && version.state() == "retired") {
        check->Report("version_from.default_version", version.name(), "is retired");
      }
    }
  }
  if (names.size() > 1 && from.path().empty() && from.header().empty()) {
    check->Report("version_from", "", "is missing: there is more than one version",
                  absl::StrCat("Say how a request names its version: path: \"", kVersionSegment,
                               "\" or header: X-Api-Version"));
  }
}

const model::v1::ApiVersion* FindVersion(const model::v1::Api& spec, absl::string_view name) {
  for (const model::v1::ApiVersion& version : spec.versions()) {
    if (version.name() == name) return &version;
  }
  return nullptr;
}

// RFC 8594 section 2 and RFC 9745 section 4: a sunset is never earlier than the deprecation.
void CompileLifecycle(const model::v1::Api& spec, const model::v1::ApiVersion& version,
                      const std::string& field, const std::vector<std::string>& names,
                      Checker* check, RouteTablePolicy* table) {
  const auto at = [&field](absl::string_view name) { return absl::StrCat(field, ".", name); };
  static constexpr VersionState kStates[] = {VersionState::kActive, VersionState::kDeprecated,
                                             VersionState::kRetired};
  table->state = kStates[check->TakeWord(at("state"), version.state(),
                                         {"active", "deprecated", "retired"}, 0)];
  table->deprecated = check->TakeDate(at("deprecated"), version.deprecated());
  table->sunset = check->TakeDate(at("sunset"), version.sunset());
  if (table->state == VersionState::kDeprecated && version.deprecated().empty()) {
    check->Report(at("deprecated"), "", "is missing: from when on is this version deprecated?",
                  "e.g. deprecated: \"2026-09-01T00:00:00Z\"");
  }
  if (table->state == VersionState::kActive) {
    for (const char* name : {"deprecated", "sunset"}) {
      const bool deprecated = absl::string_view(name) == "deprecated";
      const std::string& value = deprecated ? version.deprecated() : version.sunset();
      if (!value.empty()) {
        check->Report(at(name), value, "an active version has none", "Say state: deprecated");
      }
    }
  }
  if (table->deprecated && table->sunset && *table->sunset < *table->deprecated) {
    check->Report(at("sunset"), version.sunset(),
                  absl::StrCat("is earlier than deprecated (", version.deprecated(), ")"));
  }
  table->successor = version.successor();
  if (!version.successor().empty() &&
      check->Among(at("successor"), version.successor(), "version", names)) {
    if (version.successor() == version.name()) {
      check->Report(at("successor"), version.successor(), "is this version itself");
    } else if (FindVersion(spec, version.successor())->state() == "retired") {
      check->Report(at("successor"), version.successor(), "is retired");
    }
  }
  table->link = version.link();
  if (!version.link().empty() &&
      (!absl::StartsWith(version.link(), "https://") ||
       version.link().find_first_of("<>\"\\^`{|}") != std::string::npos ||
       !CheckIdentifier(version.link()).ok())) {
    check->Report(at("link"), version.link(), "expected a URL that begins with https://");
  }
}

// Own routes, or those of another version.
void CheckRouteSource(const model::v1::Api& spec, const model::v1::ApiVersion& version,
                      const std::string& field, const std::vector<std::string>& names,
                      Checker* check) {
  const std::string& from = version.routes_from();
  const std::string at = absl::StrCat(field, ".routes_from");
  if (from.empty()) {
    if (version.routes().empty() && version.state() != "retired") {
      check->Report(absl::StrCat(field, ".routes"), "", "is missing: nothing could be called",
                    "List routes, or say routes_from: VERSION");
    }
    return;
  }
  if (!version.routes().empty()) {
    check->Report(at, from, "stands beside routes", "Keep one of the two");
  }
  if (!check->Among(at, from, "version", names)) return;
  if (!FindVersion(spec, from)->routes_from().empty()) {
    check->Report(at, from, "has no routes of its own, it takes another's",
                  "Name the version that lists the routes");
  }
}

// Gives each version with routes_from the routes that it names.
void ShareRoutes(const model::v1::Api& spec, Checker* check, ApiModel* api) {
  size_t total = 0;
  for (const model::v1::ApiVersion& version : spec.versions()) {
    const auto* source =
        version.routes_from().empty() ? &version : FindVersion(spec, version.routes_from());
    if (source != nullptr) total += source->routes_size();
  }
  if (total > kMaxRoutes) {
    check->Report("versions", "",
                  absl::StrCat("have ", total,
                               " routes, shared ones counted for "
                               "each version; at most ",
                               kMaxRoutes),
                  "Split the Api");
    return;
  }
  for (int i = 0; i < spec.versions_size(); ++i) {
    for (int j = 0; j < spec.versions_size(); ++j) {
      const std::string& from = spec.versions(i).routes_from();
      if (i != j && !from.empty() && spec.versions(j).name() == from) {
        api->versions[i].routes = api->versions[j].routes;
      }
    }
  }
}

void CompileVersions(const model::v1::Api& spec, Checker* check, const Model& model,
                     ApiModel* api) {
  if (spec.versions_size() > kMaxVersions) {
    check->Report("versions", "",
                  absl::StrCat("has ", spec.versions_size(), " versions; at most ", kMaxVersions));
    return;
  }
  std::vector<std::string> names;
  for (int i = 0; i < spec.versions_size(); ++i) {
    const std::string& name = spec.versions(i).name();
    if (!check->Check(At("versions", i, "name"), name, CheckName(name))) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      check->Report(At("versions", i, "name"), name, "there is a version of this name already");
    } else {
      names.push_back(name);
    }
  }
  if (spec.versions().empty()) {
    check->Report("versions", "", "is missing; expected at least one version with routes");
  }
  CompileVersionFrom(spec, names, check, &api->binding.version_from);
  for (int i = 0; i < spec.versions_size(); ++i) {
    const model::v1::ApiVersion& version = spec.versions(i);
    RouteTablePolicy table;
    table.api = check->name();
    table.version = version.name();
    CompileLifecycle(spec, version, At("versions", i), names, check, &table);
    CheckRouteSource(spec, version, At("versions", i), names, check);
    table.routes = CompileRoutes(version, At("versions", i), spec.service(), check, model);
    api->versions.push_back(std::move(table));
  }
  ShareRoutes(spec, check, api);
}

void CompileConsumerRule(const model::v1::Api& spec, Checker* check, const Model& model,
                         ApiBindingPolicy* binding) {
  binding->consumers_optional =
      check->TakeWord("consumers", spec.consumers(), {"required", "optional"}, 0) == 1;
  binding->default_plan = spec.default_plan();
  binding->address_plan = spec.address_plan();
  if (binding->consumers_optional && spec.default_plan().empty()) {
    check->Report("default_plan", "", "is missing: strangers would have no limit",
                  "Name the Plan of callers that are no Consumer, or say consumers: required");
  } else if (!binding->consumers_optional && !spec.default_plan().empty()) {
    check->Report("default_plan", spec.default_plan(),
                  "would never be used: every caller is a Consumer here",
                  "Say consumers: optional, or leave it out");
  }
  CheckPlan(
      "default_plan", spec.default_plan(),
      [](const PlanPolicy& plan) {
        return plan.needs_caller() || CountsPer(plan, LimitKey::kAddress);
      },
      "consumer, key, claim:NAME or address", check, model);
  CheckPlan(
      "address_plan", spec.address_plan(),
      [](const PlanPolicy& plan) {
        return !plan.needs_caller() && CountsPer(plan, LimitKey::kAddress);
      },
      "address", check, model);
}

}  // namespace

void CompileApi(const model::v1::Api& spec, Checker* check, Model* model) {
  ApiModel api;
  ApiBindingPolicy& binding = api.binding;
  binding.api = check->name();
  binding.hosts = check->TakeTexts("hosts", spec.hosts(), CheckHost);
  if (spec.hosts().empty()) {
    check->Report("hosts", "", "is missing; expected host names, or [\"*\"] for any");
  }
  if (!spec.base_path().empty() &&
      check->Check("base_path", spec.base_path(), CheckBasePath(spec.base_path()))) {
    binding.base_path = spec.base_path();
  }
  if (spec.service().empty()) {
    const bool all_say = std::all_of(
        spec.versions().begin(), spec.versions().end(), [](const model::v1::ApiVersion& version) {
          return std::all_of(version.routes().begin(), version.routes().end(),
                             [](const model::v1::Route& r) { return !r.service().empty(); });
        });
    if (!all_say) check->Report("service", "", "is missing: who answers these routes?");
  } else {
    check->Refer("service", "Service", spec.service());
  }
  for (int i = 0; i < spec.authenticate_size(); ++i) {
    binding.authenticate.push_back(
        CompileAuthenticator(spec.authenticate(i), At("authenticate", i), check));
  }
  CheckDistinct(binding.authenticate, check, *model);
  CompileVersions(spec, check, *model, &api);
  const bool all_public =
      std::all_of(api.versions.begin(), api.versions.end(), [](const RouteTablePolicy& table) {
        return std::all_of(table.routes.begin(), table.routes.end(),
                           [](const RoutePolicy& route) { return route.is_public; });
      });
  if (spec.authenticate().empty() && !all_public) {
    check->Report("authenticate", "", "is missing, yet there are routes that require permissions",
                  "e.g. authenticate: [{jwt: ISSUER}], or say public: true on every route");
  }
  CompileConsumerRule(spec, check, *model, &binding);
  api.service = spec.service();
  if (!spec.service().empty()) api.aliases.push_back(spec.service());  // compile.cc decides
  model->apis[check->name()] = std::move(api);
}

}  // namespace tollgate::control
