#include "proxy/limit/limit_plan.h"

#include <algorithm>
#include <limits>

#include "proxy/limit/siphash.h"

namespace tollgate::proxy {

std::shared_ptr<const LimitPlan> LimitPlan::Compile(const PlanPolicy& policy) {
  auto plan = std::shared_ptr<LimitPlan>(new LimitPlan());
  plan->name_ = policy.name;
  plan->name_hash_ = SipHash({}, plan->name_);
  plan->algorithm_ = policy.algorithm;
  plan->concurrency_ = policy.concurrency;
  plan->reports_ = policy.headers != LimitHeaders::kNone;
  plan->shadow_ = policy.shadow;
  plan->by_strangers_ = !policy.needs_caller();
  plan->show_claims_ = policy.show_claims;
  plan->per_ = policy.per;
  const bool gcra = policy.algorithm == LimitAlgorithm::kGcra;
  uint32_t max_cost = std::numeric_limits<uint32_t>::max();
  for (const WindowPolicy& w : policy.windows) {
    if (w.count == 0 || w.period <= Duration::zero()) max_cost = 0;
    Window window;
    window.count = std::max<uint32_t>(w.count, 1);
    window.period =
        std::clamp<int64_t>(w.period.count(), 1, std::numeric_limits<int64_t>::max() / 4);
    window.burst = gcra && policy.burst != 0 ? policy.burst : window.count;
    int64_t fits = window.burst;
    if (gcra) {
      window.rate = MakeGcraRate(window.count, window.period, window.burst);
      fits = std::min(fits, window.rate.tolerance / window.rate.interval);
    }
    window.max_cost = static_cast<uint32_t>(fits);
    max_cost = std::min(max_cost, window.max_cost);
    plan->max_count_ = std::max(plan->max_count_, window.count);
    plan->max_period_ = std::max(plan->max_period_, window.period);
    plan->windows_.push_back(window);
  }
  plan->max_cost_ = policy.windows.empty() ? 0 : max_cost;
  return plan;
}

bool LimitPlan::CountsLike(const LimitPlan& other) const {
  return algorithm_ == other.algorithm_ && windows_ == other.windows_;
}

}  // namespace tollgate::proxy
