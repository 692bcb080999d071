// A place among at most so many, for counters that threads share.
#pragma once

#include <atomic>
#include <cstdint>

namespace tollgate::proxy {

// Counts one more, unless `max` or more are counted. Never counts too many, not even for a moment:
// one that is refused must not take the last place from another thread's.
inline bool AcquireBelow(std::atomic<uint32_t>& count, uint64_t max) {
  uint32_t active = count.load(std::memory_order_relaxed);
  do {
    if (active >= max) return false;
  } while (!count.compare_exchange_weak(active, active + 1, std::memory_order_relaxed));
  return true;
}

}  // namespace tollgate::proxy
