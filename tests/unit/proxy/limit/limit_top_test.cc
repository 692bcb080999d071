#include "proxy/limit/limit_top.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

struct LimitTopTest : testing::Test {
  LimitTable table;
  std::shared_ptr<const LimitPlan> plan = Sliding({PerSecond(50), PerMinute(100)});

  void Use(int consumer, int times, MonoTime at = At(0)) {
    for (int i = 0; i < times; ++i) table.Check(plan, absl::StrCat("c:shop-", consumer), at);
  }
  // As often as a whole pass takes.
  static std::vector<LimitUse> Whole(LimitTop& top, MonoTime now) {
    top.Advance(now, 1'000'000);
    return top.Top();
  }
};

TEST_F(LimitTopTest, NamesTheFullestFirstWithTheWindowThatIsFullest) {
  Use(1, 10);
  Use(2, 45);
  Use(3, 50);
  Use(3, 7);
  Use(2, 45, At(2));
  LimitTop top(table, 2);
  const std::vector<LimitUse> found = Whole(top, At(2));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].key, "consumer=shop-2");
  EXPECT_EQ(found[0].plan, "standard");
  // 45 of 50 in the last second, and 90 of 100 in the last minute: the first of the equally full.
  EXPECT_EQ(found[0].window, "50/1s");
  EXPECT_EQ(found[0].used, 45u);
  EXPECT_EQ(found[0].limit, 50u);
  EXPECT_EQ(found[1].key, "consumer=shop-3");
  EXPECT_EQ(found[1].window, "100/60s");
  EXPECT_EQ(found[1].used, 50u);
  EXPECT_EQ(found[1].refused, 7u);
}

TEST_F(LimitTopTest, ForgetsWhatHasLeftTheWindows) {
  Use(1, 50);
  LimitTop top(table, 5);
  EXPECT_EQ(Whole(top, At(0)).size(), 1u);
  EXPECT_TRUE(Whole(top, At(61)).empty());
}

TEST_F(LimitTopTest, LooksAtAPartEachTimeAndSpeaksOfTheLastWholePass) {
  for (int i = 0; i < 5000; ++i) Use(i, 1 + i % 9);
  LimitTop top(table, 3);
  int steps = 0;
  while (top.Top().empty() && steps < 1000) {
    top.Advance(At(0), 500);
    ++steps;
  }
  EXPECT_GT(steps, 5) << "a step must not look at everything";
  EXPECT_LT(steps, 1000);
  for (const LimitUse& use : top.Top()) EXPECT_EQ(use.used, 9u);
  EXPECT_EQ(top.Top().size(), 3u);
}

TEST_F(LimitTopTest, TellsWhatIsInProgress) {
  PlanPolicy policy;
  policy.name = "at-once";
  policy.concurrency = 2;
  policy.shadow = true;
  const auto at_once = LimitPlan::Compile(policy);
  const ConcurrencyDecision held = table.concurrency().Acquire(at_once, "c:shop-9");
  Use(1, 5);
  LimitTop top(table, 5);
  const std::vector<LimitUse> found = Whole(top, At(0));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].window, "concurrency");
  EXPECT_EQ(found[0].key, "consumer=shop-9");
  EXPECT_EQ(found[0].used, 1u);
  EXPECT_EQ(found[0].limit, 2u);
  EXPECT_TRUE(found[0].shadow);
  EXPECT_EQ(found[1].key, "consumer=shop-1");
}

TEST_F(LimitTopTest, NamesTheCounterThatKeysShare) {
  LimitTable small({.max_entries = 1});
  small.Check(plan, "c:first", At(0));
  for (int i = 0; i < 60; ++i) small.Check(plan, absl::StrCat("c:late-", i), At(0));
  LimitTop top(small, 5);
  const std::vector<LimitUse> found = Whole(top, At(0));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].key, "(shared by keys that found no room)");
  EXPECT_EQ(found[0].used, 50u);
  EXPECT_EQ(found[0].refused, 10u);
}

}  // namespace
}  // namespace tollgate::proxy
