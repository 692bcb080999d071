#include "proxy/upstream/cluster_shared.h"

#include <algorithm>

#include "common/base/stable_hash.h"
#include "proxy/upstream/acquire_below.h"

namespace tollgate::proxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Percent of each cap that a route may fill, where routes have priorities.
constexpr uint32_t kDefaultShare = 90;
constexpr uint32_t kSheddableShare = 80;

}  // namespace

void Admission::Finish(const LatencySample& sample, MonoTime now) {
  if (ClusterShared* shared = std::exchange(shared_, nullptr);
      shared != nullptr && sample.latency > Duration::zero()) {
    GradientController* const adaptive = shared->adaptive_.load(std::memory_order_acquire);
    if (adaptive != nullptr) adaptive->Record(sample, now);
  }
  ticket_.reset();
  refused_ = nullptr;
}

ClusterShared::ClusterShared(const UpstreamPolicy& policy)
    : name_(policy.name),
      max_requests_(policy.max_requests),
      max_connections_(policy.max_connections),
      max_pending_(policy.max_pending),
      outliers_(policy.outlier_detection, policy.name) {
  Update(policy);
}

void ClusterShared::Update(const UpstreamPolicy& policy) {
  max_connections_.store(policy.max_connections, kRelaxed);
  max_pending_.store(policy.max_pending, kRelaxed);
  max_requests_.store(policy.max_requests, kRelaxed);
  priorities_.store(policy.has_priorities, kRelaxed);
  retry_budget_.Update(policy.retry_budget);
  if (!policy.adaptive_concurrency) {
    adaptive_.store(nullptr, std::memory_order_release);
    return;
  }
  std::lock_guard lock(mutex_);
  if (controller_ == nullptr) {
    // The seed spreads the measurements of sidecars; their processes differ in where they load.
    const uint64_t seed = Mix64(reinterpret_cast<uintptr_t>(this));
    controller_ = std::make_unique<GradientController>(*policy.adaptive_concurrency, seed);
  } else {
    controller_->Update(*policy.adaptive_concurrency);
  }
  adaptive_.store(controller_.get(), std::memory_order_release);
}

uint32_t ClusterShared::PartOf(uint32_t cap, Priority priority) const {
  if (priority == Priority::kCritical || !priorities_.load(kRelaxed)) return cap;
  const uint64_t share = priority == Priority::kDefault ? kDefaultShare : kSheddableShare;
  return std::max<uint32_t>(1, static_cast<uint32_t>(cap * share / 100));
}

Admission ClusterShared::Admit(Priority priority, MonoTime now, bool short_of_memory) {
  Admission admission;
  uint32_t cap = max_requests_.load(kRelaxed);
  Breaker breaker = Breaker::kRequests;
  if (GradientController* const adaptive = adaptive_.load(std::memory_order_acquire)) {
    admission.shared_ = this;
    if (const uint32_t limit = adaptive->LimitAt(now); limit < cap) {
      cap = limit;
      breaker = Breaker::kConcurrency;
    }
  }
  const bool sheddable = short_of_memory && priority == Priority::kSheddable;
  const uint32_t part = PartOf(cap, priority);
  if (!sheddable) {
    admission.ticket_ = retry_budget_.TryRequest(part);
    if (admission.ticket_.has_value()) return admission;
  }
  admission.shared_ = nullptr;
  if (sheddable || (part < cap && retry_budget_.active_requests() < cap)) {
    admission.refused_ = "shed";
    shed_[static_cast<size_t>(priority)].fetch_add(1, kRelaxed);
  } else {
    admission.refused_ =
        breaker == Breaker::kRequests ? "requests_overflow" : "concurrency_overflow";
    CountOverflow(breaker);
  }
  return admission;
}

bool ClusterShared::AcquireConnection() {
  return AcquireBelow(connections_, max_connections_.load(kRelaxed));
}

bool ClusterShared::AcquirePending() {
  if (AcquireBelow(pending_, max_pending_.load(kRelaxed))) return true;
  CountOverflow(Breaker::kPending);
  return false;
}

std::shared_ptr<ClusterShared> SharedClusters::Get(const UpstreamPolicy& policy) {
  absl::MutexLock lock(&mutex_);
  std::weak_ptr<ClusterShared>& known = by_name_[policy.name];
  if (auto shared = known.lock()) {
    shared->Update(policy);
    return shared;
  }
  auto made = std::make_shared<ClusterShared>(policy);
  known = made;
  std::erase_if(by_name_, [](const auto& entry) { return entry.second.expired(); });
  return made;
}

std::shared_ptr<ClusterShared> SharedClusters::Find(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.lock();
}

std::vector<std::shared_ptr<ClusterShared>> SharedClusters::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<ClusterShared>> all;
  for (const auto& [name, weak] : by_name_) {
    if (auto shared = weak.lock()) all.push_back(std::move(shared));
  }
  return all;
}

}  // namespace tollgate::proxy
