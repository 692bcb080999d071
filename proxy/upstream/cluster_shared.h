// The process-wide part of an upstream, shared by the workers' clusters of one name: circuit
// breakers, retry budget, admission, verdicts, and what is counted about them. Thread-safe; lives
// as long as some cluster, or a health check, holds it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/policy/policy.h"
#include "proxy/upstream/gradient_controller.h"
#include "proxy/upstream/hash_table.h"
#include "proxy/upstream/outlier_detection.h"
#include "proxy/upstream/retry_budget.h"

namespace tollgate::proxy {

class ClusterShared;

// One request's place among those in progress at an upstream, or why it has none. Part of its
// stream; the upstream outlives it. A place is given back by Finish, or by the end of this object.
class [[nodiscard]] Admission {
 public:
  Admission() = default;  // not asked yet
  Admission(Admission&&) noexcept = default;
  Admission& operator=(Admission&&) noexcept = default;

  // A stable word for log and metrics, nullptr: admitted.
  const char* refused() const { return refused_; }
  // The request is over. `sample`: its latency; zero when that says nothing about the upstream (it
  // failed at once, the client went).
  void Finish(const LatencySample& sample, MonoTime now);

 private:
  friend class ClusterShared;
  std::optional<RetryBudget::Ticket> ticket_;
  ClusterShared* shared_ = nullptr;  // not null: latencies are wanted
  const char* refused_ = nullptr;
};

class ClusterShared {
 public:
  // Circuit breakers, by what they cap.
  enum class Breaker : uint8_t { kConnections, kPending, kRequests, kConcurrency };
  static constexpr size_t kBreakers = 4;
  static constexpr size_t kPriorities = 3;

  explicit ClusterShared(const UpstreamPolicy& policy);
  ClusterShared(const ClusterShared&) = delete;
  ClusterShared& operator=(const ClusterShared&) = delete;
  void Update(const UpstreamPolicy& policy);

  // Whether one more request may be in progress: fewer than max_requests are, and fewer than the
  // adaptive limit if there is one. Where routes have priorities, sheddable ones may fill 80 % of
  // each cap and default ones 90 %, and what is above is refused as "shed". `short_of_memory`: this
  // process is, so that sheddable requests are refused.
  Admission Admit(Priority priority, MonoTime now, bool short_of_memory = false);

  bool AcquireConnection();
  void ReleaseConnection() { connections_.fetch_sub(1, std::memory_order_relaxed); }
  bool AcquirePending();
  void ReleasePending() { pending_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t pending() const { return pending_.load(std::memory_order_relaxed); }
  uint32_t connections() const { return connections_.load(std::memory_order_relaxed); }

  RetryBudget& retry_budget() { return retry_budget_; }
  OutlierDetector& outliers() { return outliers_; }
  const OutlierDetector& outliers() const { return outliers_; }
  const RetryBudget& retry_budget() const { return retry_budget_; }
  // Null: the limit does not adapt.
  const GradientController* adaptive() const { return adaptive_.load(std::memory_order_acquire); }
  const std::string& name() const { return name_; }

  // --- Counted, for metrics.
  // An attempt found no room under the cap on connections, and waits.
  void CountOverflow(Breaker breaker) {
    overflows_[static_cast<size_t>(breaker)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t overflows(Breaker breaker) const {
    return overflows_[static_cast<size_t>(breaker)].load(std::memory_order_relaxed);
  }
  uint64_t shed(Priority priority) const {
    return shed_[static_cast<size_t>(priority)].load(std::memory_order_relaxed);
  }
  struct ProbeCounts {
    std::atomic<uint64_t> succeeded{0};
    std::atomic<uint64_t> failed{0};
    std::atomic<uint64_t> to_healthy{0};  // verdicts that changed
    std::atomic<uint64_t> to_unhealthy{0};
  };
  ProbeCounts& probes() { return probes_; }
  const ProbeCounts& probes() const { return probes_; }

 private:
  friend class Admission;
  // What a priority may have of a cap; at least 1.
  uint32_t PartOf(uint32_t cap, Priority priority) const;

  const std::string name_;
  // What admission reads and counts, side by side.
  RetryBudget retry_budget_;
  std::atomic<uint32_t> max_requests_;
  std::atomic<bool> priorities_{false};
  std::atomic<GradientController*> adaptive_{nullptr};

  std::atomic<uint32_t> connections_{0};
  std::atomic<uint32_t> pending_{0};
  std::atomic<uint32_t> max_connections_;
  std::atomic<uint32_t> max_pending_;
  std::array<std::atomic<uint64_t>, kBreakers> overflows_ = {};
  std::array<std::atomic<uint64_t>, kPriorities> shed_ = {};
  ProbeCounts probes_;
  OutlierDetector outliers_;

  std::mutex mutex_;
  // Made when it is first asked for; stays, for requests that still have it. Guarded by mutex_.
  std::unique_ptr<GradientController> controller_;
};

// Name -> ClusterShared, and the tables of consistent hashing, for the process. Thread-safe.
class SharedClusters {
 public:
  // The one of this upstream, made or updated to `policy`.
  std::shared_ptr<ClusterShared> Get(const UpstreamPolicy& policy);
  // Null: no cluster of that name is in use.
  std::shared_ptr<ClusterShared> Find(const std::string& name) const;
  // All that are in use, by name.
  std::vector<std::shared_ptr<ClusterShared>> All() const;
  HashTables& hash_tables() { return hash_tables_; }

 private:
  HashTables hash_tables_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::weak_ptr<ClusterShared>> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tollgate::proxy
