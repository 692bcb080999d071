#include "common/policy/plan_units.h"

#include <algorithm>
#include <limits>

namespace tollgate {

uint32_t MostUnits(const PlanPolicy& plan) {
  uint32_t most = std::numeric_limits<uint32_t>::max();
  for (const WindowPolicy& window : plan.windows) {
    const bool burst = plan.algorithm == LimitAlgorithm::kGcra && plan.burst != 0;
    most = std::min(most, burst ? plan.burst : window.count);
  }
  return most;
}

bool CountsPer(const PlanPolicy& plan, LimitKey key) {
  return std::any_of(plan.per.begin(), plan.per.end(),
                     [key](const LimitKeyPart& part) { return part.kind == key; });
}

}  // namespace tollgate
