#include "proxy/upstream/gradient_controller.h"

#include <algorithm>
#include <cmath>

namespace tollgate::proxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr double kMinGradient = 0.5;
constexpr double kMaxGradient = 2;

int64_t Ticks(MonoTime time) { return time.time_since_epoch().count(); }

}  // namespace

GradientController::GradientController(const AdaptiveConcurrencyPolicy& policy, uint64_t seed)
    : limit_(policy.max_concurrency),
      due_(Ticks(kNever)),
      measuring_since_(Ticks(MonoTime::min())),
      policy_(policy),
      random_(seed) {}

void GradientController::Update(const AdaptiveConcurrencyPolicy& policy) {
  std::lock_guard lock(mutex_);
  if (policy == policy_) return;
  policy_ = policy;
  SetMinRtt(min_rtt());
  if (state_.load(kRelaxed) == State::kUnmeasured) {
    limit_.store(policy_.max_concurrency, kRelaxed);
  } else {
    SetLimit(measuring() ? policy_.min_concurrency : limit());
  }
}

void GradientController::Record(const LatencySample& sample, MonoTime now) {
  if (Ticks(sample.began) < measuring_since_.load(kRelaxed)) return;
  const State state = state_.load(kRelaxed);
  if (sample.at_least &&
      (state != State::kAdapting || sample.latency.count() <= tolerated_.load(kRelaxed))) {
    return;
  }
  if (state == State::kUnmeasured) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock() && state_.load(kRelaxed) == state) StartMeasuring(now);
    return;
  }
  samples_.Add(sample.latency);
  if (state == State::kMeasuring && wanted_.fetch_sub(1, kRelaxed) == 1) {
    std::lock_guard lock(mutex_);
    if (measuring()) EndMeasuring(now);
  } else if (Ticks(now) >= due_.load(kRelaxed)) {
    Tick(now);
  }
}

void GradientController::Tick(MonoTime now) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || Ticks(now) < due_.load(kRelaxed)) return;
  if (measuring()) {
    EndMeasuring(now);
  } else if (now >= measure_at_) {
    StartMeasuring(now);
  } else {
    Adapt(now);
  }
}

void GradientController::StartMeasuring(MonoTime now) {
  limit_before_ = state_.load(kRelaxed) == State::kUnmeasured ? 0 : limit();
  (void)samples_.Take(policy_.percentile);
  measuring_since_.store(Ticks(now), kRelaxed);
  wanted_.store(policy_.min_rtt_requests, kRelaxed);
  limit_.store(policy_.min_concurrency, kRelaxed);
  const Duration interval = policy_.min_rtt_interval;
  measure_at_ = now + std::min(interval, interval / 10 * (1 << std::min(without_sample_, 4)));
  updates_at_minimum_ = 0;
  state_.store(State::kMeasuring, kRelaxed);
  SetDue();
}

void GradientController::EndMeasuring(MonoTime now) {
  if (const auto measured = samples_.Take(policy_.percentile)) {
    SetMinRtt(*measured);
    without_sample_ = 0;
  } else {
    ++without_sample_;
  }
  const double part = random_.Unit() * policy_.jitter_percent / 100;
  measure_at_ =
      now + policy_.min_rtt_interval +
      Duration(static_cast<int64_t>(part * static_cast<double>(policy_.min_rtt_interval.count())));
  update_at_ = now + policy_.update_interval;
  if (min_rtt() == Duration::zero()) {
    // Nobody came.
    limit_.store(policy_.max_concurrency, kRelaxed);
    state_.store(State::kUnmeasured, kRelaxed);
  } else {
    SetLimit(limit_before_ > 0 ? limit_before_ : policy_.min_concurrency);
    state_.store(State::kAdapting, kRelaxed);
  }
  SetDue();
}

void GradientController::Adapt(MonoTime now) {
  update_at_ = now + policy_.update_interval;
  // A push may have made the interval shorter.
  measure_at_ = std::min(measure_at_, now + policy_.min_rtt_interval * 2);
  if (const auto sample = samples_.Take(policy_.percentile)) {
    const double gradient = std::clamp(
        static_cast<double>(tolerated_.load(kRelaxed)) / static_cast<double>(sample->count()),
        kMinGradient, kMaxGradient);
    const double target = gradient * limit();
    SetLimit(target + std::sqrt(target));
    updates_at_minimum_ = limit() == policy_.min_concurrency ? updates_at_minimum_ + 1 : 0;
  }
  if (updates_at_minimum_ >= kUpdatesAtMinimum &&
      policy_.min_concurrency < policy_.max_concurrency) {
    StartMeasuring(now);
    return;
  }
  SetDue();
}

void GradientController::SetLimit(double limit) {
  limit_.store(static_cast<uint32_t>(
                   std::clamp<double>(limit, policy_.min_concurrency, policy_.max_concurrency)),
               kRelaxed);
}

void GradientController::SetMinRtt(Duration measured) {
  min_rtt_.store(measured.count(), kRelaxed);
  tolerated_.store(measured.count() + measured.count() * policy_.buffer_percent / 100, kRelaxed);
}

void GradientController::SetDue() {
  MonoTime due = measure_at_;
  if (state_.load(kRelaxed) == State::kAdapting) due = std::min(due, update_at_);
  if (state_.load(kRelaxed) == State::kUnmeasured) due = kNever;
  due_.store(Ticks(due), kRelaxed);
}

}  // namespace tollgate::proxy
