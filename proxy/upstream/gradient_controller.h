// How many requests an upstream may have in progress, found from its latency: the gradient
// controller of Envoy's adaptive concurrency filter. One an upstream and process, shared by the
// workers. Thread-safe: samples are atomics, and whoever crosses the end of an interval computes,
// under a lock that it holds for microseconds. Time is handed in.
//
// Every `update_interval`:  gradient = (minRTT + buffer) / sampleRTT,  within [0.5, 2]
//                           limit    = gradient * limit,  and  + sqrt(limit)  of headroom
// sampleRTT is the percentile of the interval's latencies; minRTT that of `min_rtt_requests`
// latencies measured while the limit is `min_concurrency`, which is so every `min_rtt_interval`
// (and up to `jitter_percent` later, so that the sidecars of a service do not measure at the same
// time) and whenever the limit has been at its minimum for five updates: the measure may be wrong.
//
// Differently from Envoy, since a refused payment is a refused payment:
//  - nothing is limited before there is anything to measure: a process that starts idle does not
//    refuse its first burst;
//  - a measurement ends after a tenth of `min_rtt_interval` with what it has: a quiet service would
//    measure for ever, and be limited to the minimum for as long. One that ended with nothing makes
//    the next twice as long, up to all of `min_rtt_interval`: the service may be that slow.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/policy/policy.h"
#include "proxy/upstream/latency_histogram.h"

namespace tollgate::proxy {

// What one request tells of an upstream's latency.
struct LatencySample {
  MonoTime began{};
  Duration latency{};
  bool at_least = false;  // it was given up after so long, without an answer
};

class GradientController {
 public:
  GradientController(const AdaptiveConcurrencyPolicy& policy, uint64_t seed);
  GradientController(const GradientController&) = delete;
  GradientController& operator=(const GradientController&) = delete;

  // A push. What was learned is kept.
  void Update(const AdaptiveConcurrencyPolicy& policy);

  // How many may be in progress now.
  uint32_t LimitAt(MonoTime now) {
    if (now.time_since_epoch().count() >= due_.load(std::memory_order_relaxed)) Tick(now);
    return limit_.load(std::memory_order_relaxed);
  }
  // A request is over, by `now`. A wait in vain is news only where it is longer than what the limit
  // tolerates: callers choose how long they wait, and must not choose the limit by it.
  void Record(const LatencySample& sample, MonoTime now);

  uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // Zero: not measured yet.
  Duration min_rtt() const { return Duration(min_rtt_.load(std::memory_order_relaxed)); }
  bool measuring() const { return state_.load(std::memory_order_relaxed) == State::kMeasuring; }

 private:
  enum class State : uint8_t { kUnmeasured, kMeasuring, kAdapting };
  static constexpr int kUpdatesAtMinimum = 5;

  void Tick(MonoTime now);
  void StartMeasuring(MonoTime now);
  void EndMeasuring(MonoTime now);
  void Adapt(MonoTime now);
  void SetLimit(double limit);
  void SetMinRtt(Duration measured);
  void SetDue();

  std::atomic<uint32_t> limit_;
  std::atomic<State> state_{State::kUnmeasured};
  std::atomic<uint32_t> wanted_{0};       // further samples, while measuring
  std::atomic<int64_t> due_;              // when Tick has something to do
  std::atomic<int64_t> measuring_since_;  // what began before is no sample
  std::atomic<int64_t> min_rtt_{0};
  std::atomic<int64_t> tolerated_{0};  // minRTT + buffer
  LatencyHistogram samples_;

  std::mutex mutex_;  // all below, and changes of state_
  AdaptiveConcurrencyPolicy policy_;
  Random random_;
  MonoTime update_at_{};
  MonoTime measure_at_{};      // begins then; while measuring: ends then at the latest
  int without_sample_ = 0;     // measurements in a row that ended so
  uint32_t limit_before_ = 0;  // that measuring; 0: the first time
  int updates_at_minimum_ = 0;
};

}  // namespace tollgate::proxy
