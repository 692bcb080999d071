#include "proxy/upstream/retry_budget.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

size_t Room(RetryBudget& budget) {
  std::vector<RetryBudget::Ticket> tickets;
  while (auto ticket = budget.TryRetry()) tickets.push_back(*std::move(ticket));
  return tickets.size();
}

TEST(RetryBudget, AllowsTheMinimumWhenLittleIsActive) {
  RetryBudget budget({.percent = 20, .min_concurrent = 3});
  EXPECT_EQ(Room(budget), 3u);
  EXPECT_EQ(budget.active_retries(), 0u) << "a ticket that dies gives its place back";
}

TEST(RetryBudget, AllowsAShareOfTheActiveRequests) {
  RetryBudget budget({.percent = 20, .min_concurrent = 3});
  std::vector<RetryBudget::Ticket> requests;
  for (int i = 0; i < 100; ++i) requests.push_back(*budget.TryRequest(1000));
  EXPECT_EQ(Room(budget), 20u);
  requests.erase(requests.begin() + 17, requests.end());
  EXPECT_EQ(budget.active_requests(), 17u);
  EXPECT_EQ(Room(budget), 3u);
}

TEST(RetryBudget, HasACapWhateverTheShare) {
  RetryBudget budget({.percent = 50, .min_concurrent = 3, .max_concurrent = 5});
  std::vector<RetryBudget::Ticket> requests;
  for (int i = 0; i < 100; ++i) requests.push_back(*budget.TryRequest(1000));
  EXPECT_EQ(Room(budget), 5u);
  EXPECT_EQ(budget.refused_retries(), 1u);
  budget.Update({.percent = 50, .min_concurrent = 3, .max_concurrent = 2});
  EXPECT_EQ(Room(budget), 2u) << "a cap below the minimum holds too";
}

TEST(RetryBudget, TakesRequestsUpToALimit) {
  RetryBudget budget;
  auto first = budget.TryRequest(2);
  auto second = budget.TryRequest(2);
  EXPECT_TRUE(first.has_value() && second.has_value());
  EXPECT_FALSE(budget.TryRequest(2).has_value());
  EXPECT_EQ(budget.active_requests(), 2u) << "what was refused is not counted";
  first.reset();
  EXPECT_TRUE(budget.TryRequest(2).has_value());
}

TEST(RetryBudget, FollowsAPush) {
  RetryBudget budget({.percent = 0, .min_concurrent = 0});
  EXPECT_EQ(Room(budget), 0u);
  auto request = *budget.TryRequest(1000);
  budget.Update({.percent = 500, .min_concurrent = 2});
  EXPECT_EQ(Room(budget), 5u);
}

TEST(RetryBudget, HoldsAcrossThreads) {
  RetryBudget budget({.percent = 20, .min_concurrent = 3});
  std::atomic<uint32_t> most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        auto ticket = budget.TryRetry();
        const uint32_t active = budget.active_retries();
        uint32_t known = most;
        while (active > known && !most.compare_exchange_weak(known, active)) {
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_LE(most, 3u);
  EXPECT_EQ(budget.active_retries(), 0u);
}

}  // namespace
}  // namespace tollgate::proxy
