#include "proxy/upstream/latency_histogram.h"

#include <algorithm>
#include <bit>

namespace tollgate::proxy {

// Below 32 ticks a bucket is a tick; above, the five bits behind the first say which.
size_t LatencyHistogram::IndexOf(Duration latency) {
  constexpr uint64_t kMaxTicks = (uint64_t{1} << kMaxBits) - 1;
  const auto ns = static_cast<uint64_t>(std::max(latency, Duration::zero()).count());
  const uint64_t ticks = std::min(ns >> kTickBits, kMaxTicks);
  if (ticks < kSplit) return ticks;
  const int shift = static_cast<int>(std::bit_width(ticks)) - 1 - kSplitBits;
  return static_cast<size_t>(shift + 1) * kSplit + ((ticks >> shift) & (kSplit - 1));
}

Duration LatencyHistogram::MiddleOf(size_t index) {
  if (index < kSplit) return Duration(static_cast<int64_t>((2 * index + 1) << (kTickBits - 1)));
  const auto shift = static_cast<int>(index / kSplit) - 1;
  const uint64_t first = (kSplit + index % kSplit) << shift;
  const uint64_t width = uint64_t{1} << shift;
  return Duration(static_cast<int64_t>((2 * first + width) << (kTickBits - 1)));
}

std::optional<Duration> LatencyHistogram::Take(uint32_t percentile) {
  std::array<uint32_t, kBuckets> counts;
  uint64_t total = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    // Nearly all are empty: reading leaves their cache lines shared.
    counts[i] = buckets_[i].load(std::memory_order_relaxed) == 0
                    ? 0
                    : buckets_[i].exchange(0, std::memory_order_relaxed);
    total += counts[i];
  }
  if (total == 0) return std::nullopt;
  const uint64_t rank = std::max<uint64_t>(1, (total * percentile + 99) / 100);
  uint64_t seen = 0;
  size_t i = 0;
  while ((seen += counts[i]) < rank) ++i;
  return MiddleOf(i);
}

}  // namespace tollgate::proxy
