// Passive outlier detection: one verdict a process on each endpoint of a cluster, from what all
// workers' attempts saw. Thread-safe; reports and reads are atomics, only an ejection takes a lock.
// Owned by the process beside the clusters' other shared state; outlives snapshots.
//
// After `consecutive_errors` an endpoint is ejected for base * n, n being how often it was of late
// (it falls by one for each `interval` that it stays in), at most 300 s. It returns by itself.
// Never are more than `max_ejected_percent` of the endpoints out.
//
// An error is a failure to connect, a reset, a timeout or a 5xx. Everything below 500 is an answer:
// a payment's refusals (402, 409, 422) are business, and ejecting an endpoint for its 429 would
// only push the load onto the next.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/types/span.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

// The verdict on one endpoint. Thread-safe.
class EndpointHealth {
 public:
  bool AvailableAt(MonoTime now) const {
    return now.time_since_epoch().count() >= ejected_until_.load(std::memory_order_relaxed);
  }
  MonoTime ejected_until() const {
    return MonoTime(Duration(ejected_until_.load(std::memory_order_relaxed)));
  }
  // Since when it is a member and not ejected: slow start counts from here. While it is ejected,
  // when it will return.
  MonoTime available_since() const { return std::max(joined_, ejected_until()); }

 private:
  friend class OutlierDetector;
  std::atomic<uint32_t> consecutive_errors_{0};
  std::atomic<int64_t> ejected_until_{0};
  uint32_t ejections_ = 0;  // guarded by the detector's mutex
  MonoTime joined_{};       // set before it is shared
};

class OutlierDetector {
 public:
  static constexpr Duration kMaxEjection = std::chrono::seconds(300);

  explicit OutlierDetector(const OutlierDetectionPolicy& policy = {});
  OutlierDetector(const OutlierDetector&) = delete;
  OutlierDetector& operator=(const OutlierDetector&) = delete;

  // A push: the settings, and who is a member. What is known about an address that stays is kept.
  // When detection is switched off all members return. One that joins others is new as of `now`;
  // the first members are taken to be warm: there is nobody to take their load meanwhile. So are
  // those in `warm`: they are new to us alone.
  void Update(const OutlierDetectionPolicy& policy, absl::Span<const Address> members,
              MonoTime now = {}, absl::Span<const Address> warm = {});

  // The member's verdict, shared with the workers' slots; null for an address that is no member.
  std::shared_ptr<EndpointHealth> Find(const Address& address) const;

  // What an attempt saw. True when this report ejected the endpoint.
  bool Report(EndpointHealth& health, bool error, MonoTime now);
  static bool IsErrorStatus(int status) { return status >= 500; }

  uint32_t EjectedAt(MonoTime now) const;

  // Another number than before: some verdict may have changed, other than by an ejection's end.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  bool Eject(EndpointHealth& health, MonoTime now);
  uint32_t EjectedLocked(MonoTime now) const;

  std::atomic<uint32_t> threshold_;  // 0: off
  std::atomic<uint64_t> generation_{0};
  mutable std::mutex mutex_;
  OutlierDetectionPolicy policy_;
  std::map<Address, std::shared_ptr<EndpointHealth>> members_;
};

}  // namespace tollgate::proxy
