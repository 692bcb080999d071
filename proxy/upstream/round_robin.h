// Smooth weighted round robin (as in nginx, 2012): each turn every endpoint gains its weight, the
// one with the most is picked and pays the sum of all. Deterministic; shares are exact and evenly
// interleaved. Linear in the number of endpoints. Avoidance does not count: what keeps failing is
// left to outlier detection. One thread.
#pragma once

#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class RoundRobin final : public Balancer {
 public:
  const EndpointSlot* Pick(const PickContext& context) override;
};

}  // namespace tollgate::proxy
