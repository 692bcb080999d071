// Plans for the limit tests.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "common/policy/policy.h"
#include "proxy/limit/limit_plan.h"

namespace tollgate::proxy {

inline WindowPolicy PerSecond(uint32_t count) { return {count, std::chrono::seconds(1)}; }
inline WindowPolicy PerMinute(uint32_t count) { return {count, std::chrono::minutes(1)}; }
inline WindowPolicy PerDay(uint32_t count) { return {count, std::chrono::hours(24)}; }

inline PlanPolicy Policy(LimitAlgorithm algorithm, std::vector<WindowPolicy> windows,
                         uint32_t burst = 0) {
  PlanPolicy policy;
  policy.name = "standard";
  policy.algorithm = algorithm;
  policy.windows = std::move(windows);
  policy.burst = burst;
  return policy;
}
inline std::shared_ptr<const LimitPlan> Gcra(std::vector<WindowPolicy> windows,
                                             uint32_t burst = 0) {
  return LimitPlan::Compile(Policy(LimitAlgorithm::kGcra, std::move(windows), burst));
}
inline std::shared_ptr<const LimitPlan> Sliding(std::vector<WindowPolicy> windows) {
  return LimitPlan::Compile(Policy(LimitAlgorithm::kSlidingWindow, std::move(windows)));
}

// Seconds after the tests' beginning. Whole milliseconds, so that sums are exact.
inline MonoTime At(double seconds) {
  return MonoTime(std::chrono::hours(1)) +
         std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000 + 0.5));
}

}  // namespace tollgate::proxy
