// How consumers are spread over ConsumerShard resources of about 8 KB: by a hash of the name, over
// a power of two of shards, so that a changed consumer changes one shard, and growth splits shards
// in two. The number of shards follows the size of them all; crossing a power of two, which is
// rare, re-sends them. Stateless, thread-safe; equal on every replica and in every build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/policy/policy.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::control {

inline constexpr size_t kShardBytes = 8192;

// The least power of two of shards that hold `bytes`.
uint32_t ShardCount(size_t bytes);
// In [0, count); count is a power of two.
uint32_t ShardOf(absl::string_view name, uint32_t count);

// Sorted by name ("consumers/N"); shards without a consumer are left out. `consumers` are sorted.
std::vector<config::v1::ConsumerShard> MakeShards(const std::vector<ConsumerPolicy>& consumers);

}  // namespace tollgate::control
