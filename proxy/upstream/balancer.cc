#include "proxy/upstream/balancer.h"

#include <algorithm>

#include "proxy/upstream/peak_ewma.h"
#include "proxy/upstream/round_robin.h"

namespace tollgate::proxy {

std::unique_ptr<Balancer> MakeBalancer(Balance kind) {
  switch (kind) {
    case Balance::kPeakEwma:
      return std::make_unique<PeakEwma>();
    case Balance::kRoundRobin:
      return std::make_unique<RoundRobin>();
  }
  return nullptr;  // not reached: policy has been validated
}

Standing StandingOf(absl::Span<const EndpointSlot> slots, uint32_t index,
                    const PickContext& context) {
  const EndpointSlot& slot = slots[index];
  const absl::Span<const uint32_t> exclude = context.exclude;
  if (slot.weight == 0 || std::find(exclude.begin(), exclude.end(), index) != exclude.end()) {
    return Standing::kExcluded;
  }
  if (slot.health != nullptr && !slot.health->AvailableAt(context.now)) return Standing::kEjected;
  return Standing::kHealthy;
}

}  // namespace tollgate::proxy
