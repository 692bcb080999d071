#include "control-plane/translate/shards.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/translate/to_proto.h"

namespace tollgate::control {

uint32_t ShardCount(size_t bytes) {
  const size_t needed = std::max<size_t>(1, (bytes + kShardBytes - 1) / kShardBytes);
  return std::bit_ceil(static_cast<uint32_t>(std::min<size_t>(needed, 1u << 20)));
}

uint32_t ShardOf(absl::string_view name, uint32_t count) {
  // FNV-1a, 64 bits, folded so that the low bits depend on all.
  uint64_t hash = 14695981039346656037u;
  for (unsigned char c : name) hash = (hash ^ c) * 1099511628211u;
  hash ^= hash >> 32;
  hash ^= hash >> 16;
  return static_cast<uint32_t>(hash) & (count - 1);
}

std::vector<config::v1::ConsumerShard> MakeShards(const std::vector<ConsumerPolicy>& consumers) {
  std::vector<config::v1::Consumer> messages;
  size_t bytes = 0;
  for (const ConsumerPolicy& consumer : consumers) {
    messages.push_back(ToProto(consumer));
    bytes += messages.back().ByteSizeLong();
  }
  const uint32_t count = ShardCount(bytes);
  std::map<std::string, config::v1::ConsumerShard> shards;
  for (config::v1::Consumer& message : messages) {
    const std::string name = absl::StrCat("consumers/", ShardOf(message.name(), count));
    config::v1::ConsumerShard& shard = shards[name];
    shard.set_name(name);
    *shard.add_consumers() = std::move(message);
  }
  std::vector<config::v1::ConsumerShard> out;
  for (auto& [name, shard] : shards) out.push_back(std::move(shard));
  return out;
}

}  // namespace tollgate::control
