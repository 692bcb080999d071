#include "proxy/upstream/peak_ewma.h"

namespace tollgate::proxy {
namespace {

// Draws for one healthy endpoint before all are looked at. With half of them ejected (the most that
// outlier detection usually allows) one pick in 256 gets there.
constexpr int kDraws = 8;

// The better may be picked.
enum class Rank { kNever, kEjected, kAvoided, kGood };

Rank RankOf(absl::Span<const EndpointSlot> slots, uint32_t index, const PickContext& context) {
  switch (StandingOf(slots, index, context)) {
    case Standing::kExcluded:
      return Rank::kNever;
    case Standing::kEjected:
      return Rank::kEjected;
    case Standing::kHealthy:
      break;
  }
  return slots[index].stats->AvoidAt(context.now) ? Rank::kAvoided : Rank::kGood;
}

// One of that rank other than `other`, uniformly, by looking at all.
std::optional<uint32_t> Scan(absl::Span<const EndpointSlot> slots, const PickContext& context,
                             Rank rank, std::optional<uint32_t> other) {
  std::optional<uint32_t> found;
  uint32_t seen = 0;
  for (uint32_t i = 0; i < slots.size(); ++i) {
    if (i == other || RankOf(slots, i, context) != rank) continue;
    if (context.random.Below(++seen) == 0) found = i;
  }
  return found;
}

// The same, in constant time when there are many.
std::optional<uint32_t> Draw(absl::Span<const EndpointSlot> slots, const PickContext& context,
                             Rank rank, std::optional<uint32_t> other) {
  const uint32_t size = static_cast<uint32_t>(slots.size());
  for (int i = 0; i < kDraws; ++i) {
    const uint32_t index = context.random.Below(size);
    if (index != other && RankOf(slots, index, context) == rank) return index;
  }
  return Scan(slots, context, rank, other);
}

}  // namespace

std::optional<uint32_t> PeakEwma::Pick(absl::Span<const EndpointSlot> slots,
                                       const PickContext& context) {
  if (slots.empty()) return std::nullopt;
  const auto cost = [&](uint32_t i) {
    return slots[i].stats->CostAt(context.now, slots[i].weight);
  };
  for (const Rank rank : {Rank::kGood, Rank::kAvoided, Rank::kEjected}) {
    const std::optional<uint32_t> first = Draw(slots, context, rank, std::nullopt);
    if (!first.has_value()) continue;
    const std::optional<uint32_t> second = Draw(slots, context, rank, first);
    return second.has_value() && cost(*second) < cost(*first) ? second : first;
  }
  return std::nullopt;
}

}  // namespace tollgate::proxy
