// What one worker knows about one endpoint's latency and load. The cluster owns one per address and
// keeps it through policy pushes, whichever balancer is in use. One thread.
//
// Peak EWMA (Finagle; linkerd2-proxy): a sample above the estimate replaces it at once, others pull
// it down exponentially with tau = 10 s. Here besides:
//  - a failure (connect error, reset, timeout, 5xx, 429) never lowers the estimate, and an endpoint
//    that keeps failing, or breaking off its answers (three in a row; in the long run more than a
//    fifth), is avoided: for a second, then twice as long for each probe that fails, up to 32 s,
//    then one request at a time until it has made up for its failures. So what fails fast attracts
//    no load, whatever its peers' latency, and a single failure costs it nothing;
//  - an idle endpoint's estimate decays, so that one that was slow is tried again;
//  - while answers are awaited and none comes, the silence is a lower bound of the latency: a black
//    hole grows costly before its first timeout;
//  - one that was never measured is tried by one request before others follow.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "proxy/upstream/reported_weight.h"

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
  static constexpr Duration kMinAvoid = std::chrono::seconds(1);
  static constexpr Duration kMaxAvoid = std::chrono::seconds(32);

  // The life of an attempt; each call once, in this order.
  void Started(MonoTime now);
  // The response head came, or the attempt failed or was given up. `latency` is since Started.
  void Answered(MonoTime now, Duration latency, Outcome outcome);
  // After Answered(kSuccess) the answer broke off: it was none.
  void Broke(MonoTime now);
  // The response is over: it is no load any more.
  void Ended();

  uint32_t active() const { return active_; }
  bool measured() const { return measured_; }
  // It keeps failing: not to be picked while there is another.
  bool AvoidAt(MonoTime now) const;
  // It has not made up for its failures, whether or not its next probe is due.
  bool failing() const { return strikes_ >= kStrikesToAvoid; }
  // Since when it has, the last time; MonoTime(): it never failed so much.
  MonoTime recovered_at() const { return recovered_at_; }
  // The estimate as of `now`, in ns.
  double LatencyAt(MonoTime now) const;
  // How long its good answers take, on the average of the last few, in ns: unlike the estimate,
  // what fails or is given up does not raise it.
  double usual_latency() const { return usual_ns_; }
  // estimate * (active + 1) / weight: less is better.
  double CostAt(MonoTime now, uint32_t weight) const;
  // What its load reports say.
  ReportedWeight& reported_weight() { return reported_weight_; }

 private:
  friend class RoundRobin;

  // A failure counts four, a success takes one back.
  static constexpr uint32_t kStrikesOfFailure = 4;
  static constexpr uint32_t kStrikesToAvoid = 12;
  static constexpr uint32_t kMaxStrikes = 32;

  void Observe(MonoTime now, double sample_ns);
  void Strike(MonoTime now);

  double ewma_ns_ = static_cast<double>(kStart.count());
  double usual_ns_ = static_cast<double>(kStart.count());
  MonoTime sampled_{};  // when the estimate was last updated
  MonoTime quiet_{};    // the last answer, or the start that ended idleness: the later one
  MonoTime avoided_until_{};
  MonoTime recovered_at_{};
  uint32_t strikes_ = 0;
  uint32_t active_ = 0;
  uint32_t waiting_ = 0;  // of the active ones: no answer yet
  bool measured_ = false;
  int64_t turn_ = 0;  // RoundRobin's current weight
  ReportedWeight reported_weight_;
};

}  // namespace tollgate::proxy
