// A bundle as the responses of a cut, for tests of the sidecar's side alone.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"
#include "common/policy/resource_type.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/control/resources.h"

namespace tollgate::fakes {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;

inline std::string VersionOf(absl::string_view bytes) {
  const Digest256 digest = Sha256(bytes);
  return HexEncode(AsBytes(digest));
}

// What a sidecar holds that has adopted `bundle`. The Epoch's digests are filled in.
inline proxy::ActiveSet ToActiveSet(const config::v1::Bundle& bundle) {
  proxy::ActiveSet set;
  config::v1::Epoch epoch = bundle.epoch();
  const auto add = [&](ResourceType type, const auto& messages) {
    auto& held = set.types[Index(type)];
    for (const auto& message : messages) {
      std::string bytes = message.SerializeAsString();
      std::string name;
      if constexpr (requires { message.upstream(); }) {
        name = message.upstream();
      } else {
        name = message.name();
      }
      held[name] = {VersionOf(bytes), std::make_shared<const std::string>(bytes)};
    }
    (*epoch.mutable_digests())[std::string(TypeUrl(type))] = SetDigest(proxy::Versions(held));
  };
  add(ResourceType::kUpstream, bundle.upstreams());
  add(ResourceType::kEndpoints, bundle.endpoints());
  add(ResourceType::kSecret, bundle.secrets());
  add(ResourceType::kConsumerShard, bundle.consumer_shards());
  add(ResourceType::kPolicySet, bundle.policy_sets());
  add(ResourceType::kRouteTable, bundle.route_tables());
  add(ResourceType::kListener, bundle.listeners());
  set.epoch_bytes = epoch.SerializeAsString();
  set.epoch_version = VersionOf(set.epoch_bytes);
  return set;
}

inline void AddResource(ResourceType type, const std::string& name, const std::string& version,
                        const std::string& bytes, DeltaDiscoveryResponse* out) {
  auto* resource = out->add_resources();
  resource->set_name(name);
  resource->set_version(version);
  resource->mutable_resource()->set_type_url(std::string(TypeUrl(type)));
  resource->mutable_resource()->set_value(bytes);
}

inline DeltaDiscoveryResponse EmptyResponse(ResourceType type, const std::string& nonce) {
  DeltaDiscoveryResponse response;
  response.set_type_url(std::string(TypeUrl(type)));
  response.set_nonce(nonce);
  return response;
}

inline DeltaDiscoveryResponse EpochResponse(const proxy::ActiveSet& set, const std::string& nonce) {
  DeltaDiscoveryResponse response = EmptyResponse(ResourceType::kEpoch, nonce);
  AddResource(ResourceType::kEpoch, std::string(kEpochName), set.epoch_version, set.epoch_bytes,
              &response);
  return response;
}

// The cut that leads from `have` to `want`, its Epoch last. Nonces: "RouteTable-TAG", "Epoch-TAG".
inline std::vector<DeltaDiscoveryResponse> CutBetween(const proxy::ActiveSet& have,
                                                      const proxy::ActiveSet& want,
                                                      const std::string& tag) {
  std::vector<DeltaDiscoveryResponse> cut;
  for (size_t i = 0; i < kCutTypes; ++i) {
    const ResourceType type = TypeAt(i);
    DeltaDiscoveryResponse response = EmptyResponse(type, std::string(TypeName(type)) + "-" + tag);
    for (const auto& [name, held] : want.types[i]) {
      const auto it = have.types[i].find(name);
      if (it != have.types[i].end() && it->second.version == held.version) continue;
      AddResource(type, name, held.version, *held.bytes, &response);
    }
    for (const auto& [name, held] : have.types[i]) {
      if (!want.types[i].contains(name)) response.add_removed_resources(name);
    }
    if (response.resources_size() + response.removed_resources_size() > 0) cut.push_back(response);
  }
  cut.push_back(EpochResponse(want, "Epoch-" + tag));
  return cut;
}

inline DeltaDiscoveryResponse RevocationResponse(uint64_t revision,
                                                 const std::vector<std::string>& key_ids,
                                                 const std::string& nonce) {
  config::v1::Revocation message;
  message.set_name("revoked");
  message.set_revision(revision);
  for (const std::string& id : key_ids) message.add_key_ids(id);
  DeltaDiscoveryResponse response = EmptyResponse(ResourceType::kRevocation, nonce);
  const std::string bytes = message.SerializeAsString();
  AddResource(ResourceType::kRevocation, "revoked", VersionOf(bytes), bytes, &response);
  return response;
}

// A Revocation named "denied" of one life of the store; without tokens it says that none is denied.
inline config::v1::Revocation DenyingSubjects(uint64_t revision,
                                              const std::vector<std::string>& subjects,
                                              const std::string& incarnation = "life-1") {
  config::v1::Revocation message;
  message.set_name("denied");
  message.set_revision(revision);
  message.set_incarnation(incarnation);
  for (const std::string& subject : subjects) {
    config::v1::TokenDenial* token = message.add_tokens();
    token->set_issuer("https://login.bank.example/");
    token->set_subject(subject);
  }
  return message;
}
inline DeltaDiscoveryResponse ResponseOf(const config::v1::Revocation& message,
                                         const std::string& nonce) {
  DeltaDiscoveryResponse response = EmptyResponse(ResourceType::kRevocation, nonce);
  const std::string bytes = message.SerializeAsString();
  AddResource(ResourceType::kRevocation, message.name(), VersionOf(bytes), bytes, &response);
  return response;
}
// What an Epoch says that vouches for exactly these.
inline std::string RevocationDigest(const std::vector<config::v1::Revocation>& messages) {
  std::map<std::string, std::string> versions;
  for (const config::v1::Revocation& message : messages) {
    versions[message.name()] = VersionOf(message.SerializeAsString());
  }
  return SetDigest(versions);
}

}  // namespace tollgate::fakes
