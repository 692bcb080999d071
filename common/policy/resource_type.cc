#include "common/policy/resource_type.h"

#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"
#include "common/policy/from_proto.h"

namespace tollgate {
namespace {

constexpr std::array<absl::string_view, kResourceTypes> kUrls = {
    "type.googleapis.com/tollgate.config.v1.Upstream",
    "type.googleapis.com/tollgate.config.v1.Endpoints",
    "type.googleapis.com/tollgate.config.v1.Secret",
    "type.googleapis.com/tollgate.config.v1.ConsumerShard",
    "type.googleapis.com/tollgate.config.v1.PolicySet",
    "type.googleapis.com/tollgate.config.v1.RouteTable",
    "type.googleapis.com/tollgate.config.v1.Listener",
    "type.googleapis.com/tollgate.config.v1.Epoch",
    "type.googleapis.com/tollgate.config.v1.Revocation",
};

}  // namespace

absl::string_view TypeUrl(ResourceType type) { return kUrls[Index(type)]; }

absl::string_view TypeName(ResourceType type) {
  return kUrls[Index(type)].substr(kTypePrefix.size());
}

std::optional<ResourceType> ParseTypeUrl(absl::string_view url) {
  for (size_t i = 0; i < kUrls.size(); ++i) {
    if (kUrls[i] == url) return TypeAt(i);
  }
  return std::nullopt;
}

std::string SetDigest(const std::map<std::string, std::string>& versions) {
  std::string text;
  for (const auto& [name, version] : versions) {
    text.append(name).push_back('\0');
    text.append(version).push_back('\n');
  }
  const Digest256 digest = Sha256(text);
  return HexEncode(AsBytes(digest));
}

}  // namespace tollgate
