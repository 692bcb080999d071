// Latencies counted into buckets 3 % wide, from 1 us to more than a minute, and taken out again as
// a percentile. Add is one relaxed atomic addition, so that every worker samples without a lock.
// Thread-safe; what is added while a percentile is taken counts for it or for the next.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "common/base/clock.h"

namespace tollgate::proxy {

class LatencyHistogram {
 public:
  LatencyHistogram() = default;
  LatencyHistogram(const LatencyHistogram&) = delete;
  LatencyHistogram& operator=(const LatencyHistogram&) = delete;

  void Add(Duration latency) { buckets_[IndexOf(latency)].fetch_add(1, std::memory_order_relaxed); }
  // The percentile (1 to 99) of what was added since the last call; nullopt: nothing was.
  std::optional<Duration> Take(uint32_t percentile);

 private:
  static constexpr int kTickBits = 10;  // a tick is 1024 ns
  static constexpr int kSplitBits = 5;  // each power of two is split into 32
  static constexpr int kSplit = 1 << kSplitBits;
  static constexpr int kMaxBits = 27;  // 2^27 ticks: 137 s
  static constexpr size_t kBuckets = size_t{kMaxBits - kSplitBits + 1} * kSplit;

  static size_t IndexOf(Duration latency);
  static Duration MiddleOf(size_t index);

  std::array<std::atomic<uint32_t>, kBuckets> buckets_ = {};
};

}  // namespace tollgate::proxy
