#include "proxy/limit/limit_table.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

int Admitted(LimitTable& table, const std::shared_ptr<const LimitPlan>& plan,
             const std::string& key, MonoTime now, int tries) {
  int admitted = 0;
  for (int i = 0; i < tries; ++i) admitted += table.Check(plan, key, now).allowed;
  return admitted;
}

TEST(LimitTable, CountsEachKeyAlone) {
  LimitTable table;
  const auto plan = Sliding({PerMinute(3)});
  EXPECT_EQ(Admitted(table, plan, "a", At(0), 10), 3);
  EXPECT_EQ(Admitted(table, plan, "b", At(0), 10), 3);
  EXPECT_EQ(Admitted(table, plan, "", At(0), 10), 3);
  EXPECT_EQ(table.Stats().entries, 3u);
}

TEST(LimitTable, CountsEachPlanAlone) {
  LimitTable table;
  PlanPolicy policy = Policy(LimitAlgorithm::kGcra, {PerMinute(3)});
  EXPECT_EQ(Admitted(table, LimitPlan::Compile(policy), "a", At(0), 10), 3);
  policy.name = "premium";
  EXPECT_EQ(Admitted(table, LimitPlan::Compile(policy), "a", At(0), 10), 3);
}

TEST(LimitTable, TakesFromAllWindowsOrNone) {
  for (LimitAlgorithm algorithm : {LimitAlgorithm::kGcra, LimitAlgorithm::kSlidingWindow}) {
    LimitTable table;
    const auto plan = LimitPlan::Compile(Policy(algorithm, {PerSecond(2), PerMinute(6)}));
    // Most are refused by the second; none of those may count against the minute.
    int admitted = 0;
    for (int s = 0; s < 3; ++s) admitted += Admitted(table, plan, "a", At(s), 100);
    EXPECT_EQ(admitted, 6);
  }
}

TEST(LimitTable, ACostThatCanNeverFitIsToldSo) {
  for (const auto& plan :
       {Gcra({PerSecond(10), PerMinute(20)}, 5), Sliding({PerSecond(5), PerDay(9)})}) {
    LimitTable table;
    EXPECT_TRUE(table.Check(plan, "a", At(0), 5).allowed);
    const LimitDecision never = table.Check(plan, "b", At(0), 6);
    EXPECT_FALSE(never.allowed);
    EXPECT_EQ(never.retry_after, LimitDecision::kNeverFits);
    EXPECT_EQ(never.limit, 5u);
  }
}

TEST(LimitTable, AFreeRequestIsNotFree) {
  LimitTable table;
  const auto plan = Sliding({PerMinute(2)});
  EXPECT_TRUE(table.Check(plan, "a", At(0), 0).allowed);
  EXPECT_TRUE(table.Check(plan, "a", At(0), 0).allowed);
  EXPECT_FALSE(table.Check(plan, "a", At(0), 0).allowed);
}

TEST(LimitTable, APlanThatValidationWouldRefuseAdmitsNothing) {
  LimitTable table;
  EXPECT_FALSE(table.Check(Sliding({}), "a", At(0)).allowed);
  EXPECT_FALSE(table.Check(Gcra({PerMinute(0)}), "a", At(0)).allowed);
  EXPECT_FALSE(table.Check(Sliding({PerMinute(5), {5, Duration(0)}}), "a", At(0)).allowed);
}

TEST(LimitTable, AWorkerWhoseClockLagsGainsNothing) {
  LimitTable table;
  const auto plan = Sliding({PerSecond(2)});
  EXPECT_TRUE(table.Check(plan, "a", At(10)).allowed);
  EXPECT_TRUE(table.Check(plan, "a", At(9.9)).allowed);
  EXPECT_FALSE(table.Check(plan, "a", At(9.8)).allowed);
  EXPECT_FALSE(table.Check(plan, "a", At(10.95)).allowed);
  EXPECT_EQ(Admitted(table, plan, "a", At(11), 5), 2);
}

TEST(LimitTable, AdmitsExactlyTheCountToManyThreads) {
  for (LimitAlgorithm algorithm : {LimitAlgorithm::kGcra, LimitAlgorithm::kSlidingWindow}) {
    LimitTable table;
    const auto plan = LimitPlan::Compile(Policy(algorithm, {PerDay(1000)}));
    std::atomic<int> hot{0};
    std::atomic<int> cold{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          hot += table.Check(plan, "hot", At(0)).allowed;
          cold += table.Check(plan, absl::StrCat("key-", i), At(0), 600).allowed;
        }
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(hot, 1000);
    EXPECT_EQ(cold, 1000) << "of 4 that cost 600 each, every key has room for one";
  }
}

TEST(LimitTable, StaysExactWhileManyThreadsPushAndOverflow) {
  // Two snapshots at once (another object, another rate), a table that is too small, sweeps
  // between.
  LimitTable table({.max_entries = 50});
  const auto before = Sliding({PerDay(20)});
  const auto after = Gcra({PerDay(20)});
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 4000; ++i) {
        const auto& plan = (i + t) % 2 == 0 ? before : after;
        admitted += table.Check(plan, absl::StrCat("key-", i % 100), At(0)).allowed;
        if (i % 100 == 0) table.Sweep(At(0), 1000);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(admitted, 50 * 20 + 20) << "50 keys of their own, the other 50 share one bucket";
  EXPECT_EQ(table.Stats().entries, 50u);
}

TEST(LimitTable, RoundsTheWaitUpToWholeSeconds) {
  EXPECT_EQ(RetryAfterSeconds(Duration(0)), 1);
  EXPECT_EQ(RetryAfterSeconds(Duration(1)), 1);
  EXPECT_EQ(RetryAfterSeconds(std::chrono::seconds(1)), 1);
  EXPECT_EQ(RetryAfterSeconds(std::chrono::seconds(1) + Duration(1)), 2);
  EXPECT_GT(RetryAfterSeconds(LimitDecision::kNeverFits), 0);
}

}  // namespace
}  // namespace tollgate::proxy
