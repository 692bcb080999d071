#include "proxy/upstream/peak_ewma.h"

#include "proxy/upstream/draw.h"

namespace tollgate::proxy {

const EndpointSlot* PeakEwma::Pick(const PickContext& context) {
  return CheaperOfTwo(slots(), context, [&](const EndpointSlot& slot) {
    return slot.stats->CostAt(context.now, slot.weight);
  });
}

}  // namespace tollgate::proxy
