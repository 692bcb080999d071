// Timers of one loop: a hierarchical wheel (Varghese and Lauck 1987) of 1 ms ticks. Arming, moving
// and cancelling are O(1) and allocate nothing; a timer never fires early. Loop thread only.
#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "common/base/clock.h"

namespace tollgate::proxy {

class TimerWheel;

// One timer, owned by whoever waits. Immovable; its destruction cancels it.
class Timer {
 public:
  explicit Timer(absl::AnyInvocable<void()> fire) : fire_(std::move(fire)) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Cancel();
  bool armed() const { return prev_ != nullptr; }
  MonoTime deadline() const { return when_; }

 private:
  friend class TimerWheel;
  absl::AnyInvocable<void()> fire_;
  MonoTime when_{};
  TimerWheel* wheel_ = nullptr;
  Timer* prev_ = nullptr;
  Timer* next_ = nullptr;
};

class TimerWheel {
 public:
  explicit TimerWheel(MonoTime start);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

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

  struct Node {  // circular list head
    Timer* first = nullptr;
  };
  void Insert(Timer& timer);
  void Unlink(Timer& timer);
  void Cascade(int level);

  MonoTime start_;
  int64_t tick_ = 0;  // all ticks up to this one have fired
  uint64_t armed_ = 0;
  Node slots_[kLevels][kSlots];
  uint64_t occupied_[kLevels][kSlots / 64] = {};
};

}  // namespace tollgate::proxy
