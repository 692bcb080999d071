// What one worker knows about one endpoint's latency and load. The cluster owns one per address and
// keeps it through policy pushes, whichever balancer is in use. One thread.
//
// Peak EWMA (Finagle; linkerd2-proxy): a sample above the estimate replaces it at once, others pull
// it down exponentially with tau = 10 s. Here besides:
//  - a failure (connect error, reset, timeout, 5xx, 429) counts as a slow answer, and each doubles
//  the
//    estimate: an endpoint that fails fast attracts no load, whatever its peers' latency;
//  - an idle endpoint's estimate decays, so that one that was slow is tried again;
//  - while requests are out and none comes back, the silence is a lower bound of the latency: a
//    black hole grows costly before its first timeout;
//  - one that was never measured is tried by one request at a time before others follow.
#pragma once

#include <cstdint>

#include "common/base/clock.h"

namespace tollgate::proxy {

enum class Outcome {
  kSuccess,    // an answer, also a business refusal (any status but 429 and 5xx)
  kFailure,    // connect error, reset, timeout, 429, 5xx
  kCancelled,  // ended by our side before there was an answer: says only "not faster than this"
};

// kFailure for 429 and 5xx. Refusals of a payment (402, 409, 422) are answers.
Outcome OutcomeOfStatus(int status);

class EndpointStats {
 public:
  static constexpr Duration kStart = std::chrono::milliseconds(30);
  static constexpr Duration kTau = std::chrono::seconds(10);
  static constexpr Duration kMinPenalty = std::chrono::seconds(1);
  static constexpr Duration kMaxPenalty = std::chrono::seconds(60);

  // An attempt goes to this endpoint, then ends: each Started has its Ended. `latency` is the time
  // from Started to the response head (or to the failure).
  void Started(MonoTime now);
  void Ended(MonoTime now, Duration latency, Outcome outcome);

  uint32_t active() const { return active_; }
  bool measured() const { return measured_; }
  // The estimate as of `now`, in ns.
  double LatencyAt(MonoTime now) const;
  // estimate * (active + 1) / weight: less is better.
  double CostAt(MonoTime now, uint32_t weight) const;

 private:
  friend class RoundRobin;

  void Observe(MonoTime now, double sample_ns);

  double ewma_ns_ = static_cast<double>(kStart.count());
  MonoTime sampled_{};  // when the estimate was last updated
  MonoTime quiet_{};    // last end, or the start that ended idleness: the later one
  uint32_t active_ = 0;
  bool measured_ = false;
  int64_t turn_ = 0;  // RoundRobin's current weight
};

}  // namespace tollgate::proxy
