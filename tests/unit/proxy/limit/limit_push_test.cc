// State outlives policy: what a key has consumed survives a push, a rollback and a changed rate.
#include <memory>

#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

class LimitPush : public testing::Test {
 protected:
  int Admitted(const std::shared_ptr<const LimitPlan>& plan, double at, int tries = 1000) {
    int admitted = 0;
    for (int i = 0; i < tries; ++i) admitted += table_->Check(plan, "shop-42", At(at)).allowed;
    return admitted;
  }
  double Wait(const std::shared_ptr<const LimitPlan>& plan, double at) {
    return static_cast<double>(table_->Check(plan, "shop-42", At(at)).retry_after.count()) / 1e9;
  }
  std::unique_ptr<LimitTable> table_ = std::make_unique<LimitTable>();
};

TEST_F(LimitPush, TheSamePlanAgainChangesNothing) {
  EXPECT_EQ(Admitted(Sliding({PerMinute(10)}), 0), 10);
  EXPECT_EQ(Admitted(Sliding({PerMinute(10)}), 59), 0);
  EXPECT_EQ(Admitted(Sliding({PerMinute(10)}), 60), 10);
}

TEST_F(LimitPush, ASlidingWindowKeepsItsStamps) {
  const auto ten = Sliding({PerMinute(10)});
  EXPECT_EQ(Admitted(ten, 0, 4), 4);
  EXPECT_EQ(Admitted(ten, 30, 4), 4);
  const auto twelve = Sliding({PerMinute(12)});
  EXPECT_EQ(Admitted(twelve, 40), 4) << "8 of 12 are consumed";
  EXPECT_EQ(Admitted(twelve, 60), 4) << "the first four have left";
  const auto three = Sliding({PerMinute(3)});
  EXPECT_EQ(Admitted(three, 61), 0);
  EXPECT_EQ(Wait(three, 61), 59) << "until the three newest are a minute old";
}

TEST_F(LimitPush, ANewWindowSeesWhatTheOldOnesCounted) {
  EXPECT_EQ(Admitted(Sliding({PerMinute(10)}), 0, 7), 7);
  EXPECT_EQ(Admitted(Sliding({PerMinute(100), PerDay(9)}), 30), 2);
}

TEST_F(LimitPush, GcraCarriesConsumedUnitsOver) {
  EXPECT_EQ(Admitted(Gcra({PerMinute(10)}), 0, 8), 8);
  EXPECT_EQ(Admitted(Gcra({PerMinute(100)}), 0), 92);
}

TEST_F(LimitPush, GcraMatchesWindowsByTheirPeriod) {
  EXPECT_EQ(Admitted(Gcra({PerMinute(10), PerDay(100)}), 0, 6), 6);
  EXPECT_EQ(Admitted(Gcra({PerDay(100), PerMinute(10)}), 0), 4);
  LimitTable other;
  table_->Check(Gcra({PerMinute(10), PerDay(100)}), "x", At(0), 6);
  // The hour is new: the day, the next longer one, tells what was consumed.
  const auto hourly = Gcra({PerMinute(10), {7, std::chrono::hours(1)}, PerDay(100)});
  EXPECT_TRUE(table_->Check(hourly, "x", At(0)).allowed);
  EXPECT_FALSE(table_->Check(hourly, "x", At(0)).allowed);
}

TEST_F(LimitPush, ATightenedLimitIsAtWorstExhausted) {
  const auto wide = Gcra({PerSecond(1000)});
  EXPECT_EQ(Admitted(wide, 0), 1000);
  const auto tight = Gcra({PerMinute(1)});
  EXPECT_EQ(Wait(tight, 0), 60);
}

TEST_F(LimitPush, ExhaustedStaysExhaustedThroughPushAndRollback) {
  for (LimitAlgorithm algorithm : {LimitAlgorithm::kGcra, LimitAlgorithm::kSlidingWindow}) {
    for (LimitAlgorithm between : {LimitAlgorithm::kGcra, LimitAlgorithm::kSlidingWindow}) {
      for (uint32_t count : {1, 99, 101, 5000}) {
        table_ = std::make_unique<LimitTable>();
        const auto release = LimitPlan::Compile(Policy(algorithm, {PerMinute(100)}));
        EXPECT_EQ(Admitted(release, 0), 100);
        const auto pushed = LimitPlan::Compile(Policy(between, {PerSecond(count)}));
        const int extra = Admitted(pushed, 0.1, 3000);
        EXPECT_LE(extra, std::max<int>(static_cast<int>(count) - 100 + 1, 0) + 1);
        EXPECT_EQ(Admitted(release, 0.2), 0) << "rolled back from " << count << " a second";
      }
    }
  }
}

TEST_F(LimitPush, ARollbackFindsTheCounterAsIfNothingHadBeenPushed) {
  LimitTable undisturbed;
  const auto release = Sliding({PerSecond(3), PerMinute(40)});
  const std::shared_ptr<const LimitPlan> pushed[] = {Sliding({PerSecond(1000)}),
                                                     Gcra({PerMinute(5000)}), Gcra({PerDay(9000)})};
  double at = 0;
  int served = 0;
  for (int i = 0; i < 300; ++i, at += 0.1) {
    const LimitDecision expected = undisturbed.Check(release, "shop-42", At(at));
    const LimitDecision decision = table_->Check(release, "shop-42", At(at));
    ASSERT_EQ(decision.allowed, expected.allowed) << i;
    ASSERT_EQ(decision.retry_after, expected.retry_after) << i;
    if (i % 7 == 0) {
      at += 2;
      // Served under a pushed plan: counts for the release as well.
      if (undisturbed.Check(release, "shop-42", At(at)).allowed) {
        ++served;
        ASSERT_TRUE(table_->Check(pushed[i % 3], "shop-42", At(at)).allowed);
      }
      at += 2;
    }
  }
  EXPECT_GT(served, 20);
}

TEST_F(LimitPush, TheAlgorithmMayChangeWithoutForgetting) {
  EXPECT_EQ(Admitted(Sliding({PerMinute(10)}), 0), 10);
  EXPECT_EQ(Wait(Gcra({PerMinute(10)}), 30), 6);
  LimitTable other;
  for (int i = 0; i < 10; ++i) other.Check(Gcra({PerMinute(10)}), "a", At(0));
  const LimitDecision refused = other.Check(Sliding({PerMinute(10)}), "a", At(0));
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, std::chrono::minutes(1));
}

TEST_F(LimitPush, AStateBehindIsAtWorstExhaustedHoweverMuchIsServedMeanwhile) {
  const auto release = Gcra({PerMinute(10), PerDay(5000)});
  for (const auto& pushed : {Gcra({PerSecond(100)}), Sliding({PerSecond(100)})}) {
    table_ = std::make_unique<LimitTable>();
    EXPECT_EQ(Admitted(release, 0), 10);
    for (int second = 1; second <= 20; ++second) EXPECT_GE(Admitted(pushed, second, 100), 90);
    EXPECT_EQ(Admitted(release, 20), 0);
    EXPECT_EQ(Wait(release, 20), 6) << "as after any burst, not for each of 1,990 requests";
    EXPECT_EQ(Admitted(release, 80), 10);
  }
}

TEST_F(LimitPush, AStateBehindStaysFarFromOverflow) {
  const auto release = Gcra({PerDay(1)});
  const auto pushed = Gcra({PerSecond(10'000'000)});
  EXPECT_TRUE(table_->Check(release, "shop-42", At(0)).allowed);
  for (int second = 1; second <= 3; ++second) {
    EXPECT_TRUE(table_->Check(pushed, "shop-42", At(second), 5'000'000).allowed) << second;
  }
  EXPECT_EQ(Wait(release, 3), 24 * 3600) << "not 219 years";
}

TEST_F(LimitPush, PeekSaysWhatCheckWillSay) {
  const std::shared_ptr<const LimitPlan> plans[] = {Sliding({PerMinute(7)}), Gcra({PerMinute(9)}),
                                                    Sliding({PerSecond(2), PerMinute(12)}),
                                                    Gcra({PerSecond(3), PerDay(15)})};
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto& plan = plans[i / 3 % 4];
    const uint32_t cost = 1 + i % 2;
    const double at = 0.7 * i;
    const LimitDecision peeked = table_->Peek(plan, "shop-42", At(at), cost);
    const LimitDecision decision = table_->Check(plan, "shop-42", At(at), cost);
    ASSERT_EQ(peeked.allowed, decision.allowed) << i;
    ASSERT_EQ(peeked.retry_after, decision.retry_after) << i;
    ASSERT_EQ(peeked.remaining, decision.remaining) << i;
    refused += !decision.allowed;
  }
  EXPECT_GT(refused, 100);
  // What stands behind a counter and is full again is forgotten, and made anew of what is not.
  const auto brief = Sliding({PerSecond(5)});
  table_->Check(brief, "shop-43", At(0), 5);
  table_->Check(Gcra({PerDay(100)}), "shop-43", At(0));
  const LimitDecision peeked = table_->Peek(brief, "shop-43", At(2000));
  EXPECT_EQ(peeked.allowed, table_->Check(brief, "shop-43", At(2000)).allowed);
}

TEST_F(LimitPush, WhatWasKeptForARollbackGoesWhenItIsFullAgain) {
  EXPECT_EQ(Admitted(Gcra({PerMinute(100)}), 0), 100);
  const size_t alone = table_->Stats().bytes;
  const auto pushed = Gcra({PerSecond(1000)});
  EXPECT_TRUE(table_->Check(pushed, "shop-42", At(1)).allowed);
  EXPECT_GT(table_->Stats().bytes, alone);
  EXPECT_TRUE(table_->Check(pushed, "shop-42", At(200)).allowed);
  EXPECT_EQ(table_->Stats().bytes, alone);
  for (uint32_t i = 1; i < 100; ++i) table_->Check(Gcra({PerMinute(5000 + i)}), "shop-42", At(201));
  EXPECT_LT(table_->Stats().bytes, alone + 1000) << "a bounded number of states stand behind it";
}

}  // namespace
}  // namespace tollgate::proxy
