// A plan compiled for counting: immutable, shared by the snapshots that contain it and by the
// counters that were last written under it. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
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
    GcraRate rate;       // GCRA only
    friend bool operator==(const Window&, const Window&) = default;
  };

  // The counters belong to (environment, plan's name), never to the rate: see limit_table.h.
  // A policy that validation would refuse (no window, or one that admits nothing) admits nothing.
  static std::shared_ptr<const LimitPlan> Compile(const PlanPolicy& policy,
                                                  absl::string_view environment = "default");

  const std::string& id() const { return id_; }
  uint64_t id_hash() const { return id_hash_; }
  LimitAlgorithm algorithm() const { return algorithm_; }
  const std::vector<Window>& windows() const { return windows_; }
  uint32_t max_count() const { return max_count_; }  // of any window
  int64_t max_period() const { return max_period_; }
  // A request that costs more is never admitted.
  uint32_t max_cost() const { return max_cost_; }
  // Same windows, counted alike: what was counted under one needs no conversion for the other.
  bool CountsLike(const LimitPlan& other) const;

 private:
  LimitPlan() = default;

  std::string id_;
  uint64_t id_hash_ = 0;
  LimitAlgorithm algorithm_ = LimitAlgorithm::kSlidingWindow;
  std::vector<Window> windows_;
  uint32_t max_count_ = 0;
  int64_t max_period_ = 0;
  uint32_t max_cost_ = 0;
};

}  // namespace tollgate::proxy
