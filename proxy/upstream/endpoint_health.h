// The process's one verdict on one endpoint, from what requests saw (outlier_detection.h) and from
// what probes saw (proxy/health). Made and changed by the OutlierDetector that has it as a member,
// under its mutex; read and counted by every worker through atomics. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/clock.h"

namespace tollgate::proxy {

class EndpointHealth {
 public:
  // When an endpoint that fails its probes returns: nobody knows. Far from the end of time, so that
  // durations can be added to it.
  static constexpr MonoTime kUnknown = MonoTime(Duration::max() / 2);

  explicit EndpointHealth(std::string address = "") : address_(std::move(address)) {}
  EndpointHealth(const EndpointHealth&) = delete;
  EndpointHealth& operator=(const EndpointHealth&) = delete;

  const std::string& address() const { return address_; }
  bool AvailableAt(MonoTime now) const { return now >= out_until(); }
  // In the past: since when it is back.
  MonoTime out_until() const { return MonoTime(Duration(out_until_.load(kRelaxed))); }
  // By outlier detection alone.
  MonoTime ejected_until() const { return MonoTime(Duration(ejected_until_.load(kRelaxed))); }
  // Its probes failed, as often as the policy says.
  bool failing() const { return failing_.load(kRelaxed); }
  // Since when it is a member and not out: slow start counts from here. While it is out, when it
  // will return.
  MonoTime available_since() const {
    return std::max(MonoTime(Duration(joined_.load(kRelaxed))), out_until());
  }
  // The word of the last probe that failed, nullptr when the last one succeeded or there was none.
  const char* probe_failure() const { return probe_failure_.load(kRelaxed); }
  void set_probe_failure(const char* word) { probe_failure_.store(word, kRelaxed); }

 private:
  friend class OutlierDetector;
  static constexpr std::memory_order kRelaxed = std::memory_order_relaxed;

  // Requests of the current interval, failures in the lower half: one atomic, so that a sweep takes
  // both at once.
  struct Volume {
    uint32_t total = 0;
    uint32_t failed = 0;
  };
  void Count(bool error) {
    volume_.fetch_add((uint64_t{1} << 32) | static_cast<uint64_t>(error), kRelaxed);
  }
  Volume TakeVolume() {
    const uint64_t both = volume_.exchange(0, kRelaxed);
    return {static_cast<uint32_t>(both >> 32), static_cast<uint32_t>(both)};
  }

  const std::string address_;
  std::atomic<int64_t> out_until_{0};
  std::atomic<uint32_t> consecutive_errors_{0};
  std::atomic<bool> failing_{false};
  std::atomic<int64_t> joined_{0};
  std::atomic<int64_t> ejected_until_{0};
  std::atomic<uint64_t> volume_{0};
  std::atomic<const char*> probe_failure_{nullptr};
  uint32_t ejections_ = 0;  // guarded by the detector's mutex
};

}  // namespace tollgate::proxy
