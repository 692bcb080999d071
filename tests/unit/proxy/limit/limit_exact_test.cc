// The production table against reference models that share no code with it, on random decisions:
// both algorithms, up to four windows, costs, sweeps at any moment, a clock that jumps both ways.
//
// 1,000,000 decisions; TOLLGATE_LIMIT_DECISIONS=10000000 sets another number. Each round prints its
// seed when it fails, and TOLLGATE_LIMIT_SEED=n repeats that round alone.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  uint64_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : fallback;
}

struct Verdict {
  bool allowed = false;
  uint8_t violated = 0;
  uint32_t remaining = 0;  // of the window with the least, after the request
};

// One key under one plan.
class Model {
 public:
  virtual ~Model() = default;
  // At `now`, which never goes back.
  virtual bool Fits(size_t window, int64_t now, uint32_t cost) = 0;
  virtual uint32_t Remaining(size_t window, int64_t now) = 0;
  virtual void Take(int64_t now, uint32_t cost) = 0;

  Verdict Decide(size_t windows, int64_t now, uint32_t cost) {
    Verdict verdict;
    for (size_t i = 0; i < windows; ++i) {
      if (!Fits(i, now, cost)) verdict.violated |= static_cast<uint8_t>(1 << i);
    }
    verdict.allowed = verdict.violated == 0;
    if (verdict.allowed) Take(now, cost);
    verdict.remaining = Remaining(0, now);
    for (size_t i = 1; i < windows; ++i) {
      verdict.remaining = std::min(verdict.remaining, Remaining(i, now));
    }
    return verdict;
  }
};

// Everything that was admitted, and when. At most `count` in any period.
class LogModel final : public Model {
 public:
  explicit LogModel(const PlanPolicy& plan) : plan_(plan) {
    for (const WindowPolicy& w : plan.windows) longest_ = std::max(longest_, w.period.count());
  }
  bool Fits(size_t window, int64_t now, uint32_t cost) override {
    return Used(window, now) + cost <= plan_.windows[window].count;
  }
  uint32_t Remaining(size_t window, int64_t now) override {
    return static_cast<uint32_t>(plan_.windows[window].count - Used(window, now));
  }
  void Take(int64_t now, uint32_t cost) override {
    while (!log_.empty() && log_.front().first <= now - longest_) log_.pop_front();
    log_.emplace_back(now, cost);
  }

 private:
  uint64_t Used(size_t window, int64_t now) const {
    uint64_t used = 0;
    for (const auto& [at, cost] : log_) {
      if (at > now - plan_.windows[window].period.count()) used += cost;
    }
    return used;
  }
  const PlanPolicy plan_;
  int64_t longest_ = 0;
  std::deque<std::pair<int64_t, uint32_t>> log_;
};

// The continuous-state leaky bucket, the other formulation of the algorithm in ITU-T I.371: what
// was poured in leaks out, one nanosecond a nanosecond; a unit is T of it.
class LeakyBucketModel final : public Model {
 public:
  explicit LeakyBucketModel(const PlanPolicy& plan) : level_(plan.windows.size()) {
    for (const WindowPolicy& w : plan.windows) {
      const int64_t unit = (w.period.count() + w.count - 1) / w.count;
      unit_.push_back(unit);
      depth_.push_back(unit * (plan.burst != 0 ? plan.burst : w.count));
    }
  }
  bool Fits(size_t window, int64_t now, uint32_t cost) override {
    Leak(now);
    return level_[window] + unit_[window] * cost <= depth_[window];
  }
  uint32_t Remaining(size_t window, int64_t now) override {
    Leak(now);
    return static_cast<uint32_t>((depth_[window] - level_[window]) / unit_[window]);
  }
  void Take(int64_t now, uint32_t cost) override {
    Leak(now);
    for (size_t i = 0; i < level_.size(); ++i) level_[i] += unit_[i] * cost;
  }

 private:
  void Leak(int64_t now) {
    for (int64_t& level : level_) level = std::max<int64_t>(level - (now - leaked_), 0);
    leaked_ = now;
  }
  std::vector<int64_t> unit_, depth_, level_;
  int64_t leaked_ = 0;
};

PlanPolicy RandomPlan(Random& random, LimitAlgorithm algorithm, int number) {
  static constexpr int64_t kPeriods[] = {100, 1'000, 2'500, 10'000, 60'000};  // ms
  PlanPolicy plan;
  plan.name = absl::StrCat("plan-", number);
  plan.algorithm = algorithm;
  const uint32_t windows = 1 + random.Below(4);
  const uint32_t first = random.Below(5 - windows + 1);
  uint32_t count = 0;
  for (uint32_t i = 0; i < windows; ++i) {
    count += 1 + random.Below(13);
    plan.windows.push_back({count, std::chrono::milliseconds(kPeriods[first + i])});
  }
  if (algorithm == LimitAlgorithm::kGcra && random.Below(2) == 0) {
    plan.burst = 1 + random.Below(9);
  }
  return plan;
}

class Round {
 public:
  Round(uint64_t seed, uint64_t decisions) : random_(seed) {
    for (int i = 0; i < 12; ++i) {
      policies_.push_back(RandomPlan(
          random_, i % 2 == 0 ? LimitAlgorithm::kGcra : LimitAlgorithm::kSlidingWindow, i));
      plans_.push_back(LimitPlan::Compile(policies_.back()));
    }
    for (uint64_t i = 0; i < decisions && !testing::Test::HasFailure(); ++i) Decide(i);
  }

  uint64_t admitted() const { return admitted_; }
  uint64_t dropped() const { return table_.Stats().dropped; }

 private:
  // Mostly on, a little at a time; now and then far, either way.
  void PassTime() {
    const uint32_t what = random_.Below(1000);
    const auto up_to = [this](uint64_t ms) {
      return static_cast<int64_t>(random_() % (ms * 1'000'000));
    };
    if (what < 300) return;
    if (what < 990) {
      clock_ += up_to(5);
    } else if (what < 995) {
      clock_ += up_to(90'000);
    } else {
      clock_ = std::max<int64_t>(clock_ - up_to(30'000), 1);
    }
  }

  Model& ModelOf(size_t plan, uint64_t key) {
    std::unique_ptr<Model>& model = models_[{plan, key}];
    if (model == nullptr && policies_[plan].algorithm == LimitAlgorithm::kGcra) {
      model = std::make_unique<LeakyBucketModel>(policies_[plan]);
    } else if (model == nullptr) {
      model = std::make_unique<LogModel>(policies_[plan]);
    }
    return *model;
  }

  void Decide(uint64_t number) {
    PassTime();
    if (random_.Below(50) == 0) {
      table_.Sweep(MonoTime(Duration(clock_)), 1 + random_.Below(500));
      newest_ = std::max(newest_, clock_);
    }
    const size_t plan = random_.Below(static_cast<uint32_t>(plans_.size()));
    // Few keys are asked often, many seldom: those are dropped in between.
    const uint64_t key = random_.Below(2) == 0 ? random_.Below(4) : random_.Below(2000);
    const uint32_t max = plans_[plan]->max_cost();
    const uint32_t cost = random_.Below(8) == 0 ? 1 + random_.Below(max + 1) : 1;
    Model& model = ModelOf(plan, key);
    const LimitDecision decision =
        table_.Check(plans_[plan], absl::StrCat("key-", key), MonoTime(Duration(clock_)), cost);
    const size_t windows = policies_[plan].windows.size();
    SCOPED_TRACE(number);
    if (cost > max) {
      EXPECT_FALSE(decision.allowed);
      EXPECT_EQ(decision.retry_after, LimitDecision::kNeverFits);
      return;
    }
    newest_ = std::max(newest_, clock_);
    const Verdict expected = model.Decide(windows, newest_, cost);
    EXPECT_EQ(decision.allowed, expected.allowed);
    EXPECT_EQ(decision.violated, expected.violated);
    admitted_ += expected.allowed;
    if (expected.allowed) {
      EXPECT_EQ(decision.remaining, expected.remaining);
    } else if (number % 16 == 0) {
      // The wait is the shortest: then it fits in every window, a nanosecond earlier not. (Leaking
      // a copy, since a model does not go back.)
      const int64_t then = newest_ + decision.retry_after.count();
      EXPECT_EQ(WouldFit(plan, key, then - 1, cost), false);
      EXPECT_EQ(WouldFit(plan, key, then, cost), true);
    }
  }

  bool WouldFit(size_t plan, uint64_t key, int64_t at, uint32_t cost) {
    const size_t windows = policies_[plan].windows.size();
    const auto all = [&](auto copy) {
      for (size_t i = 0; i < windows; ++i) {
        if (!copy.Fits(i, at, cost)) return false;
      }
      return true;
    };
    Model& model = ModelOf(plan, key);
    return policies_[plan].algorithm == LimitAlgorithm::kGcra
               ? all(static_cast<LeakyBucketModel&>(model))
               : all(static_cast<LogModel&>(model));
  }

  Random random_;
  std::vector<PlanPolicy> policies_;
  std::vector<std::shared_ptr<const LimitPlan>> plans_;
  LimitTable table_;
  std::map<std::pair<size_t, uint64_t>, std::unique_ptr<Model>> models_;
  int64_t clock_ = 3'600'000'000'000;
  int64_t newest_ = 0;  // that the table was told: what it refuses for its cost tells it nothing
  uint64_t admitted_ = 0;
};

TEST(LimitExact, DecidesLikeTheReferenceModels) {
  constexpr uint64_t kDecisionsARound = 100'000;
  const uint64_t decisions = FromEnvironment("TOLLGATE_LIMIT_DECISIONS", 1'000'000);
  const uint64_t only = FromEnvironment("TOLLGATE_LIMIT_SEED", 0);
  const uint64_t rounds = only != 0 ? 1 : (decisions + kDecisionsARound - 1) / kDecisionsARound;
  uint64_t admitted = 0;
  uint64_t dropped = 0;
  for (uint64_t i = 0; i < rounds && !HasFailure(); ++i) {
    const uint64_t seed = only != 0 ? only : 1000 + i;
    SCOPED_TRACE(absl::StrCat("TOLLGATE_LIMIT_SEED=", seed));
    const Round round(seed, kDecisionsARound);
    admitted += round.admitted();
    dropped += round.dropped();
  }
  const uint64_t total = rounds * kDecisionsARound;
  std::printf("%llu decisions, seeds %llu to %llu: %llu admitted, %llu counters dropped between\n",
              static_cast<unsigned long long>(total),
              static_cast<unsigned long long>(only != 0 ? only : 1000),
              static_cast<unsigned long long>(only != 0 ? only : 999 + rounds),
              static_cast<unsigned long long>(admitted), static_cast<unsigned long long>(dropped));
  EXPECT_GT(admitted, total / 10) << "the schedules must exercise both answers";
  EXPECT_LT(admitted, total - total / 10);
  EXPECT_GT(dropped, rounds * 100) << "nor is anything proved of counters that were never dropped";
}

}  // namespace
}  // namespace tollgate::proxy
