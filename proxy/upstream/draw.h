// Random draws of one endpoint: the part that peak EWMA, least request and random share. Constant
// time unless few endpoints have the standing that is asked for. Stateless.
#pragma once

#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

// One of at least context.least, uniformly. One in slow start is passed over as often as its ramp
// says. Null: none has that standing.
const EndpointSlot* DrawOne(absl::Span<const EndpointSlot> slots, const PickContext& context);

// A rival for `first` in the power of two choices: another one, uniformly. Null: there is none, or
// it is in slow start and not this time its turn.
const EndpointSlot* DrawRival(absl::Span<const EndpointSlot> slots, const PickContext& context,
                              const EndpointSlot* first);

// The power of two choices (Mitzenmacher 2001): of two at random the one of lower `cost`.
template <typename Cost>
const EndpointSlot* CheaperOfTwo(absl::Span<const EndpointSlot> slots, const PickContext& context,
                                 const Cost& cost) {
  const EndpointSlot* first = DrawOne(slots, context);
  if (first == nullptr) return nullptr;
  const EndpointSlot* second = DrawRival(slots, context, first);
  return second != nullptr && cost(*second) < cost(*first) ? second : first;
}

}  // namespace tollgate::proxy
