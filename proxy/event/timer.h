// Timers of one loop: a hierarchical wheel (Varghese and Lauck 1987) of 1 ms ticks. Arming, moving
// and cancelling are O(1) and allocate nothing; a timer never fires early. Loop thread only.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "proxy/event/callback.h"

namespace tollgate::proxy {

class TimerWheel;

// A link of a circular list; a list's head is a link too.
struct TimerLink {
  TimerLink* prev_ = nullptr;
  TimerLink* next_ = nullptr;
};

// One timer, owned by whoever waits. Immovable; its destruction cancels it.
class Timer : private TimerLink {
 public:
  template <typename F>  // void()
  explicit Timer(F fire) : fire_(std::move(fire)) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Cancel();
  bool armed() const { return prev_ != nullptr; }
  MonoTime deadline() const { return when_; }

 private:
  friend class TimerWheel;
  const Callback fire_;
  MonoTime when_{};
  TimerWheel* wheel_ = nullptr;
};

class TimerWheel {
 public:
  explicit TimerWheel(MonoTime start);
  // Cancels what is still armed.
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // A time that has passed already (or passes within a tick that has fired) is due at the next
  // Advance, so a timer that re-arms itself in the past cannot trap Advance.
  void Arm(Timer& timer, MonoTime when);
  // Fires what is due, in order of tick. A timer may arm, move or destroy itself and others.
  void Advance(MonoTime now);
  // A time by which Advance should be called again; kNever when nothing is armed.
  MonoTime NextDeadline() const;
  bool empty() const { return armed_ == 0; }

 private:
  friend class Timer;
  static constexpr int kLevels = 4;
  static constexpr int kSlotBits = 8;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int kHorizonBits = kLevels * kSlotBits;  // 2^32 ms: 49 days

  void Place(Timer& timer, TimerLink& if_due);
  void Append(TimerLink& head, Timer& timer);
  void Unlink(Timer& timer);
  void Replace(TimerLink& list);
  void FireAll();
  // The next tick at which a slot must be fired or spread over the level below, and which slot:
  // an index into slots_, or kOverflow. Only when one is occupied.
  int64_t NextTick(int* slot) const;
  static constexpr int kOverflow = kLevels * kSlots;

  // Invariant: a timer lies on the level of the highest digit (base 256) in which its tick differs
  // from tick_. So every occupied slot is ahead of tick_'s digit on its level, no level wraps
  // around, and whatever is on a lower level comes before whatever is on a higher one.
  const MonoTime start_;
  int64_t tick_ = 0;  // all ticks up to this one have fired
  uint64_t armed_ = 0;
  TimerLink slots_[kLevels * kSlots];
  uint64_t occupied_[kLevels][kSlots / 64] = {};
  TimerLink overflow_;  // beyond the horizon; looked at again when tick_ enters the next 2^32
  TimerLink due_;       // armed in the past: for the next Advance
  TimerLink firing_;    // of the tick being fired
};

}  // namespace tollgate::proxy
