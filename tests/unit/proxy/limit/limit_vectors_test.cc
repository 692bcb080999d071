// The published vectors of the windows, and a naive exact log as the reference.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/random.h"
#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

constexpr double kAllow = 0;

struct Step {
  double at;
  double wait;  // kAllow, or the seconds to wait
};

void Follow(const std::shared_ptr<const LimitPlan>& plan, const std::vector<Step>& steps) {
  LimitTable table;
  for (const Step& step : steps) {
    SCOPED_TRACE(step.at);
    const LimitDecision decision = table.Check(plan, "shop-42", At(step.at));
    EXPECT_EQ(decision.allowed, step.wait == kAllow);
    // The vectors are printed to a thousandth.
    EXPECT_NEAR(static_cast<double>(decision.retry_after.count()) / 1e9, step.wait, 0.0005);
  }
}

TEST(LimitVectors, GcraTenPerSecondTenPerMinute) {
  const auto plan = Gcra({PerSecond(10), PerMinute(10)});
  std::vector<Step> steps(10, {0, kAllow});
  for (Step s : {Step{0, 6}, {1, 5}, {5.9, 0.1}, {6, kAllow}, {6, 6}, {12, kAllow}}) {
    steps.push_back(s);
  }
  Follow(plan, steps);

  LimitTable table;
  for (const Step& s : steps) table.Check(plan, "shop-42", At(s.at));
  const LimitDecision last = table.Check(plan, "shop-42", At(60));
  EXPECT_TRUE(last.allowed);
  EXPECT_EQ(last.window, 1);
  EXPECT_EQ(last.limit, 10u);
  EXPECT_EQ(last.remaining, 7u);
}

TEST(LimitVectors, SlidingTenPerSecondTenPerMinute) {
  std::vector<Step> steps(10, {0, kAllow});
  for (Step s : {Step{0, 60}, {1, 59}, {6, 54}, {59.999, 0.001}, {60, kAllow}}) steps.push_back(s);
  Follow(Sliding({PerSecond(10), PerMinute(10)}), steps);
}

TEST(LimitVectors, GcraThreePerSecondFivePerMinute) {
  Follow(Gcra({PerSecond(3), PerMinute(5)}), {{0, kAllow},
                                              {0, kAllow},
                                              {0, kAllow},
                                              {0, 0.333},
                                              {0.4, kAllow},
                                              {0.4, 0.267},
                                              {0.8, kAllow},
                                              {0.8, 11.2},
                                              {12, kAllow}});
}

TEST(LimitVectors, SlidingThreePerSecondFivePerMinute) {
  Follow(Sliding({PerSecond(3), PerMinute(5)}), {{0, kAllow},
                                                 {0, kAllow},
                                                 {0, kAllow},
                                                 {0, 1},
                                                 {0.4, 0.6},
                                                 {1, kAllow},
                                                 {1, kAllow},
                                                 {1, 59},
                                                 {60, kAllow}});
}

TEST(LimitVectors, WindowsMayComeInAnyOrder) {
  Follow(Sliding({PerMinute(5), PerSecond(3)}),
         {{0, kAllow}, {0, kAllow}, {0, kAllow}, {0, 1}, {1, kAllow}, {1, kAllow}, {1, 59}});
}

// Everything that was admitted, and nothing clever.
class NaiveLog {
 public:
  explicit NaiveLog(std::vector<WindowPolicy> windows) : windows_(std::move(windows)) {}

  bool Fits(int64_t now, uint32_t cost) const {
    for (const WindowPolicy& w : windows_) {
      const int64_t from = now - w.period.count();
      const auto used =
          std::count_if(log_.begin(), log_.end(), [&](int64_t t) { return t > from; });
      if (used + cost > w.count) return false;
    }
    return true;
  }
  void Take(int64_t now, uint32_t cost) { log_.insert(log_.end(), cost, now); }
  uint32_t Least(int64_t now) const {
    int64_t least = 1 << 30;
    for (const WindowPolicy& w : windows_) {
      const int64_t from = now - w.period.count();
      const auto used =
          std::count_if(log_.begin(), log_.end(), [&](int64_t t) { return t > from; });
      least = std::min<int64_t>(least, w.count - used);
    }
    return static_cast<uint32_t>(least);
  }
  // The first moment at which `cost` fits: some stamp leaves some window then.
  int64_t FirstFit(int64_t now, uint32_t cost) const {
    int64_t first = std::numeric_limits<int64_t>::max();
    for (int64_t t : log_) {
      for (const WindowPolicy& w : windows_) {
        const int64_t leaves = t + w.period.count();
        if (leaves > now && leaves < first && Fits(leaves, cost)) first = leaves;
      }
    }
    return first;
  }

 private:
  std::vector<WindowPolicy> windows_;
  std::vector<int64_t> log_;
};

TEST(LimitReference, SlidingDecidesLikeAnExactLog) {
  Random random(20261120);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    std::vector<WindowPolicy> windows;
    const uint32_t n = 1 + random.Below(4);
    for (uint32_t i = 0; i < n; ++i) {
      windows.push_back({2 + random.Below(12), Duration(20 + 31 * random.Below(30) + i)});
    }
    NaiveLog log(windows);
    const auto plan = Sliding(windows);
    LimitTable table;
    int64_t now = 1'000'000;
    for (int step = 0; step < 300; ++step) {
      now += random.Below(40);
      const uint32_t cost = 1 + random.Below(std::min<uint32_t>(3, plan->max_cost()));
      const bool fits = log.Fits(now, cost);
      const LimitDecision decision = table.Check(plan, "k", MonoTime(Duration(now)), cost);
      ASSERT_EQ(decision.allowed, fits) << "step " << step;
      if (fits) {
        log.Take(now, cost);
        ASSERT_EQ(decision.remaining, log.Least(now));
      } else {
        ASSERT_EQ(now + decision.retry_after.count(), log.FirstFit(now, cost));
      }
    }
  }
}

TEST(LimitReference, GcraKeepsItsBoundInEveryWindowAndItsWaitIsTight) {
  Random random(99);
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    const uint32_t count = 1 + random.Below(9);
    const int64_t period = 1000 + random.Below(9000);
    const uint32_t burst = 1 + random.Below(12);
    const auto plan = Gcra({{count, Duration(period)}}, burst);
    LimitTable table;
    std::vector<int64_t> admitted;
    int64_t now = 1'000'000;
    for (int step = 0; step < 400; ++step) {
      now += random.Below(2 * static_cast<uint32_t>(period) / count);
      const LimitDecision decision = table.Check(plan, "k", MonoTime(Duration(now)));
      if (decision.allowed) {
        admitted.push_back(now);
      } else {
        LimitTable other;  // replay, and ask one nanosecond early and on time
        for (int64_t t : admitted) other.Check(plan, "k", MonoTime(Duration(t)));
        const int64_t fits = now + decision.retry_after.count();
        ASSERT_FALSE(other.Check(plan, "k", MonoTime(Duration(fits - 1))).allowed);
        ASSERT_TRUE(other.Check(plan, "k", MonoTime(Duration(fits))).allowed);
      }
    }
    for (size_t i = 0; i < admitted.size(); ++i) {
      for (size_t j = i; j < admitted.size(); ++j) {
        const double span = static_cast<double>(admitted[j] - admitted[i]);
        ASSERT_LE(static_cast<double>(j - i + 1),
                  burst + span * count / static_cast<double>(period) + 1e-9);
      }
    }
  }
}

}  // namespace
}  // namespace tollgate::proxy
