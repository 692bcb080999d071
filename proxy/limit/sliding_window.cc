#include "proxy/limit/sliding_window.h"

#include <algorithm>

namespace tollgate::proxy {

int64_t StampRing::Newest(uint32_t n) const {
  return cells_[next_ >= n ? next_ - n : next_ + capacity() - n];
}

uint32_t StampRing::CountAfter(int64_t t) const {
  uint32_t low = 0;  // the newest `low` stamps are later than t, those from `high` on are not
  uint32_t high = size_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (Newest(middle + 1) > t) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void StampRing::DropUntil(int64_t t) {
  while (size_ > 0 && Newest(size_) <= t) --size_;
}

uint32_t StampRing::CapacityFor(uint32_t cost, uint32_t max) const {
  const uint64_t needed = std::min<uint64_t>(uint64_t{size_} + cost, max);
  if (needed <= capacity()) return capacity();
  // Doubling keeps the copying amortised; nothing beyond `max` is ever looked at.
  const uint64_t doubled = std::max<uint64_t>(uint64_t{capacity()} * 2, kInline);
  return static_cast<uint32_t>(std::min<uint64_t>(std::max(needed, doubled), max));
}

void StampRing::Grow(uint32_t new_capacity) {
  if (new_capacity <= capacity()) return;
  absl::InlinedVector<int64_t, kInline> cells(new_capacity);
  for (uint32_t i = 0; i < size_; ++i) cells[i] = Newest(size_ - i);
  cells_ = std::move(cells);
  next_ = size_;
}

void StampRing::Push(int64_t stamp, uint32_t cost) {
  for (uint32_t i = 0; i < cost; ++i) {
    if (next_ == capacity()) next_ = 0;
    cells_[next_++] = stamp;
    if (size_ < capacity()) ++size_;
  }
}

size_t StampRing::heap_bytes() const { return HeapBytes(cells_.size()); }

size_t StampRing::HeapBytes(size_t capacity) {
  if (capacity <= kInline) return 0;
  // What the allocator takes: its header, and the rounding to 16 bytes.
  return (std::max(capacity, 2 * kInline) * sizeof(int64_t) + 8 + 15) & ~size_t{15};
}

int64_t SlidingWait(const StampRing& ring, const SlidingWindow& window, int64_t now,
                    uint32_t cost) {
  // There is room when the stamp that would be pushed beyond `count` has left the window.
  const uint32_t last = window.count - cost + 1;
  if (ring.size() < last) return 0;
  return std::max<int64_t>(ring.Newest(last) + window.period - now, 0);
}

uint32_t SlidingRemaining(const StampRing& ring, const SlidingWindow& window, int64_t now) {
  const uint32_t used = ring.CountAfter(now - window.period);
  return used >= window.count ? 0 : window.count - used;
}

int64_t SlidingReset(const StampRing& ring, const SlidingWindow& window, int64_t now) {
  const uint32_t used = std::min(ring.CountAfter(now - window.period), window.count);
  return used == 0 ? 0 : ring.Newest(used) + window.period - now;
}

}  // namespace tollgate::proxy
