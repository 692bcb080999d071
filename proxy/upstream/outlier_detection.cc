#include "proxy/upstream/outlier_detection.h"

#include <algorithm>
#include <utility>

namespace tollgate::proxy {

OutlierDetector::OutlierDetector(const OutlierDetectionPolicy& policy)
    : threshold_(policy.enabled ? policy.consecutive_errors : 0), policy_(policy) {}

void OutlierDetector::Update(const OutlierDetectionPolicy& policy,
                             absl::Span<const Address> members, MonoTime now,
                             absl::Span<const Address> warm) {
  std::lock_guard lock(mutex_);
  policy_ = policy;
  threshold_.store(policy.enabled ? policy.consecutive_errors : 0, std::memory_order_relaxed);
  std::map<Address, std::shared_ptr<EndpointHealth>> next;
  for (const Address& address : members) {
    const auto known = members_.find(address);
    std::shared_ptr<EndpointHealth>& health = next[address];
    if (known != members_.end()) {
      health = known->second;
    } else {
      health = std::make_shared<EndpointHealth>();
      const bool joins = std::find(warm.begin(), warm.end(), address) == warm.end();
      if (!members_.empty() && joins) health->joined_ = now;
    }
    if (!policy.enabled) {
      health->ejected_until_.store(0, std::memory_order_relaxed);
      health->consecutive_errors_.store(0, std::memory_order_relaxed);
      health->ejections_ = 0;
    }
  }
  members_ = std::move(next);
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<EndpointHealth> OutlierDetector::Find(const Address& address) const {
  std::lock_guard lock(mutex_);
  const auto it = members_.find(address);
  return it == members_.end() ? nullptr : it->second;
}

bool OutlierDetector::Report(EndpointHealth& health, bool error, MonoTime now) {
  if (!error) {
    // Most reports: read, and leave the cache line shared.
    if (health.consecutive_errors_.load(std::memory_order_relaxed) != 0) {
      health.consecutive_errors_.store(0, std::memory_order_relaxed);
    }
    return false;
  }
  const uint32_t threshold = threshold_.load(std::memory_order_relaxed);
  if (threshold == 0) return false;
  const uint32_t errors = health.consecutive_errors_.fetch_add(1, std::memory_order_relaxed) + 1;
  return errors >= threshold && Eject(health, now);
}

bool OutlierDetector::Eject(EndpointHealth& health, MonoTime now) {
  std::lock_guard lock(mutex_);
  // Late reports of attempts that began before the ejection, or another worker was faster.
  if (!health.AvailableAt(now)) return false;
  if (policy_.interval > Duration::zero() && health.ejections_ > 0) {
    const int64_t good = (now - health.ejected_until()) / policy_.interval;
    health.ejections_ -= static_cast<uint32_t>(std::min<int64_t>(good, health.ejections_));
  }
  const uint64_t out = EjectedLocked(now) + 1;
  if (out * 100 > uint64_t{policy_.max_ejected_percent} * members_.size()) return false;
  ++health.ejections_;
  const Duration cap = std::max(policy_.base_ejection, kMaxEjection);
  const Duration time = policy_.base_ejection > cap / health.ejections_
                            ? cap
                            : policy_.base_ejection * health.ejections_;
  health.consecutive_errors_.store(0, std::memory_order_relaxed);
  health.ejected_until_.store((now + time).time_since_epoch().count(), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  return true;
}

uint32_t OutlierDetector::EjectedLocked(MonoTime now) const {
  uint32_t ejected = 0;
  for (const auto& [address, health] : members_) ejected += !health->AvailableAt(now);
  return ejected;
}

uint32_t OutlierDetector::EjectedAt(MonoTime now) const {
  std::lock_guard lock(mutex_);
  return EjectedLocked(now);
}

}  // namespace tollgate::proxy
