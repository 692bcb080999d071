#include "proxy/snapshot/snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "common/policy/path.h"
#include "common/policy/plan_units.h"
#include "proxy/limit/body_cost.h"

namespace tollgate::proxy {
namespace {

// A tree knows methods, templates and their order, nothing else.
bool SameShape(const RouteTablePolicy& a, const RouteTablePolicy& b) {
  return std::equal(a.routes.begin(), a.routes.end(), b.routes.begin(), b.routes.end(),
                    [](const RoutePolicy& x, const RoutePolicy& y) {
                      return x.method == y.method && x.path == y.path;
                    });
}

std::vector<std::string> ClaimsThatPlansCount(const Policy& policy) {
  std::vector<std::string> claims;
  for (const auto& [name, plan] : policy.plans) {
    for (const LimitKeyPart& part : plan.per) {
      if (part.kind == LimitKey::kClaim) claims.push_back(part.claim);
    }
  }
  std::sort(claims.begin(), claims.end());
  claims.erase(std::unique(claims.begin(), claims.end()), claims.end());
  return claims;
}

template <typename Map>
const typename Map::mapped_type* Find(const Map& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

// Which segment of the route's path the upstream hashes; -1: none.
int HashSegment(const RoutePolicy& route, const HashKeyPolicy& hash) {
  if (hash.kind != HashKeyPolicy::Kind::kPathParameter) return -1;
  const auto segments = ParsePathTemplate(route.path);
  if (!segments.ok()) return -1;  // the tree refuses it
  const auto named = std::find_if(segments->begin(), segments->end(), [&](const PathSegment& s) {
    return s.kind == PathSegment::Kind::kParameter && s.text == hash.name;
  });
  return named == segments->end() ? -1 : static_cast<int>(named - segments->begin());
}

bool HasFaults(const CompiledListener& listener) {
  for (const CompiledApi& api : listener.apis) {
    for (const CompiledVersion& version : api.versions) {
      for (const CompiledRoute& route : version.routes) {
        if (route.policy->faults.any()) return true;
      }
    }
  }
  return false;
}

absl::Status Missing(absl::string_view what, absl::string_view name) {
  return absl::InternalError(absl::StrCat(what, " \"", name, "\" is referred to but not there"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Snapshot>> Snapshot::Compile(
    std::shared_ptr<const Policy> policy, const Snapshot* previous, StepMaker make_steps) {
  std::shared_ptr<Snapshot> snapshot(new Snapshot);
  snapshot->tables_.policy = std::move(policy);
  RETURN_IF_ERROR(snapshot->CompileTables(previous));
  for (const auto& [name, listener] : snapshot->policy().listeners) {
    RETURN_IF_ERROR(Annotate(snapshot->CompileListener(listener, previous, make_steps),
                             absl::StrCat("listener ", name)));
  }
  return snapshot;
}

absl::Status Snapshot::CompileTables(const Snapshot* previous) {
  const Policy& policy = *tables_.policy;
  tables_.release = absl::StrCat(policy.epoch.release);
  for (const auto& [name, plan] : policy.plans) {
    CompiledPlan& compiled = tables_.plans[name];
    compiled.policy = &plan;
    const CompiledPlan* before = previous ? Find(previous->tables_.plans, name) : nullptr;
    compiled.limit =
        before != nullptr && *before->policy == plan ? before->limit : LimitPlan::Compile(plan);
    // A plan in shadow mode promises clients nothing.
    if (plan.headers == LimitHeaders::kNone || plan.shadow) continue;
    for (const LimitRole role : {LimitRole::kAddress, LimitRole::kRoute, LimitRole::kCaller}) {
      compiled.fields.emplace_back(plan, role);
    }
  }

  const std::vector<std::string> claims = ClaimsThatPlansCount(policy);
  const bool same_claims = previous && ClaimsThatPlansCount(previous->policy()) == claims;
  for (const auto& [name, issuer] : policy.issuers) {
    const IssuerPolicy* before = same_claims ? Find(previous->policy().issuers, name) : nullptr;
    if (before != nullptr && *before == issuer) {
      tables_.issuers[name] = previous->tables_.issuers.at(name);
    } else {
      ASSIGN_OR_RETURN(tables_.issuers[name], TokenIssuer::Compile(issuer, claims));
    }
  }

  ASSIGN_OR_RETURN(ConsumerIndex index, ConsumerIndex::Build(policy));
  tables_.consumers = std::make_unique<const ConsumerIndex>(std::move(index));
  ASSIGN_OR_RETURN(ApiKeyVerifier keys, ApiKeyVerifier::Compile(policy, tables_.consumers.get()));
  tables_.api_keys = std::make_unique<const ApiKeyVerifier>(std::move(keys));
  for (const auto& [name, consumer] : policy.consumers) {
    if (consumer.plan.empty()) continue;
    const CompiledPlan* plan = Plan(consumer.plan);
    if (plan == nullptr) return Missing("plan", consumer.plan);
    tables_.consumer_plans[&consumer] = plan;
  }
  return absl::OkStatus();
}

const CompiledPlan* Snapshot::Plan(const std::string& name) const {
  return Find(tables_.plans, name);
}

absl::Status Snapshot::CompileListener(const ListenerPolicy& listener_policy,
                                       const Snapshot* previous, StepMaker make_steps) {
  ASSIGN_OR_RETURN(ApiTable table, ApiTable::Build(listener_policy.apis));
  CompiledListener listener{&listener_policy, std::move(table), {}, nullptr};
  listener.apis.resize(listener_policy.apis.size());
  for (size_t i = 0; i < listener_policy.apis.size(); ++i) {
    const ApiBindingPolicy& binding = listener_policy.apis[i];
    CompiledApi& api = listener.apis[i];
    api.policy = &binding;
    for (const std::string& name : binding.route_tables) {
      const RouteTablePolicy* found = Find(policy().route_tables, name);
      if (found == nullptr) return Missing("route table", name);
      ASSIGN_OR_RETURN(CompiledVersion version,
                       CompileVersion(*found, listener.table.entry(i), previous));
      api.versions.push_back(std::move(version));
    }
    for (const AuthenticatorPolicy& authenticator : binding.authenticate) {
      if (authenticator.kind == AuthenticatorPolicy::Kind::kApiKey) {
        api.api_key_headers.push_back(authenticator.header);
        continue;
      }
      const auto* issuer = Find(tables_.issuers, authenticator.issuer);
      if (issuer == nullptr) return Missing("issuer", authenticator.issuer);
      api.issuers.push_back(issuer->get());
    }
    if (!binding.default_plan.empty()) {
      api.default_plan = Plan(binding.default_plan);
      if (api.default_plan == nullptr) return Missing("plan", binding.default_plan);
    }
    if (!binding.address_plan.empty()) {
      api.address_plan = Plan(binding.address_plan);
      if (api.address_plan == nullptr) return Missing("plan", binding.address_plan);
    }
  }
  std::unique_ptr<const Chain>& chain = chains_[listener_policy.name];
  std::vector<std::unique_ptr<const Filter>> steps = make_steps(listener_policy);
  // One request meets a fault once: beside the instance, not beside its callers too.
  if (listener_policy.direction == Direction::kInbound && HasFaults(listener)) {
    steps.push_back(MakeFaultStep());
  }
  chain = std::make_unique<const Chain>(std::move(steps));
  listener.chain = chain.get();
  listeners_.emplace(listener_policy.name, std::move(listener));
  return absl::OkStatus();
}

absl::StatusOr<CompiledVersion> Snapshot::CompileVersion(const RouteTablePolicy& table,
                                                         const ApiEntry& entry,
                                                         const Snapshot* previous) {
  CompiledVersion version;
  version.policy = &table;
  version.lifecycle = Lifecycle(table, VersionUri(entry, table.successor));
  std::shared_ptr<const RouteTree>& tree = trees_[table.name];
  if (tree == nullptr && previous != nullptr) {
    const RouteTablePolicy* before = Find(previous->policy().route_tables, table.name);
    const auto* built = Find(previous->trees_, table.name);
    if (before != nullptr && built != nullptr && SameShape(*before, table)) tree = *built;
  }
  if (tree == nullptr) {
    ASSIGN_OR_RETURN(RouteTree built, RouteTree::Build(table.routes));
    tree = std::make_shared<const RouteTree>(std::move(built));
  }
  version.tree = tree;
  version.routes.reserve(table.routes.size());
  for (const RoutePolicy& route : table.routes) {
    CompiledRoute& compiled = version.routes.emplace_back();
    compiled.policy = &route;
    compiled.upstream = Find(policy().upstreams, route.upstream);
    if (compiled.upstream == nullptr) return Missing("upstream", route.upstream);
    compiled.hash_segment = HashSegment(route, compiled.upstream->balancing.hash);
    compiled.scope = absl::StrJoin(route.require, " ");
    if (route.cost.by_body()) compiled.body_cost = std::make_shared<const BodyCost>(route.cost);
    if (route.plan.empty()) continue;
    compiled.plan = Plan(route.plan);
    if (compiled.plan == nullptr) return Missing("plan", route.plan);
    const PlanPolicy& plan = *compiled.plan->policy;
    const bool anybodys = route.is_public || CountsPer(plan, LimitKey::kAddress);
    compiled.plan_is_early = !plan.needs_caller() && anybodys && !route.cost.by_body();
  }
  return version;
}

const CompiledListener* Snapshot::FindListener(const std::string& name) const {
  return Find(listeners_, name);
}

}  // namespace tollgate::proxy
