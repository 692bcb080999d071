// Outlier detection, and the keeper of the process's verdicts: one on each endpoint of a cluster,
// from what all workers' attempts saw and from what the one prober saw. Thread-safe; reports and
// reads are atomics, only an ejection, a sweep and a probe that changes a verdict take a lock.
// Owned by the process beside the clusters' other shared state; outlives snapshots.
//
// Three ways lead to an ejection (Envoy's outlier detection, gRFC A50):
//  - `consecutive_errors`, at once;
//  - success rate: in the last interval, below mean - factor * standard deviation of all that had
//    enough requests;
//  - failure percentage: in the last interval, at or above a threshold.
// The last two are looked at once in an `interval`, by whoever reports first after its end; the
// worst goes first. An interval that ended long ago says nothing about now: it is dropped.
//
// An ejection lasts base * n, n being how often it happened of late (it falls by one for each
// `interval` that the endpoint stays in), at most 300 s. The endpoint returns by itself. It is not
// ejected when more than `max_ejected_percent` of the endpoints would be out, failing probes
// included: what is left has to carry the load.
//
// An error is a failure to connect, a reset, a timeout or a 5xx. Everything below 500 is an answer:
// a payment's refusals (402, 409, 422) are business, and ejecting an endpoint for its 429 would
// only push the load onto the next.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/policy/policy.h"
#include "proxy/upstream/endpoint_health.h"

namespace tollgate::proxy {

class OutlierDetector {
 public:
  static constexpr Duration kMaxEjection = std::chrono::seconds(300);
  enum class Reason : uint8_t { kConsecutiveErrors, kSuccessRate, kFailurePercentage };
  static constexpr size_t kReasons = 3;

  // `upstream` is for the log.
  explicit OutlierDetector(const OutlierDetectionPolicy& policy = {}, std::string upstream = "");
  OutlierDetector(const OutlierDetector&) = delete;
  OutlierDetector& operator=(const OutlierDetector&) = delete;

  // A push: the settings, and who is a member. What is known about an address that stays is kept,
  // also of one that was taken out meanwhile (workers hear of names one by one) while some worker
  // still has it. When detection is switched off, the ejected return. One that joins others is new
  // as of `now`; the first members are taken to be warm: there is nobody to take their load
  // meanwhile. So are those in `warm`: they are new to us alone.
  void Update(const OutlierDetectionPolicy& policy, absl::Span<const Address> members,
              MonoTime now = {}, absl::Span<const Address> warm = {});

  // The member's verdict, shared with the workers' slots; null for an address that is no member.
  std::shared_ptr<EndpointHealth> Find(const Address& address) const;

  // What an attempt saw. True when this report ejected the endpoint that it is about.
  bool Report(EndpointHealth& health, bool error, MonoTime now);
  static bool IsErrorStatus(int status) { return status >= 500; }

  // What the probes of an endpoint come to. One that recovers ramps up as a new one does.
  void SetFailing(EndpointHealth& health, bool failing, MonoTime now);
  // Nobody is probed any more: who is out for it returns.
  void ClearFailing(MonoTime now);

  uint32_t EjectedAt(MonoTime now) const;
  uint64_t ejections(Reason reason) const {
    return ejections_[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }

  struct Member {
    Address address;
    std::shared_ptr<EndpointHealth> health;
    uint32_t ejections = 0;  // of late
  };
  std::vector<Member> Members() const;

  // Another number than before: some verdict or the members may have changed, other than by an
  // ejection's end.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  struct Ejection {
    const EndpointHealth* health;
    Reason reason;
    Duration time;
  };
  using Ejections = std::vector<Ejection>;

  void Sweep(int64_t due, MonoTime now, Ejections& done);
  bool EjectLocked(EndpointHealth& health, Reason reason, MonoTime now, Ejections& done);
  uint32_t OutLocked(MonoTime now) const;
  void SettleLocked(EndpointHealth& health, MonoTime back);
  void Changed() { generation_.fetch_add(1, std::memory_order_release); }
  void Log(const Ejections& done) const;

  const std::string upstream_;
  std::atomic<uint32_t> threshold_;  // 0: off
  std::atomic<bool> sweeps_{false};
  std::atomic<int64_t> sweep_at_{0};  // the end of the interval
  std::atomic<uint64_t> generation_{0};
  std::array<std::atomic<uint64_t>, kReasons> ejections_ = {};
  mutable std::mutex mutex_;
  OutlierDetectionPolicy policy_;                               // guarded by mutex_
  std::map<Address, std::shared_ptr<EndpointHealth>> members_;  // guarded by mutex_
  std::map<Address, std::weak_ptr<EndpointHealth>> left_;       // guarded by mutex_
};

}  // namespace tollgate::proxy
