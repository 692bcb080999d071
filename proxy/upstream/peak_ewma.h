// Power of two choices (Mitzenmacher 2001) over the peak EWMA cost of endpoint_stats.h: two healthy
// endpoints at random, the cheaper one gets the request. One that keeps failing is picked only when
// there is no other. Constant time unless most are excluded or
// ejected. One thread.
#pragma once

#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class PeakEwma final : public Balancer {
 public:
  std::optional<uint32_t> Pick(absl::Span<const EndpointSlot> slots,
                               const PickContext& context) override;
};

}  // namespace tollgate::proxy
