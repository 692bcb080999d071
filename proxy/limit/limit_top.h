// Which keys are nearest to their limits, or over them: what a sidecar tells its operators. Looks
// at a part of the table each time, so that a million counters delay nobody. One thread; the table
// outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "proxy/limit/limit_table.h"

namespace tollgate::proxy {

// One key under one plan.
struct LimitUse {
  std::string plan;
  std::string key;     // as operators may see it (limit_key.h)
  std::string window;  // the fullest: "100/60s", or "concurrency"
  uint64_t limit = 0;
  uint64_t used = 0;
  uint64_t refused = 0;  // since its counter was made
  bool shadow = false;
};

class LimitTop {
 public:
  LimitTop(LimitTable& table, size_t keep) : table_(table), keep_(keep) {}
  LimitTop(const LimitTop&) = delete;
  LimitTop& operator=(const LimitTop&) = delete;

  // Looks at about `counters` more.
  void Advance(MonoTime now, size_t counters);
  // The fullest of the last pass over the whole table, and of what is in progress now; fullest
  // first, those that were refused more often before others. At most `keep`.
  std::vector<LimitUse> Top();

 private:
  struct Candidate {
    LimitUse use;
    std::string raw;  // the key's text: a counter that is seen twice is one
  };
  static bool Fuller(const LimitUse& a, const LimitUse& b);
  void Offer(const LimitPlan& plan, absl::string_view key, absl::string_view window, LimitUse use,
             std::vector<Candidate>* best);

  LimitTable& table_;
  const size_t keep_;
  LimitScanCursor cursor_;
  std::vector<Candidate> pass_;  // of the pass that goes on, fullest first
  std::vector<Candidate> last_;  // of the last whole one
};

// "100/60s", "5/250ms".
std::string WindowText(const LimitPlan::Window& window);

}  // namespace tollgate::proxy
