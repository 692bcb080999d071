// Power of two choices over the peak EWMA cost of endpoint_stats.h: two healthy endpoints at
// random, the cheaper one gets the request. One thread.
#pragma once

#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class PeakEwma final : public Balancer {
 public:
  const EndpointSlot* Pick(const PickContext& context) override;
};

}  // namespace tollgate::proxy
