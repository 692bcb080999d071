#include "proxy/upstream/draw.h"

namespace tollgate::proxy {
namespace {

// Draws for one endpoint before all are looked at. With half of them ejected (beyond is panic) one
// pick in 256 gets there.
constexpr int kDraws = 8;

bool Passes(const EndpointSlot& slot, const PickContext& context) {
  const double ramp = RampOf(slot, context);
  return ramp >= 1 || context.random.Unit() < ramp;
}

// By looking at all.
const EndpointSlot* Scan(absl::Span<const EndpointSlot> slots, const PickContext& context,
                         const EndpointSlot* other) {
  const EndpointSlot* found = nullptr;
  uint32_t seen = 0;
  for (const EndpointSlot& slot : slots) {
    if (&slot == other || StandingOf(slot, context) < context.least) continue;
    if (context.random.Below(++seen) == 0) found = &slot;
  }
  return found;
}

}  // namespace

const EndpointSlot* DrawOne(absl::Span<const EndpointSlot> slots, const PickContext& context) {
  const uint32_t size = static_cast<uint32_t>(slots.size());
  if (size == 0) return nullptr;
  for (int i = 0; i < kDraws; ++i) {
    const EndpointSlot& slot = slots[context.random.Below(size)];
    if (StandingOf(slot, context) >= context.least && Passes(slot, context)) return &slot;
  }
  return Scan(slots, context, nullptr);
}

const EndpointSlot* DrawRival(absl::Span<const EndpointSlot> slots, const PickContext& context,
                              const EndpointSlot* first) {
  const uint32_t size = static_cast<uint32_t>(slots.size());
  const EndpointSlot* rival = nullptr;
  for (int i = 0; i < kDraws && rival == nullptr; ++i) {
    const EndpointSlot& slot = slots[context.random.Below(size)];
    if (&slot != first && StandingOf(slot, context) >= context.least) rival = &slot;
  }
  if (rival == nullptr) rival = Scan(slots, context, first);
  return rival != nullptr && Passes(*rival, context) ? rival : nullptr;
}

}  // namespace tollgate::proxy
