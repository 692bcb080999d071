// Time, as everything here sees it. Two clocks: monotonic time for limits, timers and latencies;
// wall time for tokens, dates and log lines. Both are plain integers of nanoseconds in strong types,
// so that neither can be mistaken for the other. Programs own one SystemClock; tests a FakeClock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tollgate {

using Duration = std::chrono::nanoseconds;

// Counts from an arbitrary start, never goes back.
struct MonoClock {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonoClock, Duration>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

// Unix time, may be set.
struct WallClock {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<WallClock, Duration>;
  static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

inline constexpr MonoTime kNever = MonoTime::max();

inline int64_t UnixSeconds(WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}
inline int64_t UnixMillis(WallTime t) {
  return std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch().count();
}
inline WallTime FromUnixSeconds(int64_t s) { return WallTime(std::chrono::seconds(s)); }

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Mono() const = 0;
  virtual WallTime Wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  MonoTime Mono() const override;
  WallTime Wall() const override;
};

// Advances only when told. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(WallTime wall = FromUnixSeconds(1'700'000'000)) : wall_(wall) {}
  MonoTime Mono() const override { return MonoTime(Duration(mono_.load())); }
  WallTime Wall() const override { return wall_.load(); }
  void Advance(Duration d) {
    mono_ += d.count();
    wall_ = wall_.load() + d;
  }
  // A clock that was set: only wall time moves.
  void SetWall(WallTime t) { wall_ = t; }

 private:
  std::atomic<int64_t> mono_{1'000'000'000};
  std::atomic<WallTime> wall_;
};

}  // namespace tollgate
