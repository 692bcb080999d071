#include "proxy/upstream/hash_balancer.h"

#include <cmath>
#include <map>
#include <utility>

#include "common/base/stable_hash.h"

namespace tollgate::proxy {
namespace {

// Then all are ranked: with half of them out, one key in 2^32 gets there.
constexpr int kProbes = 32;

}  // namespace

void HashBalancer::OnEndpoints() {
  std::vector<HashMember> members;
  std::map<absl::string_view, uint32_t> by_name;
  for (uint32_t i = 0; i < slots().size(); ++i) {
    const EndpointSlot& slot = slots()[i];
    if (slot.weight == 0) continue;
    members.push_back({*slot.name, slot.weight});
    by_name[*slot.name] = i;
  }
  slot_of_.clear();
  if (members.empty()) {
    table_ = nullptr;
    return;
  }
  HashTables own;
  table_ = (tables_ != nullptr ? *tables_ : own).Get(kind_, policy_, std::move(members));
  for (const HashMember& member : table_->members()) slot_of_.push_back(by_name.at(member.name));
}

const EndpointSlot* HashBalancer::Pick(const PickContext& context) {
  if (table_ == nullptr) return nullptr;
  HashTable::Probe probe;
  uint32_t member = table_->First(context.hash, &probe);
  for (int i = 0; i < kProbes; ++i, member = table_->Next(&probe)) {
    const EndpointSlot& slot = slots()[slot_of_[member]];
    if (StandingOf(slot, context) >= context.least) return &slot;
  }
  return Rank(context.hash, context);
}

// Highest random weight (Thaler, Ravishankar 1998; with weights: Schindelhauer, Schomaker 2005):
// needs no table, and looks at all.
const EndpointSlot* HashBalancer::Rank(uint64_t hash, const PickContext& context) const {
  const EndpointSlot* best = nullptr;
  double highest = 0;
  for (const EndpointSlot& slot : slots()) {
    if (StandingOf(slot, context) < context.least) continue;
    // In (0, 1), so the logarithm is below zero.
    const double unit = (static_cast<double>(StableHash(*slot.name, hash) >> 11) + 0.5) * 0x1.0p-53;
    const double score = slot.weight / -std::log(unit);
    if (best != nullptr && score <= highest) continue;
    best = &slot;
    highest = score;
  }
  return best;
}

}  // namespace tollgate::proxy
