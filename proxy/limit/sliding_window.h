// The exact sliding window: a log of when units were admitted. One ring of the newest max(count)
// stamps serves every window of a plan: `count` in any `period` holds iff the count-th newest stamp
// is at most now - period. A value; grows lazily, so a quiet key pays for what it used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"

namespace tollgate::proxy {

class StampRing {
 public:
  uint32_t size() const { return size_; }
  uint32_t capacity() const { return static_cast<uint32_t>(cells_.size()); }
  // The n-th newest stamp, 1 <= n <= size().
  int64_t Newest(uint32_t n) const;
  // How many stamps are later than `t`. O(log size).
  uint32_t CountAfter(int64_t t) const;

  // Forgets the stamps that are at most `t`.
  void DropUntil(int64_t t);
  // Forgets all, keeps its memory.
  void Clear() { next_ = size_ = 0; }
  // The capacity that pushing `cost` more needs, when `max` are worth keeping.
  uint32_t CapacityFor(uint32_t cost, uint32_t max) const;
  // Never shrinks.
  void Grow(uint32_t capacity);
  // Adds `cost` stamps, which push out the oldest when the ring is full. `stamp` may not be earlier
  // than the newest.
  void Push(int64_t stamp, uint32_t cost);

  // Bytes outside the object, now and at another capacity.
  size_t heap_bytes() const;
  static size_t HeapBytes(size_t capacity);

 private:
  friend class Bucket;  // GCRA keeps its arrival times, one a window, in the same cells
  static constexpr size_t kInline = 2;

  absl::InlinedVector<int64_t, kInline> cells_;
  uint32_t next_ = 0;  // where the next stamp goes
  uint32_t size_ = 0;
};

// One window over a ring.
struct SlidingWindow {
  uint32_t count = 0;
  int64_t period = 0;  // ns
};
// How long `cost` units (at most `count`) have to wait; 0: there is room now.
int64_t SlidingWait(const StampRing& ring, const SlidingWindow& window, int64_t now, uint32_t cost);
// Units that could be taken at `now`.
uint32_t SlidingRemaining(const StampRing& ring, const SlidingWindow& window, int64_t now);
// How long until one unit more than those could be taken; 0: the window is empty.
int64_t SlidingReset(const StampRing& ring, const SlidingWindow& window, int64_t now);

}  // namespace tollgate::proxy
