#include "proxy/upstream/endpoint_stats.h"

#include <algorithm>
#include <cmath>

namespace tollgate::proxy {
namespace {

// What is left of a weight of 1 after `elapsed`.
double Decay(Duration elapsed) {
  if (elapsed <= Duration::zero()) return 1;
  return std::exp(-static_cast<double>(elapsed.count()) /
                  static_cast<double>(EndpointStats::kTau.count()));
}

}  // namespace

Outcome OutcomeOfStatus(int status) {
  return status == 429 || status >= 500 ? Outcome::kFailure : Outcome::kSuccess;
}

void EndpointStats::Started(MonoTime now) {
  ++active_;
  if (waiting_++ == 0) quiet_ = now;
}

void EndpointStats::Answered(MonoTime now, Duration latency, Outcome outcome) {
  if (waiting_ > 0) --waiting_;
  quiet_ = now;
  const double sample = static_cast<double>(std::max(latency, Duration::zero()).count());
  switch (outcome) {
    case Outcome::kSuccess:
      if (strikes_ > 0 && --strikes_ == kStrikesToAvoid - 1) recovered_at_ = now;
      usual_ns_ += (sample - usual_ns_) / 8;
      Observe(now, sample);
      break;
    case Outcome::kFailure:
      Strike(now);
      Observe(now, std::max(sample, ewma_ns_));
      break;
    case Outcome::kCancelled:
      if (sample > ewma_ns_) Observe(now, sample);
      break;
  }
}

void EndpointStats::Broke(MonoTime now) {
  if (now < avoided_until_) return;
  ++strikes_;  // what its head took back
  Strike(now);
}

void EndpointStats::Ended() {
  if (active_ > 0) --active_;
}

void EndpointStats::Strike(MonoTime now) {
  // What was on its way when the endpoint began to be avoided tells nothing new.
  if (now < avoided_until_) return;
  strikes_ = std::min(strikes_ + kStrikesOfFailure, kMaxStrikes);
  if (!failing()) return;
  const uint32_t probes = (strikes_ - kStrikesToAvoid) / kStrikesOfFailure;
  avoided_until_ = now + std::min(kMinAvoid * (1 << probes), kMaxAvoid);
}

bool EndpointStats::AvoidAt(MonoTime now) const {
  return failing() && (now < avoided_until_ || waiting_ > 0);
}

void EndpointStats::Observe(MonoTime now, double sample_ns) {
  if (!measured_ || sample_ns > ewma_ns_) {
    ewma_ns_ = sample_ns;
  } else {
    const double keep = Decay(now - sampled_);
    ewma_ns_ = ewma_ns_ * keep + sample_ns * (1 - keep);
  }
  sampled_ = now;
  measured_ = true;
}

double EndpointStats::LatencyAt(MonoTime now) const {
  if (waiting_ == 0) return ewma_ns_ * Decay(now - quiet_);
  // Something has been out all this time: at the least since nothing came back.
  return std::max(ewma_ns_, static_cast<double>((now - quiet_).count()));
}

double EndpointStats::CostAt(MonoTime now, uint32_t weight) const {
  if (!measured_ && active_ == 0) return 0;
  return LatencyAt(now) * (active_ + 1.0) / std::max<uint32_t>(weight, 1);
}

}  // namespace tollgate::proxy
