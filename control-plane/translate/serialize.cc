// Serialize of translate.h.
#include <map>
#include <utility>

#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"
#include "common/policy/resource_type.h"
#include "control-plane/translate/translate.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace tollgate::control {
namespace {

// Maps in a fixed order: replicas must agree on every byte.
std::string Bytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

NamedResource Make(ResourceType type, std::string name, const google::protobuf::Message& message) {
  NamedResource resource;
  resource.type_url = std::string(TypeUrl(type));
  resource.name = std::move(name);
  resource.bytes = Bytes(message);
  resource.version = HexEncode(AsBytes(Sha256(resource.bytes)));
  return resource;
}

}  // namespace

std::vector<NamedResource> Serialize(const config::v1::Bundle& bundle) {
  std::vector<NamedResource> out;
  config::v1::Epoch epoch = bundle.epoch();
  const auto add = [&](ResourceType type, const auto& messages) {
    std::map<std::string, std::string> versions;
    for (const auto& message : messages) {
      if constexpr (requires { message.upstream(); }) {
        out.push_back(Make(type, message.upstream(), message));
      } else {
        out.push_back(Make(type, message.name(), message));
      }
      versions[out.back().name] = out.back().version;
    }
    (*epoch.mutable_digests())[std::string(TypeUrl(type))] = SetDigest(versions);
  };
  add(ResourceType::kUpstream, bundle.upstreams());
  add(ResourceType::kEndpoints, bundle.endpoints());
  add(ResourceType::kSecret, bundle.secrets());
  add(ResourceType::kConsumerShard, bundle.consumer_shards());
  add(ResourceType::kPolicySet, bundle.policy_sets());
  add(ResourceType::kRouteTable, bundle.route_tables());
  add(ResourceType::kListener, bundle.listeners());
  add(ResourceType::kRevocation, bundle.revocations());
  out.push_back(Make(ResourceType::kEpoch, std::string(kEpochName), epoch));
  return out;
}

}  // namespace tollgate::control
