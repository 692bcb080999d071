#include "proxy/upstream/random_balancer.h"

#include <algorithm>

#include "proxy/upstream/draw.h"

namespace tollgate::proxy {
namespace {

constexpr int kDraws = 8;  // then all are looked at

}  // namespace

void RandomBalancer::OnEndpoints() {
  up_to_.clear();
  const auto same = [&](const EndpointSlot& slot) { return slot.weight == slots()[0].weight; };
  if (std::all_of(slots().begin(), slots().end(), same)) return;
  uint32_t sum = 0;
  for (const EndpointSlot& slot : slots()) up_to_.push_back(sum += slot.weight);
}

const EndpointSlot* RandomBalancer::Pick(const PickContext& context) {
  if (up_to_.empty()) return DrawOne(slots(), context);
  for (int i = 0; i < kDraws; ++i) {
    const auto at =
        std::upper_bound(up_to_.begin(), up_to_.end(), context.random.Below(up_to_.back()));
    const EndpointSlot& slot = slots()[static_cast<size_t>(at - up_to_.begin())];
    if (StandingOf(slot, context) < context.least) continue;
    const double ramp = RampOf(slot, context);
    if (ramp >= 1 || context.random.Unit() < ramp) return &slot;
  }
  const EndpointSlot* found = nullptr;
  uint32_t seen = 0;
  for (const EndpointSlot& slot : slots()) {
    if (StandingOf(slot, context) < context.least) continue;
    seen += slot.weight;
    if (context.random.Below(seen) < slot.weight) found = &slot;
  }
  return found;
}

}  // namespace tollgate::proxy
