#include "proxy/control/resources.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

absl::string_view NameOf(const config::v1::Endpoints& message) { return message.upstream(); }
template <typename Message>
absl::string_view NameOf(const Message& message) {
  return message.name();
}

template <typename Message>
void Parse(ResourceType type, const std::map<std::string, HeldResource>& held,
           google::protobuf::RepeatedPtrField<Message>* out, std::vector<ResourceError>* errors) {
  out->Reserve(static_cast<int>(held.size()));
  for (const auto& [name, resource] : held) {
    Message* message = out->Add();
    if (!message->ParseFromString(*resource.bytes)) {
      errors->push_back({std::string(TypeUrl(type)), name, "INVALID", "",
                         absl::StrCat("not a ", TypeName(type))});
    } else if (NameOf(*message) != name) {
      errors->push_back({std::string(TypeUrl(type)), name, "INVALID", "name",
                         absl::StrCat("\"", NameOf(*message), "\"; expected the resource's name")});
    }
  }
}

}  // namespace

std::map<std::string, std::string> Versions(const std::map<std::string, HeldResource>& held) {
  std::map<std::string, std::string> versions;
  for (const auto& [name, resource] : held) {
    versions.emplace_hint(versions.end(), name, resource.version);
  }
  return versions;
}

BundleOrErrors ToBundle(const ActiveSet& set) {
  BundleOrErrors out;
  config::v1::Bundle& bundle = out.bundle;
  const auto held = [&](ResourceType type) -> const auto& { return set.types[Index(type)]; };
  using T = ResourceType;
  Parse(T::kUpstream, held(T::kUpstream), bundle.mutable_upstreams(), &out.errors);
  Parse(T::kEndpoints, held(T::kEndpoints), bundle.mutable_endpoints(), &out.errors);
  Parse(T::kSecret, held(T::kSecret), bundle.mutable_secrets(), &out.errors);
  Parse(T::kConsumerShard, held(T::kConsumerShard), bundle.mutable_consumer_shards(), &out.errors);
  Parse(T::kPolicySet, held(T::kPolicySet), bundle.mutable_policy_sets(), &out.errors);
  Parse(T::kRouteTable, held(T::kRouteTable), bundle.mutable_route_tables(), &out.errors);
  Parse(T::kListener, held(T::kListener), bundle.mutable_listeners(), &out.errors);
  if (!set.epoch_bytes.empty() && !bundle.mutable_epoch()->ParseFromString(set.epoch_bytes)) {
    out.errors.push_back(
        {std::string(TypeUrl(T::kEpoch)), std::string(kEpochName), "INVALID", "", "not an Epoch"});
  }
  return out;
}

agent::v1::ResourceError ToProto(const ResourceError& error) {
  agent::v1::ResourceError out;
  out.set_type_url(error.type_url);
  out.set_name(error.name);
  out.set_code(error.code);
  out.set_field_path(error.field_path);
  out.set_message(error.message);
  return out;
}

std::vector<std::string> KeyIds(const Revocations& revocations) {
  std::vector<std::string> ids;
  for (const auto& [name, held] : revocations.listed) {
    ids.insert(ids.end(), held.key_ids.begin(), held.key_ids.end());
  }
  for (const auto& [id, revision] : revocations.lingering) ids.push_back(id);
  return ids;
}

// A token that several of them deny is denied as long as the last one says.
std::vector<TokenDenial> DeniedTokens(const Revocations& revocations) {
  std::map<DeniedToken, WallTime> ends;
  const auto deny = [&ends](const DeniedToken& token, WallTime until) {
    WallTime& end = ends.try_emplace(token, until).first->second;
    end = std::max(end, until);
  };
  for (const auto& [name, held] : revocations.listed) {
    for (const TokenDenial& denial : held.tokens) deny(denial.token, denial.until);
  }
  for (const auto& [lingering, rest] : revocations.lingering_tokens) {
    deny(lingering.token, rest.until);
  }
  std::vector<TokenDenial> tokens;
  tokens.reserve(ends.size());
  for (const auto& [token, until] : ends) tokens.push_back({token, until});
  return tokens;
}

}  // namespace tollgate::proxy
