#include "proxy/upstream/outlier_detection.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "proxy/upstream/outlier_sweep.h"

namespace tollgate::proxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

const char* NameOf(OutlierDetector::Reason reason) {
  switch (reason) {
    case OutlierDetector::Reason::kConsecutiveErrors:
      return "consecutive errors";
    case OutlierDetector::Reason::kSuccessRate:
      return "its success rate";
    case OutlierDetector::Reason::kFailurePercentage:
      return "its share of failures";
  }
  return "";
}

int64_t Ticks(MonoTime time) { return time.time_since_epoch().count(); }

}  // namespace

OutlierDetector::OutlierDetector(const OutlierDetectionPolicy& policy, std::string upstream)
    : upstream_(std::move(upstream)),
      threshold_(policy.enabled ? policy.consecutive_errors : 0),
      policy_(policy) {}

void OutlierDetector::Update(const OutlierDetectionPolicy& policy,
                             absl::Span<const Address> members, MonoTime now,
                             absl::Span<const Address> warm) {
  std::lock_guard lock(mutex_);
  policy_ = policy;
  threshold_.store(policy.enabled ? policy.consecutive_errors : 0, kRelaxed);
  const bool sweeps = policy.enabled && (policy.success_rate || policy.failure_percentage);
  const int64_t due = Ticks(now + policy.interval);
  if (!sweeps_.load(kRelaxed) || sweep_at_.load(kRelaxed) > due) sweep_at_.store(due, kRelaxed);
  sweeps_.store(sweeps, kRelaxed);
  const bool first = members_.empty();
  std::map<Address, std::shared_ptr<EndpointHealth>> next;
  for (const Address& address : members) {
    std::shared_ptr<EndpointHealth>& health = next[address];
    if (const auto known = members_.find(address); known != members_.end()) {
      health = known->second;
    } else if (const auto left = left_.find(address); left != left_.end()) {
      health = left->second.lock();
    }
    if (health == nullptr) {
      health = std::make_shared<EndpointHealth>(address.ToString());
      const bool joins = std::find(warm.begin(), warm.end(), address) == warm.end();
      if (!first && joins) health->joined_.store(Ticks(now), kRelaxed);
    }
    if (!policy.enabled) {
      health->consecutive_errors_.store(0, kRelaxed);
      health->ejections_ = 0;
      if (health->ejected_until_.exchange(0, kRelaxed) != 0) SettleLocked(*health, MonoTime());
    }
  }
  std::erase_if(left_, [&](const auto& entry) {
    return entry.second.expired() || next.contains(entry.first);
  });
  for (const auto& [address, health] : members_) {
    if (!next.contains(address)) left_[address] = health;
  }
  members_ = std::move(next);
  Changed();
}

std::shared_ptr<EndpointHealth> OutlierDetector::Find(const Address& address) const {
  std::lock_guard lock(mutex_);
  const auto it = members_.find(address);
  return it == members_.end() ? nullptr : it->second;
}

std::vector<OutlierDetector::Member> OutlierDetector::Members() const {
  std::lock_guard lock(mutex_);
  std::vector<Member> members;
  for (const auto& [address, health] : members_) {
    members.push_back({address, health, health->ejections_});
  }
  return members;
}

// When it is out, after its ejection and its probes were looked at together. `back`: when it
// returns at the earliest.
void OutlierDetector::SettleLocked(EndpointHealth& health, MonoTime back) {
  const MonoTime until =
      health.failing() ? EndpointHealth::kUnknown : std::max(back, health.ejected_until());
  health.out_until_.store(Ticks(until), kRelaxed);
}

bool OutlierDetector::Report(EndpointHealth& health, bool error, MonoTime now) {
  Ejections done;
  if (sweeps_.load(kRelaxed)) {
    health.Count(error);
    if (const int64_t due = sweep_at_.load(kRelaxed); Ticks(now) >= due) Sweep(due, now, done);
  }
  if (!error) {
    // Most reports: read, and leave the cache line shared.
    if (health.consecutive_errors_.load(kRelaxed) != 0) {
      health.consecutive_errors_.store(0, kRelaxed);
    }
  } else if (const uint32_t threshold = threshold_.load(kRelaxed); threshold > 0) {
    const uint32_t errors = health.consecutive_errors_.fetch_add(1, kRelaxed) + 1;
    if (errors >= threshold) {
      std::lock_guard lock(mutex_);
      EjectLocked(health, Reason::kConsecutiveErrors, now, done);
    }
  }
  if (done.empty()) return false;
  Log(done);
  return std::any_of(done.begin(), done.end(), [&](const auto& e) { return e.health == &health; });
}

// Of all who cross the end of an interval, one sweeps.
void OutlierDetector::Sweep(int64_t due, MonoTime now, Ejections& done) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;  // the next report tries again
  if (!sweep_at_.compare_exchange_strong(due, Ticks(now + policy_.interval), kRelaxed)) return;
  const bool stale = Ticks(now - policy_.interval) >= due;
  std::vector<EndpointHealth*> endpoints;
  std::vector<RequestVolume> volumes;
  for (const auto& [address, health] : members_) {
    const EndpointHealth::Volume volume = health->TakeVolume();
    if (stale || !health->AvailableAt(now)) continue;
    endpoints.push_back(health.get());
    volumes.push_back({volume.total, volume.failed});
  }
  if (policy_.success_rate) {
    for (const size_t i : BelowSuccessRate(volumes, *policy_.success_rate)) {
      EjectLocked(*endpoints[i], Reason::kSuccessRate, now, done);
    }
  }
  if (policy_.failure_percentage) {
    for (const size_t i : AboveFailurePercentage(volumes, *policy_.failure_percentage)) {
      EjectLocked(*endpoints[i], Reason::kFailurePercentage, now, done);
    }
  }
}

bool OutlierDetector::EjectLocked(EndpointHealth& health, Reason reason, MonoTime now,
                                  Ejections& done) {
  // Late reports of attempts that began before the ejection, or another worker was faster.
  if (!health.AvailableAt(now)) return false;
  if (!policy_.enabled) return false;  // since this report began
  const uint64_t out = OutLocked(now) + 1;
  if (out * 100 > uint64_t{policy_.max_ejected_percent} * members_.size()) return false;
  if (policy_.interval > Duration::zero() && health.ejections_ > 0) {
    const int64_t good = (now - health.ejected_until()) / policy_.interval;
    health.ejections_ -= static_cast<uint32_t>(std::min<int64_t>(good, health.ejections_));
  }
  ++health.ejections_;
  const Duration cap = std::max(policy_.base_ejection, kMaxEjection);
  const Duration time = policy_.base_ejection > cap / health.ejections_
                            ? cap
                            : policy_.base_ejection * health.ejections_;
  health.consecutive_errors_.store(0, kRelaxed);
  health.ejected_until_.store(Ticks(now + time), kRelaxed);
  SettleLocked(health, MonoTime());
  ejections_[static_cast<size_t>(reason)].fetch_add(1, kRelaxed);
  Changed();
  done.push_back({&health, reason, time});
  return true;
}

// After the mutex is free: a log that is slow delays this worker alone.
void OutlierDetector::Log(const Ejections& done) const {
  for (const Ejection& ejection : done) {
    spdlog::warn("upstream {}: {} is ejected for {} s by {}", upstream_, ejection.health->address(),
                 std::chrono::duration_cast<std::chrono::seconds>(ejection.time).count(),
                 NameOf(ejection.reason));
  }
}

void OutlierDetector::SetFailing(EndpointHealth& health, bool failing, MonoTime now) {
  std::lock_guard lock(mutex_);
  if (health.failing() == failing) return;
  health.failing_.store(failing, kRelaxed);
  if (!failing) health.consecutive_errors_.store(0, kRelaxed);
  SettleLocked(health, now);
  Changed();
}

void OutlierDetector::ClearFailing(MonoTime now) {
  std::lock_guard lock(mutex_);
  const auto clear = [&](EndpointHealth* health) {
    if (health == nullptr) return;
    health->probe_failure_.store(nullptr, kRelaxed);
    if (!health->failing_.exchange(false, kRelaxed)) return;
    SettleLocked(*health, now);
  };
  for (const auto& [address, health] : members_) clear(health.get());
  for (const auto& [address, health] : left_) clear(health.lock().get());
  Changed();
}

uint32_t OutlierDetector::OutLocked(MonoTime now) const {
  uint32_t out = 0;
  for (const auto& [address, health] : members_) out += !health->AvailableAt(now);
  return out;
}

uint32_t OutlierDetector::EjectedAt(MonoTime now) const {
  std::lock_guard lock(mutex_);
  uint32_t ejected = 0;
  for (const auto& [address, health] : members_) ejected += now < health->ejected_until();
  return ejected;
}

}  // namespace tollgate::proxy
