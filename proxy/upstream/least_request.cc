#include "proxy/upstream/least_request.h"

#include <algorithm>
#include <cmath>

#include "proxy/upstream/draw.h"

namespace tollgate::proxy {
namespace {

constexpr Duration kArrange = std::chrono::seconds(1);

}  // namespace

void LeastRequest::OnEndpoints() {
  equal_ = std::all_of(slots().begin(), slots().end(),
                       [&](const EndpointSlot& slot) { return slot.weight == slots()[0].weight; });
  arrange_at_ = MonoTime();
}

double LeastRequest::WeightOf(const EndpointSlot& slot, const PickContext& context) const {
  const double weight = slot.weight * RampOf(slot, context);
  const double load = slot.stats->active() + 1.0;
  return weight / (bias_ == 1 ? load : std::pow(load, bias_));
}

const EndpointSlot* LeastRequest::Pick(const PickContext& context) {
  if (equal_) {
    return CheaperOfTwo(slots(), context,
                        [](const EndpointSlot& slot) { return slot.stats->active(); });
  }
  const auto weight = [&](uint32_t i) { return WeightOf(slots()[i], context); };
  if (context.now >= arrange_at_) {
    schedule_.Reset(static_cast<uint32_t>(slots().size()), context.random, weight);
    arrange_at_ = context.now + kArrange;
  }
  const auto next = schedule_.Next(weight, [&](uint32_t i) {
    return EdfSchedule::TurnOf(StandingOf(slots()[i], context), context.least);
  });
  return next.has_value() ? &slots()[*next] : nullptr;
}

}  // namespace tollgate::proxy
