// A million active keys in the table as the sidecar makes it: what each weighs, as accounted and as
// the allocator sees it; what happens to the next; and that no counter that binds is ever dropped.
#include <malloc.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

constexpr int kMillion = 1'000'000;

// In use, by the allocator's own book; 0 where there is none (sanitizers bring their own).
size_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::string Key(int i) { return absl::StrCat("c:consumer-", i); }

void FillAMillion(const std::shared_ptr<const LimitPlan>& plan, const char* what, double most) {
  const size_t before = AllocatedBytes();
  LimitTable table;
  for (int i = 0; i < kMillion; ++i) {
    const LimitDecision decision = table.Check(plan, Key(i), At(0));
    ASSERT_TRUE(decision.allowed && !decision.overflow) << i;
  }
  const LimitTableStats stats = table.Stats();
  EXPECT_EQ(stats.entries, static_cast<uint64_t>(kMillion));
  const double accounted = static_cast<double>(stats.bytes) / kMillion;
  const double real = static_cast<double>(AllocatedBytes() - before) / kMillion;
  std::printf("%s: %.0f bytes a key accounted, %.0f as the allocator sees it\n", what, accounted,
              real);
  EXPECT_LE(accounted, most);
  // What the bound is held against is what is really taken.
  if (real > 0) {
    EXPECT_NEAR(accounted, real, real * 0.05);
  }

  // The next keys share a counter, which is no less strict; and that is counted.
  const LimitDecision next = table.Check(plan, "one more", At(0));
  EXPECT_TRUE(next.overflow);
  EXPECT_EQ(table.Stats().overflowed, 1u);
  EXPECT_EQ(table.Stats().entries, static_cast<uint64_t>(kMillion));
}

TEST(LimitMillion, AGcraKeyWeighsLittle) {
  FillAMillion(Gcra({PerSecond(10), PerMinute(100)}), "gcra, 2 windows", 168);
}

TEST(LimitMillion, AKeyOfASlidingWindowWeighsAsMuchWhileItIsQuiet) {
  FillAMillion(Sliding({PerSecond(10), PerMinute(100)}), "sliding window, 2 windows", 168);
}

TEST(LimitMillion, NoCounterThatBindsIsDroppedWhileAMillionOthersPassBy) {
  for (const auto& daily : {Gcra({PerDay(2)}), Sliding({PerDay(2)})}) {
    PlanPolicy brief = Policy(daily->algorithm(), {PerSecond(1)});
    brief.name = "brief";
    const auto passing = LimitPlan::Compile(brief);
    LimitTable table({.max_entries = 20'000});
    constexpr int kBound = 2000;
    for (int i = 0; i < kBound; ++i) {
      ASSERT_TRUE(table.Check(daily, Key(i), At(0), 2).allowed);
    }
    // 10,000 keys a second for 100 seconds, in a table that holds 20,000.
    for (int i = 0; i < kMillion; ++i) {
      table.Check(passing, absl::StrCat("passing-", i), At(0.0001 * i));
      if (i % 10'000 == 0) table.Sweep(At(0.0001 * i), 16'384);
    }
    EXPECT_GT(table.Stats().dropped, static_cast<uint64_t>(kMillion) / 2);
    for (int i = 0; i < kBound; ++i) {
      ASSERT_FALSE(table.Check(daily, Key(i), At(100)).allowed) << i;
    }
    ASSERT_FALSE(table.Check(daily, Key(7), At(43'199)).allowed);
    EXPECT_TRUE(table.Check(daily, Key(7), At(86'400)).allowed);
  }
}

}  // namespace
}  // namespace tollgate::proxy
