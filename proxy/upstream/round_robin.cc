#include "proxy/upstream/round_robin.h"

#include <algorithm>

namespace tollgate::proxy {
namespace {

// What a weight of 1 gains in a turn: slow start takes parts of it.
constexpr int64_t kUnit = 1000;

}  // namespace

const EndpointSlot* RoundRobin::Pick(const PickContext& context) {
  const EndpointSlot* best = nullptr;
  int64_t total = 0;
  for (const EndpointSlot& slot : slots()) {
    if (StandingOf(slot, context) < context.least) continue;
    const auto gain = static_cast<int64_t>(slot.weight * kUnit * RampOf(slot, context));
    slot.stats->turn_ += gain;
    total += gain;
    if (best == nullptr || slot.stats->turn_ > best->stats->turn_) best = &slot;
  }
  if (best != nullptr) best->stats->turn_ -= total;
  return best;
}

}  // namespace tollgate::proxy
