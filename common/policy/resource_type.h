// The resource types of the push protocol, their order in a cut, and the digest that closes one.
// Shared by both ends of the stream. Stateless, thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tollgate {

// In the order of a cut; the Epoch closes it. A Revocation belongs to no cut.
enum class ResourceType : uint8_t {
  kUpstream,
  kEndpoints,
  kSecret,
  kConsumerShard,
  kPolicySet,
  kRouteTable,
  kListener,
  kEpoch,
  kRevocation,
};
inline constexpr size_t kResourceTypes = 9;
inline constexpr size_t kCutTypes = 7;  // the types whose resources an Epoch vouches for

constexpr size_t Index(ResourceType type) { return static_cast<size_t>(type); }
constexpr ResourceType TypeAt(size_t index) { return static_cast<ResourceType>(index); }
constexpr bool InCut(ResourceType type) { return Index(type) < kCutTypes; }

// "type.googleapis.com/tollgate.config.v1.RouteTable", and its last part.
absl::string_view TypeUrl(ResourceType type);
absl::string_view TypeName(ResourceType type);
std::optional<ResourceType> ParseTypeUrl(absl::string_view url);

// The name of the one Epoch resource.
inline constexpr absl::string_view kEpochName = "epoch";

// Hex SHA-256 over "name\0version\n" of every entry, by name.
std::string SetDigest(const std::map<std::string, std::string>& versions);

}  // namespace tollgate
