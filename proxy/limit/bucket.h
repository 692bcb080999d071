// One key's counter: every window of its plan, tested together, taken together or not at all.
// Owned by the limit table, used under its shard's lock.
//
// When the plan counts otherwise than the counter was written, Adopt makes a new state of what has
// been consumed and keeps the old one behind it. Both are charged from then on, until the old one
// is full again, and a plan that comes back (rollback, or a worker that is still on the snapshot
// before) gets its own state back: exhausted stays exhausted through push and rollback.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "proxy/limit/limit_plan.h"
#include "proxy/limit/sliding_window.h"

namespace tollgate::proxy {

struct LimitDecision {
  static constexpr Duration kNeverFits = Duration::max();

  bool allowed = false;
  bool overflow = false;   // answered by the plan's shared overflow bucket
  bool starved = false;    // refused because there was no memory to count it
  uint8_t window = 0;      // the tightest: index into the plan's windows
  uint32_t limit = 0;      // what that window holds when full: its count, or the burst
  uint32_t remaining = 0;  // what it still has, after this request
  uint8_t violated = 0;    // windows without room for it: bit n is window n (there are at most 8)
  // When refused: how long until this cost fits (the longest of the windows' waits). kNeverFits:
  // the cost is more than the plan can ever admit.
  Duration retry_after{};
  // Of a plan that reports: how long until the tightest window has more than it has now.
  Duration reset{};
};

// How full a counter is.
struct BucketUse {
  uint8_t window = 0;  // the fullest
  uint32_t limit = 0;
  uint32_t used = 0;
};

// Bytes that all counters together may take. Thread-safe.
class LimitMemory {
 public:
  explicit LimitMemory(size_t max) : max_(max) {}
  bool Take(size_t bytes) {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_) return true;
    Give(bytes);
    return false;
  }
  // For what must not be refused.
  void ForceTake(size_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void Give(size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const size_t max_;
  std::atomic<size_t> used_{0};
};

class Bucket {
 public:
  // Full.
  explicit Bucket(std::shared_ptr<const LimitPlan> plan);
  Bucket(Bucket&&) = default;
  Bucket& operator=(Bucket&&) = default;
  // The same consumption, without what stands behind it.
  Bucket Copy() const;

  const LimitPlan& plan() const { return *plan_; }

  // Continues under `plan`, which has the same name. The memory for the old state is not refused:
  // it is at most three times the counter's, and goes when that state is full again.
  void Adopt(const std::shared_ptr<const LimitPlan>& plan, int64_t now, LimitMemory& memory);

  // Tests all windows, takes from all or none. `cost` is from 1 to the plan's max_cost(). Memory to
  // grow comes from `memory`; with `must_grow` beyond its bound too.
  LimitDecision Check(int64_t now, uint32_t cost, LimitMemory& memory, bool must_grow = false);

  // What Check would say after Adopt(plan), memory apart; takes and adopts nothing.
  LimitDecision Peek(const std::shared_ptr<const LimitPlan>& plan, int64_t now,
                     uint32_t cost) const;

  BucketUse Use(int64_t now) const;
  // When it will be full again and carry no information.
  int64_t BusyUntil() const;
  // Bytes outside the object.
  size_t HeapBytes() const;

 private:
  static constexpr int kMaxOlder = 3;

  bool gcra() const { return plan_->algorithm() == LimitAlgorithm::kGcra; }
  int64_t& Tat(size_t window) { return ring_.cells_[window]; }
  int64_t Tat(size_t window) const { return ring_.cells_[window]; }
  // `now`, but not before the newest stamp: workers read their clocks at different moments.
  int64_t Level(int64_t now) const;
  LimitDecision Test(int64_t now, uint32_t cost) const;
  uint32_t Remaining(const LimitPlan::Window& window, size_t index, int64_t now) const;
  Duration ResetOf(size_t index, int64_t now) const;
  // The capacity that taking `cost` needs.
  uint32_t Prepare(int64_t now, uint32_t cost);
  // Also of a state that was not tested: at worst it is exhausted then.
  void Take(int64_t now, uint32_t cost);
  int64_t OwnBusyUntil() const;
  size_t OwnHeapBytes() const { return ring_.heap_bytes(); }

  void CarryOver(const Bucket& from, int64_t now);
  // State of a GCRA window of which that is consumed which counts for it in `from`.
  static int64_t TatFor(const LimitPlan::Window& window, const Bucket& from, int64_t now);
  void DropIdleOlder(int64_t now, LimitMemory& memory);

  std::shared_ptr<const LimitPlan> plan_;
  StampRing ring_;                 // GCRA: its cells are the arrival times, one a window
  std::unique_ptr<Bucket> older_;  // what was counted under other windows, newest first
};

}  // namespace tollgate::proxy
