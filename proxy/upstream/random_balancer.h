// One healthy endpoint at random, by weight. Avoidance does not count: what keeps failing is left
// to outlier detection. One thread.
#pragma once

#include <vector>

#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class RandomBalancer final : public Balancer {
 public:
  const EndpointSlot* Pick(const PickContext& context) override;

 private:
  void OnEndpoints() override;
  std::vector<uint32_t> up_to_;  // sums of weights, one a slot; empty: all weights are equal
};

}  // namespace tollgate::proxy
