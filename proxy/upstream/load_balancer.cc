#include "proxy/upstream/load_balancer.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/base/stable_hash.h"
#include "common/policy/balancing.h"

namespace tollgate::proxy {
namespace {

constexpr double kWhole = 1 - 1e-9;  // sums of parts are not exact
// How soon avoidance, which is no verdict, moves load to other zones and priorities.
constexpr Duration kRefresh = std::chrono::milliseconds(100);
constexpr uint64_t kLevelSeed = 0x1d872b41f4c2a6e3;

// The first whose running sum is above `at`; the last one for lack of it.
template <typename Parts>
auto& PartAt(Parts& parts, double at) {
  auto part = parts.begin();
  while (at >= part->up_to && std::next(part) != parts.end()) ++part;
  return *part;
}

}  // namespace

LoadBalancer::LoadBalancer(Balance balance, const BalancingPolicy& policy,
                           const OutlierDetector* verdicts, HashTables* tables)
    : balance_(balance), policy_(policy), verdicts_(verdicts), tables_(tables) {}

bool LoadBalancer::ZonesCount(const std::vector<Endpoint>& endpoints) const {
  if (policy_.zones.ignore || policy_.zones.local.empty() || IsHashing(balance_)) return false;
  return std::any_of(endpoints.begin(), endpoints.end(),
                     [&](const Endpoint& e) { return e.zone != endpoints.front().zone; });
}

void LoadBalancer::SetEndpoints(const std::vector<Endpoint>& endpoints) {
  const bool zones = ZonesCount(endpoints);
  std::map<uint32_t, std::map<std::string, std::vector<EndpointSlot>>> levels;
  for (uint32_t i = 0; i < endpoints.size(); ++i) {
    const Endpoint& endpoint = endpoints[i];
    levels[endpoint.priority][zones ? endpoint.zone : ""].push_back(
        {endpoint.stats, endpoint.health, endpoint.weight, i, endpoint.name});
  }
  levels_.clear();
  for (auto& [priority, by_zone] : levels) {
    Level& level = levels_.emplace_back();
    for (auto& [zone, slots] : by_zone) {
      if (zones && zone == policy_.zones.local) level.local = static_cast<int>(level.groups.size());
      Group& group = level.groups.emplace_back();
      group.zone = zone;
      group.balancer = MakeBalancer(balance_, policy_, tables_);
      group.balancer->SetEndpoints(std::move(slots));
    }
  }
  refresh_at_ = MonoTime();  // at the next pick
}

void LoadBalancer::Refresh(MonoTime now) {
  // Before the verdicts are read: one that changes meanwhile is seen the next time.
  generation_ = verdicts_ != nullptr ? verdicts_->generation() : 0;
  const bool heeds = HeedsAvoidance(balance_);
  const bool spreads = levels_.size() > 1 || levels_.front().groups.size() > 1;
  const bool ramps = policy_.slow_start > Duration::zero();
  refresh_at_ = heeds && (spreads || ramps) ? now + kRefresh : MonoTime::max();
  ramping_until_ = MonoTime();
  for (Level& level : levels_) {
    for (Group& group : level.groups) {
      group.total = group.healthy = group.sound = 0;
      for (const EndpointSlot& slot : group.balancer->slots()) {
        group.total += slot.weight;
        if (slot.health != nullptr && !slot.health->AvailableAt(now)) {
          refresh_at_ = std::min(refresh_at_, slot.health->out_until());
          continue;  // it ramps up when it is back, which is another refresh
        }
        group.healthy += slot.weight;
        if (!heeds || !slot.stats->AvoidAt(now)) group.sound += slot.weight;
        RampFrom(slot.health != nullptr ? slot.health->available_since() : MonoTime());
        // One that was avoided may recover before the next look at it.
        if (heeds) RampFrom(slot.stats->failing() ? refresh_at_ : slot.stats->recovered_at());
      }
    }
  }
  ShareLevels();
  for (Level& level : levels_) ShareZones(level);
}

// MonoTime(): as from the beginning, not at all.
void LoadBalancer::RampFrom(MonoTime since) {
  if (since != MonoTime()) ramping_until_ = std::max(ramping_until_, since + policy_.slow_start);
}

void LoadBalancer::ShareLevels() {
  struct Health {
    double total = 0;
    double healthy = 0;
    double sound = 0;
    double Part(double of_it) const { return total > 0 ? of_it / total : 0; }
  };
  std::vector<Health> of(levels_.size());
  const auto health = [&](size_t i) {
    return std::min(1.0, of[i].Part(of[i].sound) * policy_.overprovisioning / 100);
  };
  double total = 0, sum = 0;
  for (size_t i = 0; i < levels_.size(); ++i) {
    for (const Group& group : levels_[i].groups) {
      of[i].total += group.total;
      of[i].healthy += group.healthy;
      of[i].sound += group.sound;
    }
    total += of[i].total;
    sum += health(i);
  }
  bool all_panic = true;
  for (size_t i = 0; i < levels_.size(); ++i) {
    levels_[i].panic = sum < kWhole && of[i].Part(of[i].healthy) * 100 < policy_.panic_threshold;
    all_panic = all_panic && levels_[i].panic;
  }
  double up_to = 0;
  for (size_t i = 0; i < levels_.size(); ++i) {
    if (all_panic) {
      up_to += total > 0 ? of[i].total / total : 0;
    } else {
      up_to = sum > 0 ? std::min(1.0, up_to + health(i) / std::min(1.0, sum)) : 1;
    }
    levels_[i].up_to = up_to;
  }
}

double LoadBalancer::CallersIn(const std::string& zone, const Level& level) const {
  const std::vector<ZoneShare>& callers = policy_.zones.callers;
  const auto in = [&](const std::string& name) {
    double weight = 0, sum = 0;
    for (const ZoneShare& share : callers) {
      sum += share.weight;
      if (share.zone == name) weight += share.weight;
    }
    return sum > 0 ? weight / sum : 0;
  };
  // Spread that leaves out the sidecar's own zone is not its service's.
  if (in(policy_.zones.local) > 0) return in(zone);
  std::set<std::string> zones = {policy_.zones.local};
  for (const Group& group : level.groups) {
    if (!group.zone.empty()) zones.insert(group.zone);
  }
  return zones.contains(zone) ? 1.0 / static_cast<double>(zones.size()) : 0;
}

void LoadBalancer::ShareZones(Level& level) const {
  level.stay = 0;
  if (level.groups.size() == 1) return;
  double sound = 0, healthy = 0;
  for (const Group& group : level.groups) {
    sound += group.sound;
    healthy += group.healthy;
  }
  // When all are avoided, their verdicts decide.
  const auto up_of = [sound](const Group& group) { return sound > 0 ? group.sound : group.healthy; };
  const double all_up = sound > 0 ? sound : healthy;
  if (level.panic || healthy == 0) {
    double up_to = 0;
    for (Group& group : level.groups) group.up_to = up_to += group.total;
    return;
  }
  double up_to = 0;
  for (size_t i = 0; i < level.groups.size(); ++i) {
    Group& group = level.groups[i];
    const double up = up_of(group) / all_up;
    const double callers = CallersIn(group.zone, level);
    if (static_cast<int>(i) == level.local) {
      level.stay = up >= callers ? 1 : up / callers;
    } else {
      up_to += std::max(0.0, up - callers);
    }
    group.up_to = up_to;
  }
  if (up_to > 0 || level.stay == 1) return;
  // Nowhere is an excess, but for rounding: by what can carry it.
  for (Group& group : level.groups) group.up_to = up_to += up_of(group);
}

const LoadBalancer::Level& LoadBalancer::ChooseLevel(const PickContext& context) const {
  if (levels_.size() == 1 || levels_.front().up_to >= 1) return levels_.front();
  // Requests of one hash go to the same priority.
  const double at = IsHashing(balance_)
                        ? static_cast<double>(Mix64(context.hash ^ kLevelSeed) >> 11) * 0x1.0p-53
                        : context.random.Unit();
  return PartAt(levels_, at);
}

const LoadBalancer::Group& LoadBalancer::ChooseGroup(const Level& level, Random& random) {
  if (level.groups.size() == 1) return level.groups.front();
  if (level.local >= 0 && level.stay > 0 && (level.stay >= 1 || random.Unit() < level.stay)) {
    return level.groups[static_cast<size_t>(level.local)];
  }
  return PartAt(level.groups, random.Unit() * level.groups.back().up_to);
}

const EndpointSlot* LoadBalancer::PickAnywhere(const Level& first_level, const Group& first_group,
                                               PickContext& context) const {
  context.panic = first_level.panic;
  if (const EndpointSlot* slot = first_group.balancer->Pick(context)) return slot;
  if (const EndpointSlot* slot = PickInLevel(first_level, &first_group, context)) return slot;
  for (const Level& level : levels_) {
    if (&level == &first_level) continue;
    if (const EndpointSlot* slot = PickInLevel(level, nullptr, context)) return slot;
  }
  return nullptr;
}

// In all groups `but` one, beginning at random by what each can carry: what one zone leaves is not
// to fall on the next one alone.
const EndpointSlot* LoadBalancer::PickInLevel(const Level& level, const Group* but,
                                              PickContext& context) {
  context.panic = level.panic;
  const size_t size = level.groups.size();
  size_t first = 0;
  if (size > 1) {
    double sum = 0;
    for (const Group& group : level.groups) sum += &group == but ? 0 : group.sound;
    double at = context.random.Unit() * sum;
    for (size_t i = 0; i < size; ++i) {
      if (&level.groups[i] == but) continue;
      first = i;
      at -= level.groups[i].sound;
      if (at < 0) break;
    }
  }
  for (size_t i = 0; i < size; ++i) {
    const Group& group = level.groups[(first + i) % size];
    if (&group == but) continue;
    if (const EndpointSlot* slot = group.balancer->Pick(context)) return slot;
  }
  return nullptr;
}

std::optional<uint32_t> LoadBalancer::Pick(const Request& request) {
  if (levels_.empty()) return std::nullopt;
  if (request.now >= refresh_at_ ||
      (verdicts_ != nullptr && verdicts_->generation() != generation_)) {
    Refresh(request.now);
  }
  PickContext context{request.now, request.random, request.exclude};
  if (IsHashing(balance_)) {
    context.hash = request.hash.has_value() ? *request.hash : request.random();
  }
  const Level& level = ChooseLevel(context);
  const Group& group = ChooseGroup(level, request.random);
  if (request.now < ramping_until_) context.slow_start = policy_.slow_start;
  for (const Standing least : {Standing::kHealthy, Standing::kAvoided, Standing::kEjected}) {
    if (least == Standing::kHealthy && !HeedsAvoidance(balance_)) continue;
    context.least = least;
    if (const EndpointSlot* slot = PickAnywhere(level, group, context)) return slot->index;
  }
  return std::nullopt;
}

}  // namespace tollgate::proxy
