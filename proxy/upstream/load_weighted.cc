#include "proxy/upstream/load_weighted.h"

#include <algorithm>
#include <cstddef>

namespace tollgate::proxy {
namespace {

// Of the median: a report that is far off takes no more, and leaves no less, than that.
constexpr double kMaxRatio = 10;

}  // namespace

void LoadWeighted::OnEndpoints() { weights_.clear(); }

void LoadWeighted::UpdateWeights(const PickContext& context) {
  update_at_ = context.now + policy_.update;
  fresh_.clear();
  known_.clear();
  for (const EndpointSlot& slot : slots()) {
    const MonoTime since = slot.health != nullptr ? slot.health->available_since() : MonoTime();
    const double weight =
        slot.weight == 0 ? 0 : slot.stats->reported_weight().At(context.now, policy_, since);
    fresh_.push_back(weight);
    if (weight > 0) known_.push_back(weight);
  }
  double median = 0, mean = 0;
  if (known_.size() >= 2) {
    const auto middle = known_.begin() + static_cast<std::ptrdiff_t>((known_.size() - 1) / 2);
    std::nth_element(known_.begin(), middle, known_.end());
    median = *middle;
    for (double& weight : known_) {
      weight = std::clamp(weight, median / kMaxRatio, median * kMaxRatio);
      mean += weight / static_cast<double>(known_.size());
    }
  }
  for (size_t i = 0; i < fresh_.size(); ++i) {
    const uint32_t configured = slots()[i].weight;
    if (known_.size() < 2) {
      fresh_[i] = configured;
    } else if (fresh_[i] > 0) {
      fresh_[i] = std::clamp(fresh_[i], median / kMaxRatio, median * kMaxRatio);
    } else if (configured > 0) {
      fresh_[i] = mean;
    }
  }
  if (fresh_ == weights_) return;
  weights_.swap(fresh_);
  schedule_.Reset(static_cast<uint32_t>(weights_.size()), context.random,
                  [&](uint32_t i) { return weights_[i]; });
}

const EndpointSlot* LoadWeighted::Pick(const PickContext& context) {
  if (weights_.empty() || context.now >= update_at_) UpdateWeights(context);
  const auto next =
      schedule_.Next([&](uint32_t i) { return weights_[i] * RampOf(slots()[i], context); },
                     [&](uint32_t i) {
                       return EdfSchedule::TurnOf(StandingOf(slots()[i], context), context.least);
                     });
  return next.has_value() ? &slots()[*next] : nullptr;
}

}  // namespace tollgate::proxy
