// What a plan can admit at all, and what it counts by. Stateless.
#pragma once

#include <cstdint>

#include "common/policy/policy.h"

namespace tollgate {

// The most units that one request can ever take under `plan`: the least of its windows' counts (or
// of the bursts that replace them). No windows: any.
uint32_t MostUnits(const PlanPolicy& plan);

// The most units of a sliding window, which keeps 8 bytes for each: 8 MB a key.
inline constexpr uint32_t kMaxSlidingCount = 1'000'000;

// The most units of a GCRA window of that period. Its interval is whole nanoseconds, rounded up: at
// 100 ns a unit it is at most 1 % too long.
constexpr uint64_t MaxGcraCount(Duration period) {
  return static_cast<uint64_t>(period.count()) / 100;
}

// Whether `key` is one of the parts that the plan counts by.
bool CountsPer(const PlanPolicy& plan, LimitKey key);

}  // namespace tollgate
