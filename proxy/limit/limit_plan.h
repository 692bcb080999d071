// A plan compiled for counting: immutable, shared by the snapshots that contain it and by the
// counters that were last written under it. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/policy/policy.h"
#include "proxy/limit/gcra.h"

namespace tollgate::proxy {

class LimitPlan {
 public:
  struct Window {
    uint32_t count = 0;
    int64_t period = 0;  // ns
    uint32_t burst = 0;  // what a full bucket holds; the count, for a sliding window
    // A request that costs more never fits: the burst, or less where the arithmetic saturates.
    uint32_t max_cost = 0;
    GcraRate rate;  // GCRA only
    friend bool operator==(const Window&, const Window&) = default;
  };

  // The counters belong to the plan's name, never to the rate: see limit_table.h.
  // A policy that validation would refuse (no window, or one that admits nothing) admits nothing:
  // who asks a plan that only limits concurrency asks ConcurrencyTable alone.
  static std::shared_ptr<const LimitPlan> Compile(const PlanPolicy& policy);

  const std::string& name() const { return name_; }
  uint64_t name_hash() const { return name_hash_; }
  LimitAlgorithm algorithm() const { return algorithm_; }
  const std::vector<Window>& windows() const { return windows_; }
  uint32_t max_count() const { return max_count_; }  // of any window
  int64_t max_period() const { return max_period_; }
  // A request that costs more is never admitted.
  uint32_t max_cost() const { return max_cost_; }
  uint32_t concurrency() const { return concurrency_; }  // 0: any number
  // Clients are told when there is room again (LimitDecision::reset).
  bool reports() const { return reports_; }
  bool shadow() const { return shadow_; }
  // Its keys can be made by who has no credential: addresses, which one attacker may have many of.
  bool by_strangers() const { return by_strangers_; }

  // For operators.
  const std::vector<LimitKeyPart>& per() const { return per_; }
  bool show_claims() const { return show_claims_; }

  // Same windows, counted alike: what was counted under one needs no conversion for the other.
  bool CountsLike(const LimitPlan& other) const;

 private:
  LimitPlan() = default;

  std::string name_;
  uint64_t name_hash_ = 0;
  LimitAlgorithm algorithm_ = LimitAlgorithm::kSlidingWindow;
  std::vector<Window> windows_;
  uint32_t max_count_ = 0;
  int64_t max_period_ = 0;
  uint32_t max_cost_ = 0;
  uint32_t concurrency_ = 0;
  bool reports_ = false;
  bool shadow_ = false;
  bool by_strangers_ = false;
  bool show_claims_ = false;
  std::vector<LimitKeyPart> per_;
};

}  // namespace tollgate::proxy
