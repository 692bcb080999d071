#include "proxy/limit/bucket.h"

#include <algorithm>
#include <utility>

namespace tollgate::proxy {
namespace {

SlidingWindow Sliding(const LimitPlan::Window& w) { return {w.count, w.period}; }

}  // namespace

Bucket::Bucket(std::shared_ptr<const LimitPlan> plan) : plan_(std::move(plan)) {
  if (gcra()) ring_.cells_.assign(plan_->windows().size(), 0);
}

Bucket Bucket::Copy() const {
  Bucket copy(plan_);
  copy.ring_ = ring_;
  return copy;
}

int64_t Bucket::Level(int64_t now) const {
  if (gcra() || ring_.size() == 0) return now;
  return std::max(now, ring_.Newest(1));
}

uint32_t Bucket::Remaining(const LimitPlan::Window& window, size_t index, int64_t now) const {
  return gcra() ? GcraRemaining(window.rate, Tat(index), now)
                : SlidingRemaining(ring_, Sliding(window), now);
}

LimitDecision Bucket::Test(int64_t now, uint32_t cost) const {
  LimitDecision decision;
  int64_t longest = 0;
  uint32_t least = 0;
  for (size_t i = 0; i < plan_->windows().size(); ++i) {
    const LimitPlan::Window& window = plan_->windows()[i];
    const int64_t wait = gcra() ? GcraWait(window.rate, Tat(i), now, cost)
                                : SlidingWait(ring_, Sliding(window), now, cost);
    const uint32_t remaining = Remaining(window, i, now);
    decision.violated |= static_cast<uint8_t>((wait > 0) << i);
    // The tightest window is the one that makes it wait longest, else the one with the least left.
    if (i == 0 || wait > longest || (longest == 0 && remaining < least)) {
      longest = wait;
      least = remaining;
      decision.window = static_cast<uint8_t>(i);
      decision.limit = window.burst;
    }
  }
  decision.allowed = longest == 0;
  decision.remaining = decision.allowed ? least - cost : least;
  decision.retry_after = Duration(longest);
  return decision;
}

uint32_t Bucket::Prepare(int64_t now, uint32_t cost) {
  if (gcra()) return ring_.capacity();
  ring_.DropUntil(now - plan_->max_period());
  return ring_.CapacityFor(cost, plan_->max_count());
}

void Bucket::Take(int64_t now, uint32_t cost) {
  if (gcra()) {
    for (size_t i = 0; i < plan_->windows().size(); ++i) {
      const GcraRate& rate = plan_->windows()[i].rate;
      // What stands behind the tested state is charged whether or not it has room. Without a bound
      // its debt would grow with every request, and a plan that comes back refuse for hours.
      Tat(i) = std::min(GcraTake(rate, Tat(i), now, cost), now + rate.tolerance);
    }
  } else {
    ring_.Grow(Prepare(now, cost));
    ring_.Push(Level(now), cost);
  }
}

Duration Bucket::ResetOf(size_t index, int64_t now) const {
  const LimitPlan::Window& window = plan_->windows()[index];
  return Duration(gcra() ? GcraReset(window.rate, Tat(index), now)
                         : SlidingReset(ring_, Sliding(window), now));
}

BucketUse Bucket::Use(int64_t now) const {
  now = Level(now);
  BucketUse fullest;
  for (size_t i = 0; i < plan_->windows().size(); ++i) {
    const LimitPlan::Window& window = plan_->windows()[i];
    const uint32_t used = window.burst - std::min(window.burst, Remaining(window, i, now));
    // used / limit, compared without dividing.
    if (i == 0 || uint64_t{used} * fullest.limit > uint64_t{fullest.used} * window.burst) {
      fullest = {static_cast<uint8_t>(i), window.burst, used};
    }
  }
  return fullest;
}

LimitDecision Bucket::Peek(const std::shared_ptr<const LimitPlan>& plan, int64_t now,
                           uint32_t cost) const {
  // As Adopt does it, which first drops what stands behind this and is full again.
  Bucket converted(plan);
  for (const Bucket* b = this; b != nullptr; b = b->older_.get()) {
    if (b != this && b->OwnBusyUntil() <= now) continue;
    if (b->plan_->CountsLike(*plan)) return b->Test(b->Level(now), cost);
    converted.CarryOver(*b, now);
  }
  return converted.Test(converted.Level(now), cost);
}

LimitDecision Bucket::Check(int64_t now, uint32_t cost, LimitMemory& memory, bool must_grow) {
  now = Level(now);
  LimitDecision decision = Test(now, cost);
  if (!decision.allowed) {
    if (plan_->reports()) decision.reset = ResetOf(decision.window, now);
    return decision;
  }
  DropIdleOlder(now, memory);
  size_t growth = 0;
  for (Bucket* b = this; b != nullptr; b = b->older_.get()) {
    growth += StampRing::HeapBytes(b->Prepare(now, cost)) - b->OwnHeapBytes();
  }
  if (growth > 0 && must_grow) {
    memory.ForceTake(growth);
  } else if (growth > 0 && !memory.Take(growth)) {
    decision.allowed = false;
    decision.starved = true;
    decision.remaining = 0;
    // Its oldest stamp makes room when it leaves, or another key does.
    const int64_t wait = ring_.size() == 0 ? 0 : BusyUntil() - now;
    decision.retry_after =
        std::clamp<Duration>(Duration(wait), std::chrono::seconds(1), std::chrono::seconds(60));
    return decision;
  }
  for (Bucket* b = this; b != nullptr; b = b->older_.get()) b->Take(now, cost);
  if (plan_->reports()) decision.reset = ResetOf(decision.window, now);
  return decision;
}

int64_t Bucket::OwnBusyUntil() const {
  if (gcra())
    return ring_.cells_.empty() ? 0 : *std::max_element(ring_.cells_.begin(), ring_.cells_.end());
  return ring_.size() == 0 ? 0 : ring_.Newest(1) + plan_->max_period();
}

int64_t Bucket::BusyUntil() const {
  int64_t until = 0;
  for (const Bucket* b = this; b != nullptr; b = b->older_.get()) {
    until = std::max(until, b->OwnBusyUntil());
  }
  return until;
}

size_t Bucket::HeapBytes() const {
  size_t bytes = OwnHeapBytes();
  for (const Bucket* b = older_.get(); b != nullptr; b = b->older_.get()) {
    bytes += sizeof(Bucket) + 8 + b->OwnHeapBytes();
  }
  return bytes;
}

void Bucket::DropIdleOlder(int64_t now, LimitMemory& memory) {
  for (std::unique_ptr<Bucket>* link = &older_; *link != nullptr;) {
    Bucket& b = **link;
    if (b.OwnBusyUntil() > now) {
      link = &b.older_;
      continue;
    }
    memory.Give(sizeof(Bucket) + 8 + b.OwnHeapBytes());
    *link = std::move(b.older_);
  }
}

void Bucket::Adopt(const std::shared_ptr<const LimitPlan>& plan, int64_t now, LimitMemory& memory) {
  if (plan_->CountsLike(*plan)) {
    plan_ = plan;  // only the object is new: let go of the old snapshot's
    return;
  }
  DropIdleOlder(now, memory);
  const size_t before = HeapBytes();
  // A plan that comes back finds its own state.
  std::unique_ptr<Bucket> front;
  for (std::unique_ptr<Bucket>* link = &older_; *link != nullptr; link = &(*link)->older_) {
    if (!(*link)->plan_->CountsLike(*plan)) continue;
    front = std::move(*link);
    *link = std::move(front->older_);
    front->plan_ = plan;
    break;
  }
  if (front == nullptr) {
    front = std::make_unique<Bucket>(plan);
    for (const Bucket* b = this; b != nullptr; b = b->older_.get()) front->CarryOver(*b, now);
  }
  if (OwnBusyUntil() > now) {
    front->older_ = std::make_unique<Bucket>(std::move(*this));
  } else {
    front->older_ = std::move(older_);
  }
  *this = std::move(*front);
  Bucket* last = this;
  for (int i = 0; i < kMaxOlder && last->older_ != nullptr; ++i) last = last->older_.get();
  last->older_.reset();
  memory.Give(before);
  memory.ForceTake(HeapBytes());
}

int64_t Bucket::TatFor(const LimitPlan::Window& window, const Bucket& from, int64_t now) {
  if (!from.gcra()) {
    const uint32_t consumed = from.ring_.CountAfter(now - window.period);
    return GcraWithConsumed(window.rate, consumed, now);
  }
  // The same period if there is one; else the next longer, which consumed at least as much; else
  // the longest.
  const std::vector<LimitPlan::Window>& windows = from.plan_->windows();
  size_t best = 0;
  for (size_t i = 1; i < windows.size(); ++i) {
    const bool covers = windows[i].period >= window.period;
    const bool best_covers = windows[best].period >= window.period;
    const bool shorter = windows[i].period < windows[best].period;
    if (covers ? (!best_covers || shorter) : (!best_covers && !shorter)) best = i;
  }
  return GcraConvert(windows[best].rate, from.Tat(best), window.rate, now);
}

void Bucket::CarryOver(const Bucket& from, int64_t now) {
  if (gcra()) {
    for (size_t i = 0; i < plan_->windows().size(); ++i) {
      Tat(i) = std::max(Tat(i), TatFor(plan_->windows()[i], from, now));
    }
    return;
  }
  int64_t units = 0;
  if (from.gcra()) {
    // When they were taken is forgotten: as if just now, which holds them longest.
    for (size_t i = 0; i < from.plan_->windows().size(); ++i) {
      units = std::max(units, GcraConsumed(from.plan_->windows()[i].rate, from.Tat(i), now));
    }
  } else {
    units = from.ring_.CountAfter(now - plan_->max_period());
  }
  const uint32_t kept = static_cast<uint32_t>(std::min<int64_t>(units, plan_->max_count()));
  if (kept <= ring_.size()) return;
  ring_.Clear();
  ring_.Grow(kept);
  for (uint32_t n = kept; n > 0; --n) ring_.Push(from.gcra() ? now : from.ring_.Newest(n), 1);
}

}  // namespace tollgate::proxy
