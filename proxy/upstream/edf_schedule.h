// Earliest deadline first: weighted turns whose weights may change from turn to turn. Each entry
// has a deadline, 1/weight behind its last turn; the earliest is next. Shares are proportional to
// weight; logarithmic in the number of entries. A value; one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class EdfSchedule {
 public:
  enum class Turn {
    kTake,
    kPass,  // not now: its turn stays
    kLose,  // its turn goes by, so that it has none to catch up on later
  };

  // What stands too low loses its turn; what was tried keeps it for another request.
  static Turn TurnOf(Standing standing, Standing least) {
    if (standing == Standing::kExcluded) return Turn::kPass;
    return standing >= least ? Turn::kTake : Turn::kLose;
  }

  // Entries 0 to size-1 anew, with random phases: many schedules that begin together (workers,
  // sidecars) must not agree on an order. weight(i) > 0, or the entry has no turns.
  template <typename Weight>
  void Reset(uint32_t size, Random& random, const Weight& weight) {
    heap_.clear();
    now_ = 0;
    for (uint32_t i = 0; i < size; ++i) {
      const double w = weight(i);
      if (w > 0) heap_.push_back({random.Unit() / w, i});
    }
    std::make_heap(heap_.begin(), heap_.end(), Later);
  }

  // The next entry that turn(i) takes; nullopt: none.
  template <typename Weight, typename Judge>
  std::optional<uint32_t> Next(const Weight& weight, const Judge& turn) {
    std::optional<uint32_t> found;
    while (!found.has_value() && !heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), Later);
      Entry entry = heap_.back();
      heap_.pop_back();
      const Turn verdict = turn(entry.index);
      if (verdict == Turn::kTake) {
        found = entry.index;
        now_ = std::max(now_, entry.deadline);
      }
      if (verdict != Turn::kPass) {
        entry.deadline = std::max(now_, entry.deadline) + 1 / weight(entry.index);
      }
      aside_.push_back(entry);
    }
    for (const Entry& entry : aside_) {
      heap_.push_back(entry);
      std::push_heap(heap_.begin(), heap_.end(), Later);
    }
    aside_.clear();
    return found;
  }

 private:
  struct Entry {
    double deadline;
    uint32_t index;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.deadline != b.deadline ? a.deadline > b.deadline : a.index > b.index;
  }

  std::vector<Entry> heap_;
  std::vector<Entry> aside_;  // empty between calls
  double now_ = 0;            // the latest deadline whose turn was taken
};

}  // namespace tollgate::proxy
