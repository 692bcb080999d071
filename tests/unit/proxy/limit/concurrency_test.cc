#include "proxy/limit/concurrency.h"

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "gtest/gtest.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

std::shared_ptr<const LimitPlan> AtOnce(uint32_t concurrency, bool shadow = false,
                                        const char* name = "standard") {
  PlanPolicy policy;
  policy.name = name;
  policy.concurrency = concurrency;
  policy.shadow = shadow;
  return LimitPlan::Compile(policy);
}

struct ConcurrencyTableTest : testing::Test {
  ConcurrencyTable table{SipKey{1, 2}};
};

TEST_F(ConcurrencyTableTest, AdmitsSoManyAtOnceAndOneMoreWhenOneHasEnded) {
  const auto plan = AtOnce(2);
  ConcurrencyDecision first = table.Acquire(plan, "a");
  ConcurrencyDecision second = table.Acquire(plan, "a");
  EXPECT_TRUE(first.allowed && second.allowed);
  EXPECT_EQ(second.in_progress, 2u);
  const ConcurrencyDecision third = table.Acquire(plan, "a");
  EXPECT_FALSE(third.allowed);
  EXPECT_FALSE(third.ticket.held());
  EXPECT_EQ(third.in_progress, 2u);
  EXPECT_EQ(table.refused(), 1u);
  EXPECT_TRUE(table.Acquire(plan, "b").allowed) << "each key alone";
  first.ticket.Release();
  first.ticket.Release();  // once is once
  EXPECT_TRUE(table.Acquire(plan, "a").allowed);
}

TEST_F(ConcurrencyTableTest, APlaceIsFreeWhenItsTicketGoesAndNotBefore) {
  const auto plan = AtOnce(1);
  {
    ConcurrencyTicket kept;
    {
      ConcurrencyDecision decision = table.Acquire(plan, "a");
      kept = std::move(decision.ticket);
    }
    EXPECT_FALSE(table.Acquire(plan, "a").allowed) << "the ticket was moved, not ended";
    ConcurrencyDecision other = table.Acquire(plan, "b");
    kept = std::move(other.ticket);  // takes the place of the first, which ends
    EXPECT_TRUE(table.Acquire(plan, "a").allowed);
    EXPECT_FALSE(table.Acquire(plan, "b").allowed);
  }
  EXPECT_TRUE(table.Acquire(plan, "b").allowed);
}

TEST_F(ConcurrencyTableTest, TakesNoMemoryForKeysWithoutRequests) {
  const auto plan = AtOnce(1);
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(table.Acquire(plan, absl::StrCat("key-", i)).allowed);
    ASSERT_EQ(table.keys(), 0u);
  }
}

TEST_F(ConcurrencyTableTest, ALoweredLimitCountsWhatIsInProgressAlready) {
  std::vector<ConcurrencyDecision> before;
  for (int i = 0; i < 5; ++i) before.push_back(table.Acquire(AtOnce(5), "a"));
  EXPECT_FALSE(table.Acquire(AtOnce(3), "a").allowed);
  before.resize(3);
  EXPECT_FALSE(table.Acquire(AtOnce(3), "a").allowed);
  before.resize(2);
  EXPECT_TRUE(table.Acquire(AtOnce(3), "a").allowed);
  EXPECT_TRUE(table.Acquire(AtOnce(3, false, "other"), "a").allowed) << "each plan alone";
}

TEST_F(ConcurrencyTableTest, InShadowModeItCountsAndRefusesNobody) {
  const auto plan = AtOnce(1, /*shadow=*/true);
  ConcurrencyDecision first = table.Acquire(plan, "a");
  ConcurrencyDecision second = table.Acquire(plan, "a");
  EXPECT_FALSE(second.allowed);
  EXPECT_TRUE(second.ticket.held()) << "it is in progress, whatever the limit";
  EXPECT_EQ(second.in_progress, 2u);
  EXPECT_EQ(table.shadow_refused(), 1u);
  EXPECT_EQ(table.refused(), 0u);
  first.ticket.Release();
  EXPECT_FALSE(table.Acquire(plan, "a").allowed);
  second.ticket.Release();
  EXPECT_TRUE(table.Acquire(plan, "a").allowed);
}

TEST_F(ConcurrencyTableTest, ShowsWhatIsInProgress) {
  const auto plan = AtOnce(2);
  const ConcurrencyDecision a = table.Acquire(plan, "a");
  const ConcurrencyDecision b = table.Acquire(plan, "b");
  const ConcurrencyDecision c = table.Acquire(plan, "b");
  table.Acquire(plan, "b");
  std::map<std::string, std::pair<uint32_t, uint64_t>> seen;
  table.ForEach([&](const LimitPlan& of, absl::string_view key, uint32_t n, uint64_t refused) {
    EXPECT_EQ(&of, plan.get());
    seen[std::string(key)] = {n, refused};
  });
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen["a"], std::pair(1u, uint64_t{0}));
  EXPECT_EQ(seen["b"], std::pair(2u, uint64_t{1}));
}

TEST_F(ConcurrencyTableTest, AgreesWithACountOnRandomSchedules) {
  constexpr uint64_t kSeed = 4711;
  Random random(kSeed);
  const auto plan = AtOnce(3);
  std::vector<std::pair<int, ConcurrencyTicket>> tickets;
  std::map<int, int> in_progress;
  for (int i = 0; i < 200'000; ++i) {
    if (random.Below(2) == 0) {
      const int key = static_cast<int>(random.Below(20));
      ConcurrencyDecision decision = table.Acquire(plan, absl::StrCat(key));
      ASSERT_EQ(decision.allowed, in_progress[key] < 3) << "seed " << kSeed << " step " << i;
      if (!decision.allowed) continue;
      ++in_progress[key];
      tickets.emplace_back(key, std::move(decision.ticket));
    } else if (!tickets.empty()) {
      std::swap(tickets[random.Below(static_cast<uint32_t>(tickets.size()))], tickets.back());
      --in_progress[tickets.back().first];
      tickets.pop_back();
    }
  }
  tickets.clear();
  EXPECT_EQ(table.keys(), 0u);
}

TEST_F(ConcurrencyTableTest, ManyThreadsNeverHaveMoreInProgressThanTheLimit) {
  constexpr int kThreads = 4;
  constexpr uint32_t kLimit = 2;
  const auto plan = AtOnce(kLimit);
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        ConcurrencyDecision decision = table.Acquire(plan, "a");
        if (!decision.allowed) continue;
        ++admitted;
        const int seen = ++now;
        int known = most.load();
        while (seen > known && !most.compare_exchange_weak(known, seen)) {
        }
        if (i % 64 == 0) std::this_thread::yield();
        --now;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), static_cast<int>(kLimit));
  EXPECT_GT(admitted.load(), 0);
  EXPECT_EQ(table.keys(), 0u);
}

}  // namespace
}  // namespace tollgate::proxy
