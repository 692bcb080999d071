// Least request, as Envoy has it. Of equal weights: the power of two choices by active requests. Of
// different ones: weighted turns, where an endpoint's weight is w / (active + 1)^bias at the moment
// of its turn, or a second ago at most: the turn that a loaded endpoint was given must not outlive
// its load. A bias of 0 leaves plain weighted round robin. One that keeps failing is avoided.
// One thread.
#pragma once

#include "proxy/upstream/balancer.h"
#include "proxy/upstream/edf_schedule.h"

namespace tollgate::proxy {

class LeastRequest final : public Balancer {
 public:
  explicit LeastRequest(uint32_t bias_permille) : bias_(bias_permille / 1000.0) {}
  const EndpointSlot* Pick(const PickContext& context) override;

 private:
  void OnEndpoints() override;
  double WeightOf(const EndpointSlot& slot, const PickContext& context) const;

  const double bias_;
  bool equal_ = true;      // all weights are
  MonoTime arrange_at_{};  // schedule_ is made anew
  EdfSchedule schedule_;
};

}  // namespace tollgate::proxy
