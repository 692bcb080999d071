// Bounded memory: the sweep, the overflow bucket, the byte bound.
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

std::string Key(int i) { return absl::StrCat("shop-", i); }

TEST(LimitMemory, NewKeysShareTheOverflowBucketWhenTheTableIsFull) {
  LimitTable table({.max_entries = 10});
  const auto plan = Sliding({PerMinute(3)});
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(table.Check(plan, Key(i), At(0)).overflow);
  int admitted = 0;
  for (int i = 10; i < 30; ++i) {
    const LimitDecision decision = table.Check(plan, Key(i), At(0));
    EXPECT_TRUE(decision.overflow);
    admitted += decision.allowed;
  }
  EXPECT_EQ(admitted, 3);
  EXPECT_EQ(table.Stats().overflowed, 20u);
  EXPECT_EQ(table.Stats().entries, 10u);
  // Whoever is known keeps counting alone.
  EXPECT_EQ(table.Check(plan, Key(3), At(0)).remaining, 1u);
  // Each plan has an overflow bucket of its own.
  PlanPolicy other = Policy(LimitAlgorithm::kGcra, {PerMinute(2)});
  other.name = "other";
  EXPECT_EQ(table.Check(LimitPlan::Compile(other), "x", At(0)).remaining, 1u);
}

TEST(LimitMemory, StrangersHaveHalfOfTheTableAndOverflowAmongThemselves) {
  LimitTable table({.max_entries = 100});
  PlanPolicy policy = Policy(LimitAlgorithm::kGcra, {PerMinute(3)});
  const auto callers = LimitPlan::Compile(policy);
  policy.name = "guesses";
  policy.per = {LimitKey::kAddress};
  const auto guesses = LimitPlan::Compile(policy);
  int own = 0;
  for (int i = 0; i < 1000; ++i) own += !table.Check(guesses, Key(i), At(0)).overflow;
  EXPECT_EQ(own, 50);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(table.Check(callers, Key(i), At(0)).overflow) << i;
  EXPECT_TRUE(table.Check(callers, "one too many", At(0)).overflow);
  // What strangers held is theirs again when it is full again.
  table.Sweep(At(60), 1'000'000);
  own = 0;
  for (int i = 0; i < 1000; ++i) own += !table.Check(guesses, Key(i), At(60)).overflow;
  EXPECT_EQ(own, 50);
}

TEST(LimitMemory, PeekLooksWhereCheckWouldLookInAFullTable) {
  LimitTable table({.max_entries = 1});
  const auto plan = Sliding({PerMinute(2)});
  EXPECT_TRUE(table.Check(plan, "filler", At(0)).allowed);
  EXPECT_TRUE(table.Peek(plan, "a", At(0)).allowed);
  EXPECT_TRUE(table.Check(plan, "a", At(0)).overflow);
  EXPECT_TRUE(table.Check(plan, "b", At(1)).allowed);
  EXPECT_FALSE(table.Peek(plan, "c", At(2)).allowed);
  EXPECT_EQ(table.Peek(plan, "c", At(2)).retry_after, table.Check(plan, "c", At(2)).retry_after);
  EXPECT_TRUE(table.Peek(plan, "c", At(61)).allowed);
}

TEST(LimitMemory, AnActiveKeyIsNeverForgotten) {
  LimitTable table({.max_entries = 100});
  const auto plan = Gcra({PerMinute(1)});
  EXPECT_TRUE(table.Check(plan, "active", At(0)).allowed);
  for (int i = 0; i < 20'000; ++i) table.Check(plan, Key(i), At(0.001 * i));
  EXPECT_FALSE(table.Check(plan, "active", At(59)).allowed);
  EXPECT_TRUE(table.Check(plan, "active", At(60)).allowed);
}

TEST(LimitMemory, CountersThatAreFullAgainMakeRoom) {
  for (const auto& plan : {Gcra({PerSecond(10)}), Sliding({PerSecond(10)})}) {
    LimitTable table({.max_entries = 1000});
    for (int i = 0; i < 1000; ++i) table.Check(plan, Key(i), At(0));
    EXPECT_EQ(table.Stats().entries, 1000u);
    int own = 0;
    for (int i = 1000; i < 2000; ++i) own += !table.Check(plan, Key(i), At(2)).overflow;
    // A new key looks at a part of the table only: the first few may not find room.
    EXPECT_GT(own, 900);
    EXPECT_LE(table.Stats().entries, 1000u);
    EXPECT_GT(table.Stats().dropped, 900u);
  }
}

TEST(LimitMemory, AKeyThatLeavesTheOverflowBucketTakesItsConsumptionAlong) {
  for (const auto& plan : {Gcra({PerMinute(4)}), Sliding({PerMinute(4)})}) {
    LimitTable table({.max_entries = 1});
    const auto brief = LimitPlan::Compile([] {
      PlanPolicy policy = Policy(LimitAlgorithm::kSlidingWindow, {PerSecond(1)});
      policy.name = "brief";
      return policy;
    }());
    EXPECT_TRUE(table.Check(brief, "filler", At(0)).allowed);
    int admitted = 0;
    for (int i = 0; i < 10; ++i) admitted += table.Check(plan, "a", At(0)).allowed;
    EXPECT_EQ(admitted, 4);
    table.Sweep(At(2), 1'000'000);
    const LimitDecision decision = table.Check(plan, "a", At(2));
    EXPECT_FALSE(decision.overflow);
    EXPECT_FALSE(decision.allowed) << "a counter of its own, but not a fresh one";
  }
}

TEST(LimitMemory, SweepReturnsTheMemoryOfQuietKeys) {
  LimitTable table;
  const auto plan = Sliding({PerSecond(100)});
  for (int i = 0; i < 5000; ++i)
    table.Check(plan, absl::StrCat("a-rather-long-key-text-", i), At(0), 9);
  const size_t full = table.Stats().bytes;
  EXPECT_EQ(table.Sweep(At(0.5), 1'000'000), 0u);
  size_t dropped = 0;
  for (int i = 0; i < 1000; ++i) dropped += table.Sweep(At(1), 100);
  EXPECT_EQ(dropped, 5000u);
  EXPECT_EQ(table.Stats().entries, 0u);
  EXPECT_LT(table.Stats().bytes, full / 8) << "only the index stays";
}

TEST(LimitMemory, AByteBoundHoldsAndRefusesWhatItCannotCount) {
  LimitTable table({.max_bytes = 64 << 10});
  const auto plan = Sliding({PerMinute(100'000)});
  int admitted = 0;
  LimitDecision last;
  for (int i = 0; i < 50'000; ++i) {
    last = table.Check(plan, "greedy", At(0));
    admitted += last.allowed;
  }
  EXPECT_LE(table.Stats().bytes, size_t{64 << 10});
  EXPECT_GE(admitted, 4096);
  EXPECT_LT(admitted, 8192);
  EXPECT_TRUE(last.starved);
  EXPECT_GE(last.retry_after, std::chrono::seconds(1));
  EXPECT_EQ(table.Stats().starved, 50'000u - static_cast<uint64_t>(admitted));
  EXPECT_TRUE(table.Check(plan, "greedy", At(60)).allowed) << "the same ring serves again";
}

TEST(LimitMemory, TheByteBoundSendsNewKeysToTheOverflowBucket) {
  LimitTable table({.max_bytes = 256 << 10});
  const auto plan = Gcra({PerMinute(5)});
  for (int i = 0; i < 10'000; ++i) table.Check(plan, Key(i), At(0));
  const LimitTableStats stats = table.Stats();
  EXPECT_GT(stats.entries, 1000u);
  EXPECT_GT(stats.overflowed, 1000u);
  EXPECT_LE(stats.bytes, size_t{270 << 10});
}

TEST(LimitMemory, EveryByteTakenIsGivenBack) {
  LimitTable table({.max_entries = 50, .max_bytes = 40 << 10});
  const std::shared_ptr<const LimitPlan> plans[] = {
      Sliding({PerSecond(300)}), Gcra({PerSecond(300)}), Sliding({PerMinute(90), PerSecond(20)}),
      Gcra({PerSecond(1), PerMinute(2), PerDay(3000)})};
  for (int i = 0; i < 20'000; ++i) {
    table.Check(plans[i / 7 % 4], Key(i % 90), At(0.01 * i), 1 + i % 2);
  }
  for (int i = 0; i < 2000; ++i) table.Sweep(At(100'000'000), 1000);
  const LimitTableStats stats = table.Stats();
  EXPECT_EQ(stats.entries, 0u);
  EXPECT_EQ(stats.bytes % (16 * sizeof(void*)), 0u) << "whole indexes, nothing else";
  EXPECT_LE(stats.bytes, 257 * 16 * sizeof(void*));
}

}  // namespace
}  // namespace tollgate::proxy
