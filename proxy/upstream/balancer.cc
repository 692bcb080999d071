#include "proxy/upstream/balancer.h"

#include <algorithm>

#include "proxy/upstream/hash_balancer.h"
#include "proxy/upstream/least_request.h"
#include "proxy/upstream/load_weighted.h"
#include "proxy/upstream/peak_ewma.h"
#include "proxy/upstream/random_balancer.h"
#include "proxy/upstream/round_robin.h"

namespace tollgate::proxy {
namespace {

constexpr double kFirstRamp = 0.1;

}  // namespace

std::unique_ptr<Balancer> MakeBalancer(Balance kind, const BalancingPolicy& policy,
                                       HashTables* tables) {
  switch (kind) {
    case Balance::kPeakEwma:
      return std::make_unique<PeakEwma>();
    case Balance::kRoundRobin:
      return std::make_unique<RoundRobin>();
    case Balance::kLeastRequest:
      return std::make_unique<LeastRequest>(policy.bias_permille);
    case Balance::kRandom:
      return std::make_unique<RandomBalancer>();
    case Balance::kRingHash:
    case Balance::kMaglev:
      return std::make_unique<HashBalancer>(kind, policy, tables);
    case Balance::kLoadWeighted:
      return std::make_unique<LoadWeighted>(policy.load_reports);
  }
  return nullptr;  // not reached: policy has been validated
}

Standing StandingOf(const EndpointSlot& slot, const PickContext& context) {
  if (slot.weight == 0 || std::find(context.exclude.begin(), context.exclude.end(), slot.stats) !=
                              context.exclude.end()) {
    return Standing::kExcluded;
  }
  if (!context.panic && slot.health != nullptr && !slot.health->AvailableAt(context.now)) {
    return Standing::kEjected;
  }
  return slot.stats->AvoidAt(context.now) ? Standing::kAvoided : Standing::kHealthy;
}

double RampOf(const EndpointSlot& slot, const PickContext& context) {
  if (context.slow_start <= Duration::zero()) return 1;
  MonoTime since = slot.stats->recovered_at();
  if (slot.health != nullptr) since = std::max(since, slot.health->available_since());
  if (since == MonoTime()) return 1;  // from the beginning
  if (since > context.now) return 1;  // ejected: picked in panic, or for lack of another
  const Duration up = context.now - since;
  if (up >= context.slow_start) return 1;
  return std::max(kFirstRamp, static_cast<double>(up.count()) /
                                  static_cast<double>(context.slow_start.count()));
}

}  // namespace tollgate::proxy
