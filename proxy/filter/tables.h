// What a snapshot compiled, as the steps read it: plain structures of prepared parts, immutable,
// shared by all workers. Built by proxy/snapshot; pointers into the snapshot's Policy.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/policy/policy.h"
#include "proxy/auth/api_key_verifier.h"
#include "proxy/auth/token_issuer.h"
#include "proxy/limit/limit_table.h"
#include "proxy/limit/ratelimit_fields.h"
#include "proxy/route/api_table.h"
#include "proxy/route/lifecycle.h"
#include "proxy/route/route_tree.h"

namespace tollgate::proxy {

class BodyCost;
class Chain;

struct CompiledPlan {
  const PlanPolicy* policy = nullptr;
  std::shared_ptr<const LimitPlan> limit;
  // What clients are told, by LimitRole; none: nothing.
  std::vector<RateLimitFields> fields;
};

struct CompiledRoute {
  const RoutePolicy* policy = nullptr;
  const UpstreamPolicy* upstream = nullptr;
  int hash_segment = -1;  // of the route's path, that the upstream hashes; -1: none
  const CompiledPlan* plan = nullptr;
  // The plan is asked before the credential: it needs neither the caller nor the body, and who has
  // no credential uses up only what is counted by address (or what is everybody's, being public).
  bool plan_is_early = false;
  std::shared_ptr<const BodyCost> body_cost;  // null: policy->cost.units
  std::string scope;                          // the permissions, space separated: for a challenge
};

// The tree of one version and its routes. Shared between snapshots while the table is unchanged in
// shape.
struct CompiledVersion {
  const RouteTablePolicy* policy = nullptr;
  std::shared_ptr<const RouteTree> tree;
  Lifecycle lifecycle;
  std::vector<CompiledRoute> routes;  // by RouteMatch::route
};

struct CompiledApi {
  const ApiBindingPolicy* policy = nullptr;
  std::vector<CompiledVersion> versions;     // by VersionMatch::version
  std::vector<std::string> api_key_headers;  // lower case
  std::vector<const TokenIssuer*> issuers;   // of its jwt authenticators
  const CompiledPlan* default_plan = nullptr;
  const CompiledPlan* address_plan = nullptr;
};

struct CompiledListener {
  const ListenerPolicy* policy = nullptr;
  ApiTable table;
  std::vector<CompiledApi> apis;  // by ApiEntry::index
  const Chain* chain = nullptr;
};

// The parts that are not a listener's.
struct SnapshotTables {
  std::shared_ptr<const Policy> policy;
  std::map<std::string, CompiledPlan> plans;
  std::map<std::string, std::shared_ptr<const TokenIssuer>> issuers;
  std::unique_ptr<const ConsumerIndex> consumers;
  std::unique_ptr<const ApiKeyVerifier> api_keys;
  // The plan of each consumer, so that no name is looked up on the request path.
  absl::flat_hash_map<const ConsumerPolicy*, const CompiledPlan*> consumer_plans;
  std::string release;  // as the log writes it
};

}  // namespace tollgate::proxy
