#include "control-plane/translate/translate.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/policy/balancing.h"
#include "common/policy/policy.h"
#include "control-plane/model/suggest.h"
#include "control-plane/translate/placement.h"
#include "control-plane/translate/shards.h"
#include "control-plane/translate/to_proto.h"

namespace tollgate::control {
namespace {

// Nobody but the caller's sidecar may try another instance (see the header).
RetryPolicy InboundRetry(const RetryPolicy& retry) {
  RetryPolicy out;
  if (std::find(retry.when.begin(), retry.when.end(), RetryCondition::kNotSent) ==
      retry.when.end()) {
    return out;
  }
  out.max_retries = retry.max_retries;
  out.when = {RetryCondition::kNotSent};
  return out;
}

class Translator {
 public:
  Translator(const Model& model, const Credentials& credentials, const NodeIdentity& node,
             const ServiceModel& service)
      : model_(model), credentials_(credentials), node_(node), service_(service) {}

  absl::StatusOr<config::v1::Bundle> Run(const CutIdentity& cut) {
    ASSIGN_OR_RETURN(const std::optional<Placement> placement, Place(service_, node_));
    zone_ = !node_.zone.empty() || !placement ? node_.zone : placement->zone;
    if (placement) AddInbound(*placement);
    if (!service_.uses.empty()) AddOutbound();
    RETURN_IF_ERROR(AddConsumers());
    AddPolicySet();
    AddRevokedKeys();
    AddDeniedTokens(cut);
    config::v1::Epoch* epoch = bundle_.mutable_epoch();
    epoch->set_incarnation(cut.incarnation);
    epoch->set_revision(cut.revision);
    epoch->set_release(cut.release);
    epoch->set_schema(kSchema);
    Sort(bundle_.mutable_route_tables());
    Sort(bundle_.mutable_upstreams());
    Sort(bundle_.mutable_secrets());
    Sort(bundle_.mutable_listeners());
    Sort(bundle_.mutable_revocations());
    std::sort(bundle_.mutable_endpoints()->begin(), bundle_.mutable_endpoints()->end(),
              [](const auto& a, const auto& b) { return a.upstream() < b.upstream(); });
    return std::move(bundle_);
  }

 private:
  template <typename Resources>
  static void Sort(Resources* resources) {
    std::sort(resources->begin(), resources->end(),
              [](const auto& a, const auto& b) { return a.name() < b.name(); });
  }

  // The part of `table` that `services` answer.
  static RouteTablePolicy Restrict(const RouteTablePolicy& table,
                                   const std::set<std::string>& services) {
    RouteTablePolicy out = table;
    if (table.state == VersionState::kRetired) {
      out.routes.clear();
    } else {
      std::erase_if(out.routes,
                    [&](const RoutePolicy& route) { return !services.contains(route.upstream); });
    }
    return out;
  }
  static bool Concerns(const ApiModel& api, const std::set<std::string>& services) {
    if (services.contains(api.service)) return true;
    return std::any_of(api.versions.begin(), api.versions.end(), [&](const RouteTablePolicy& t) {
      return !Restrict(t, services).routes.empty();
    });
  }
  // The binding as it is served here: reachable by its hosts and the name of its service.
  static ApiBindingPolicy Binding(const ApiModel& api) {
    ApiBindingPolicy out = api.binding;
    out.hosts.insert(out.hosts.end(), api.aliases.begin(), api.aliases.end());
    return out;
  }

  void AddUpstream(const UpstreamPolicy& upstream) {
    *bundle_.add_upstreams() = ToProto(upstream);
    *bundle_.add_endpoints() = EndpointsToProto(upstream);
  }

  // What a sidecar has to know in order to prefer endpoints of its own zone.
  void SetZones(UpstreamPolicy* upstream) const {
    const bool zones = std::any_of(upstream->endpoints.begin(), upstream->endpoints.end(),
                                   [](const EndpointPolicy& e) { return !e.zone.empty(); });
    if (!zones || upstream->balancing.zones.ignore || IsHashing(upstream->balance)) return;
    upstream->balancing.zones.local = zone_;
    std::map<std::string, uint32_t> callers;
    for (const InstanceModel& instance : service_.instances) {
      if (instance.endpoint.zone.empty()) return;
      callers[instance.endpoint.zone] += instance.endpoint.weight;
    }
    for (const auto& [zone, weight] : callers) {
      upstream->balancing.zones.callers.push_back({zone, weight});
    }
  }

  void AddInbound(const Placement& placement) {
    UpstreamPolicy upstream = service_.upstream;
    upstream.name = absl::StrCat("local/", node_.service);
    upstream.endpoints = {{placement.local, 1}};
    upstream.outlier_detection.enabled = false;  // there is no other instance to turn to
    upstream.balance = Balance::kPeakEwma;       // nor anything to choose between
    upstream.balancing = {};
    upstream.health_check.reset();               // likewise
    AddUpstream(upstream);

    ListenerPolicy listener = service_.listener.settings;
    listener.name = absl::StrCat("inbound/", node_.service);
    listener.address = placement.listen;
    listener.direction = Direction::kInbound;
    for (const auto& [name, api] : model_.apis) {
      if (!Concerns(api, {node_.service})) continue;
      ApiBindingPolicy binding = Binding(api);
      for (const RouteTablePolicy& version : api.versions) {
        RouteTablePolicy table = Restrict(version, {node_.service});
        table.name = absl::StrCat(name, "/", table.version);
        for (RoutePolicy& route : table.routes) {
          route.upstream = upstream.name;
          route.retry = InboundRetry(route.retry);
          route.hedge = {};
          required_.insert(route.require.begin(), route.require.end());
          NeedPlan(route.plan);
        }
        binding.route_tables.push_back(table.name);
        *bundle_.add_route_tables() = ToProto(table);
      }
      for (const AuthenticatorPolicy& authenticator : binding.authenticate) {
        const bool jwt = authenticator.kind == AuthenticatorPolicy::Kind::kJwt;
        if (!jwt) accepts_keys_ = true;
        if (jwt) issuers_.insert(authenticator.issuer);
      }
      any_consumer_ |= binding.consumers_optional;
      NeedPlan(binding.default_plan);
      NeedPlan(binding.address_plan);
      listener.apis.push_back(std::move(binding));
    }
    AddListener(listener, service_.plaintext || service_.listener.plaintext);
  }

  void AddOutbound() {
    const std::set<std::string> used(service_.uses.begin(), service_.uses.end());
    for (const std::string& name : used) {
      UpstreamPolicy upstream = model_.services.at(name).upstream;
      upstream.response_headers.clear();
      SetZones(&upstream);
      // It belongs beside the instance, whose whole load and own latency are seen there.
      upstream.adaptive_concurrency.reset();
      AddUpstream(upstream);
    }
    ListenerPolicy listener;
    listener.name = absl::StrCat("outbound/", node_.service);
    listener.address = service_.outbound;
    listener.direction = Direction::kOutbound;
    for (const auto& [name, api] : model_.apis) {
      if (!Concerns(api, used)) continue;
      ApiBindingPolicy binding = Binding(api);
      binding.authenticate.clear();
      binding.version_from.strip = false;
      binding.consumers_optional = false;
      binding.default_plan.clear();
      binding.address_plan.clear();
      for (const RouteTablePolicy& version : api.versions) {
        RouteTablePolicy table = Outbound(Restrict(version, used));
        table.name = absl::StrCat("outbound/", name, "/", table.version);
        binding.route_tables.push_back(table.name);
        *bundle_.add_route_tables() = ToProto(table);
      }
      listener.apis.push_back(std::move(binding));
    }
    AddListener(listener, service_.plaintext);
  }

  static RouteTablePolicy Outbound(RouteTablePolicy table) {
    if (table.state == VersionState::kDeprecated) table.state = VersionState::kActive;
    table.deprecated.reset();
    table.sunset.reset();
    table.successor.clear();
    table.link.clear();
    for (RoutePolicy& route : table.routes) {
      route.require.clear();
      route.is_public = true;
      route.plan.clear();
      route.cost = {};  // no plan is asked there
      route.response_headers.clear();
      route.faults = {};  // met once, beside the service; the caller's retries meet them too
    }
    return table;
  }

  void AddListener(const ListenerPolicy& listener, bool plaintext) {
    *bundle_.add_listeners() = ToProto(listener, plaintext && !listener.address.is_local());
  }

  void NeedPlan(const std::string& plan) {
    if (!plan.empty()) plans_.insert(plan);
  }

  absl::Status AddConsumers() {
    std::map<absl::string_view, std::vector<const LiveKey*>> keys;
    if (accepts_keys_) {
      for (const LiveKey& key : credentials_.keys) keys[key.consumer].push_back(&key);
    }
    std::vector<ConsumerPolicy> consumers;
    std::set<std::string> peppers;
    for (const auto& [name, whole] : model_.consumers) {
      ConsumerPolicy consumer = whole;
      std::erase_if(consumer.grants,
                    [&](const std::string& grant) { return !required_.contains(grant); });
      std::erase_if(consumer.tokens, [&](const TokenIdentity& token) {
        return !issuers_.contains(token.issuer) || (consumer.grants.empty() && !any_consumer_);
      });
      if (const auto own = keys.find(name); own != keys.end()) {
        for (const LiveKey* key : own->second) {
          if (!credentials_.peppers.contains(key->pepper)) {
            return absl::FailedPreconditionError(absl::StrCat(
                "API key \"", key->id, "\" of Consumer/", name, " was hashed under the pepper \"",
                key->pepper, "\", which is not there. Restore the pepper file, or revoke the key"));
          }
          consumer.api_keys.push_back(ToPolicy(*key));
          peppers.insert(key->pepper);
        }
        std::sort(consumer.api_keys.begin(), consumer.api_keys.end(),
                  [](const ApiKeyPolicy& a, const ApiKeyPolicy& b) { return a.id < b.id; });
      }
      if (consumer.tokens.empty() && consumer.api_keys.empty()) continue;
      NeedPlan(consumer.plan);
      consumers.push_back(std::move(consumer));
    }
    for (config::v1::ConsumerShard& shard : MakeShards(consumers)) {
      *bundle_.add_consumer_shards() = std::move(shard);
    }
    for (const std::string& pepper : peppers) {
      AddSecret(absl::StrCat("pepper/", pepper), credentials_.peppers.at(pepper));
    }
    return absl::OkStatus();
  }

  static ApiKeyPolicy ToPolicy(const LiveKey& key) {
    ApiKeyPolicy out;
    out.id = key.id;
    out.hash = key.hash;
    out.name = key.name;
    if (key.not_after != 0) out.not_after = FromUnixSeconds(key.not_after);
    out.pepper = absl::StrCat("pepper/", key.pepper);
    return out;
  }

  void AddSecret(const std::string& name, const std::string& value) {
    config::v1::Secret* secret = bundle_.add_secrets();
    secret->set_name(name);
    secret->set_value(value);
  }

  void AddPolicySet() {
    if (issuers_.empty() && plans_.empty()) return;
    config::v1::PolicySet* set = bundle_.add_policy_sets();
    set->set_name("policy");
    for (const std::string& name : issuers_) {
      const IssuerModel& issuer = model_.issuers.at(name);
      const std::string secret = issuer.symmetric ? absl::StrCat("jwks/", name) : "";
      *set->add_issuers() = ToProto(issuer.policy, secret);
      if (issuer.symmetric) AddSecret(secret, issuer.policy.jwks);
    }
    for (const std::string& name : plans_) *set->add_plans() = ToProto(model_.plans.at(name));
  }

  // Only where keys are accepted; of consumers that the model still has.
  void AddRevokedKeys() {
    if (!accepts_keys_) return;
    std::vector<const RevokedKey*> revoked;
    for (const RevokedKey& key : credentials_.revoked) {
      if (model_.consumers.contains(key.consumer)) revoked.push_back(&key);
    }
    if (revoked.empty()) return;
    std::sort(revoked.begin(), revoked.end(), [](const RevokedKey* a, const RevokedKey* b) {
      return a->revision != b->revision ? a->revision > b->revision : a->id < b->id;
    });
    if (revoked.size() > kMaxRevokedIds) revoked.resize(kMaxRevokedIds);
    config::v1::Revocation* out = bundle_.add_revocations();
    out->set_name("revoked");
    out->set_revision(revoked.front()->revision);
    std::set<std::string> ids;
    for (const RevokedKey* key : revoked) ids.insert(key->id);
    out->mutable_key_ids()->Add(ids.begin(), ids.end());
  }

  // Of the issuers whose tokens are accepted here: all, for what is left out is allowed.
  void AddDeniedTokens(const CutIdentity& cut) {
    std::set<std::string> accepted;  // their iss claims
    for (const std::string& name : issuers_) {
      accepted.insert(model_.issuers.at(name).policy.issuer);
    }
    std::map<DeniedToken, const DeniedTokens*> denied;
    for (const DeniedTokens& tokens : credentials_.denied) {
      if (accepted.contains(tokens.denial.token.issuer)) denied[tokens.denial.token] = &tokens;
    }
    if (denied.empty()) return;
    config::v1::Revocation* out = bundle_.add_revocations();
    out->set_name("denied");
    out->set_incarnation(cut.incarnation);
    uint64_t newest = 0;
    for (const auto& [token, tokens] : denied) {
      *out->add_tokens() = ToProto(tokens->denial);
      newest = std::max(newest, tokens->revision);
    }
    out->set_revision(newest);
  }

  const Model& model_;
  const Credentials& credentials_;
  const NodeIdentity& node_;
  const ServiceModel& service_;
  std::string zone_;  // where the sidecar runs; "": not known
  config::v1::Bundle bundle_;
  // What the inbound listener needs.
  std::set<std::string> issuers_;
  std::set<std::string> plans_;
  std::set<std::string> required_;  // permissions
  bool accepts_keys_ = false;
  bool any_consumer_ = false;  // an Api with consumers: optional
};

}  // namespace

absl::StatusOr<config::v1::Bundle> Translate(const Model& model, const Credentials& credentials,
                                             const NodeIdentity& node, const CutIdentity& cut) {
  const auto service = model.services.find(node.service);
  if (service == model.services.end()) {
    std::vector<std::string> known;
    for (const auto& [name, unused] : model.services) known.push_back(name);
    return absl::NotFoundError(absl::StrCat(
        "sidecar \"", node.id, "\" says that it belongs to service \"", node.service,
        "\", which environment \"", model.environment, "\" does not have. ",
        known.empty() ? "Apply a Service document first" : DidYouMean(node.service, known)));
  }
  return Translator(model, credentials, node, service->second).Run(cut);
}

}  // namespace tollgate::control
