#include "proxy/health/health_checker.h"

#include <utility>

namespace tollgate::proxy {
namespace {

constexpr Duration kSyncEvery = std::chrono::seconds(1);
constexpr size_t kBufferBytes = size_t{4} << 20;

}  // namespace

HealthChecker::HealthChecker(Loop& loop, SharedClusters& clusters, uint64_t seed)
    : clusters_(clusters),
      buffers_(kBufferBytes),
      random_(seed),
      context_{loop, buffers_, random_},
      sync_([this] { SyncAll(); }) {}

void HealthChecker::Update(const std::map<std::string, UpstreamPolicy>& upstreams) {
  for (auto it = upstreams_.begin(); it != upstreams_.end();) {
    const auto wanted = upstreams.find(it->first);
    if (wanted != upstreams.end() && wanted->second.health_check) {
      ++it;
      continue;
    }
    it->second->members.clear();
    it->second->shared->outliers().ClearFailing(context_.loop.now());
    it = upstreams_.erase(it);
  }
  for (const auto& [name, upstream] : upstreams) {
    if (!upstream.health_check) continue;
    std::shared_ptr<ClusterShared> shared = clusters_.Find(name);
    if (shared == nullptr) continue;  // no worker has it: they are ending
    std::unique_ptr<Checked>& checked = upstreams_[name];
    if (checked == nullptr || checked->shared != shared) {
      checked = std::make_unique<Checked>();
      checked->policy = *upstream.health_check;
      checked->shared = std::move(shared);
    } else if (checked->policy != *upstream.health_check) {
      checked->policy = *upstream.health_check;
      for (auto& [address, prober] : checked->members) prober->PolicyChanged();
    }
  }
  SyncAll();
}

void HealthChecker::SyncAll() {
  for (auto& [name, checked] : upstreams_) Sync(*checked);
  if (upstreams_.empty()) {
    sync_.Cancel();
  } else {
    context_.loop.ArmAfter(sync_, kSyncEvery);
  }
}

// Verdicts change the generation too; then all members stay.
void HealthChecker::Sync(Checked& checked) {
  OutlierDetector& verdicts = checked.shared->outliers();
  const uint64_t generation = verdicts.generation();
  if (generation == checked.generation) return;
  checked.generation = generation;
  std::map<Address, std::unique_ptr<EndpointProber>> members;
  for (OutlierDetector::Member& member : verdicts.Members()) {
    std::unique_ptr<EndpointProber>& prober = members[member.address];
    const auto known = checked.members.find(member.address);
    if (known != checked.members.end() && known->second->health() == member.health) {
      prober = std::move(known->second);
    } else {
      prober = std::make_unique<EndpointProber>(context_, *checked.shared, checked.policy,
                                                member.address, std::move(member.health));
    }
  }
  checked.members = std::move(members);
}

}  // namespace tollgate::proxy
