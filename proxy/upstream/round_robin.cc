#include "proxy/upstream/round_robin.h"

namespace tollgate::proxy {
namespace {

std::optional<uint32_t> Turn(absl::Span<const EndpointSlot> slots, const PickContext& context,
                             Standing wanted, auto&& turn_of) {
  std::optional<uint32_t> best;
  int64_t total = 0;
  for (uint32_t i = 0; i < slots.size(); ++i) {
    if (StandingOf(slots, i, context) != wanted) continue;
    turn_of(i) += slots[i].weight;
    total += slots[i].weight;
    if (!best.has_value() || turn_of(i) > turn_of(*best)) best = i;
  }
  if (best.has_value()) turn_of(*best) -= total;
  return best;
}

}  // namespace

std::optional<uint32_t> RoundRobin::Pick(absl::Span<const EndpointSlot> slots,
                                         const PickContext& context) {
  const auto turn_of = [&](uint32_t i) -> int64_t& { return slots[i].stats->turn_; };
  const std::optional<uint32_t> healthy = Turn(slots, context, Standing::kHealthy, turn_of);
  return healthy.has_value() ? healthy : Turn(slots, context, Standing::kEjected, turn_of);
}

}  // namespace tollgate::proxy
