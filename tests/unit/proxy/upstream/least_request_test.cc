#include "proxy/upstream/least_request.h"

#include <cmath>
#include <memory>
#include <queue>
#include <vector>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

constexpr MonoTime kNow = MonoTime(std::chrono::hours(1));

// The supermarket model: requests come at random to servers that each work through their queue,
// with exponential service times of mean 1 s. Returns the mean time from arrival to answer, in
// seconds.
double MeanTime(Balance kind, size_t servers, double load, int requests) {
  struct Departure {
    Duration at;
    size_t server;
    bool operator<(const Departure& other) const { return at > other.at; }
  };
  Random random(7);
  const auto exponential = [&](double mean) {
    return Duration(static_cast<int64_t>(-std::log1p(-random.Unit()) * mean * 1e9));
  };
  std::vector<EndpointStats> stats(servers);
  std::vector<Duration> free_at(servers);
  std::vector<EndpointSlot> slots;
  for (uint32_t i = 0; i < servers; ++i) slots.push_back({&stats[i], nullptr, 1, i});
  const std::unique_ptr<Balancer> balancer = MakeBalancer(kind);
  balancer->SetEndpoints(slots);
  std::priority_queue<Departure> departures;
  Duration now{};
  double sum = 0;
  for (int i = 0; i < requests; ++i) {
    now += exponential(1 / (load * static_cast<double>(servers)));
    for (; !departures.empty() && departures.top().at <= now; departures.pop()) {
      EndpointStats& server = stats[departures.top().server];
      server.Answered(kNow + departures.top().at, Duration(1), Outcome::kSuccess);
      server.Ended();
    }
    const size_t picked = balancer->Pick({kNow + now, random})->index;
    stats[picked].Started(kNow + now);
    free_at[picked] = std::max(free_at[picked], now) + exponential(1);
    departures.push({free_at[picked], picked});
    if (i >= requests / 5) sum += static_cast<double>((free_at[picked] - now).count()) / 1e9;
  }
  return sum / (requests - requests / 5);
}

TEST(LeastRequest, IsAsGoodAsTwoChoicesCanBe) {
  // Mitzenmacher 2001: sum over i of load^(2^i - 2), for many servers; one random choice is M/M/1,
  // 1 / (1 - load).
  double ideal = 0;
  for (int i = 1; i <= 8; ++i) ideal += std::pow(0.9, std::pow(2, i) - 2);
  ASSERT_NEAR(ideal, 2.61, 0.01);
  EXPECT_NEAR(MeanTime(Balance::kLeastRequest, 200, 0.9, 400'000), ideal, 0.15 * ideal);
  EXPECT_GT(MeanTime(Balance::kRandom, 200, 0.9, 400'000), 7);
}

class WeightedLeastRequest : public testing::Test {
 protected:
  // The share of the second of two, whose weight is 2 and which has `active` requests, the first
  // of weight 1 and with none.
  double ShareOfSecond(uint32_t bias_permille, int active) {
    EndpointStats stats[2];
    for (int i = 0; i < active; ++i) stats[1].Started(kNow);
    LeastRequest balancer(bias_permille);
    balancer.SetEndpoints({{&stats[0], nullptr, 1, 0}, {&stats[1], nullptr, 2, 1}});
    int picked = 0;
    for (int i = 0; i < 3000; ++i)
      picked += static_cast<int>(balancer.Pick({kNow, random_})->index);
    return picked / 3000.0;
  }
  Random random_{1};
};

TEST_F(WeightedLeastRequest, DividesTheWeightByWhatIsActive) {
  EXPECT_NEAR(ShareOfSecond(1000, 0), 2.0 / 3, 0.01);
  EXPECT_NEAR(ShareOfSecond(1000, 1), 0.5, 0.01) << "2 / 2 to 1";
  EXPECT_NEAR(ShareOfSecond(1000, 3), 1.0 / 3, 0.01) << "2 / 4 to 1";
}

TEST_F(WeightedLeastRequest, BiasSaysHowMuchThatMatters) {
  EXPECT_NEAR(ShareOfSecond(0, 3), 2.0 / 3, 0.01) << "not at all";
  EXPECT_NEAR(ShareOfSecond(2000, 3), 1.0 / 9, 0.01) << "2 / 16 to 1";
}

TEST_F(WeightedLeastRequest, ATurnDoesNotOutliveTheLoadThatPutItOff) {
  EndpointStats stats[2];
  LeastRequest balancer(3000);
  balancer.SetEndpoints({{&stats[0], nullptr, 1, 0}, {&stats[1], nullptr, 2, 1}});
  // Nothing is answered for a while, then all at once.
  for (int i = 0; i < 600; ++i) stats[balancer.Pick({kNow, random_})->index].Started(kNow);
  for (EndpointStats& server : stats) {
    while (server.active() > 0) {
      server.Answered(kNow, Duration(1), Outcome::kSuccess);
      server.Ended();
    }
  }
  int first = 0;
  for (int i = 0; i < 2000; ++i) {
    first += balancer.Pick({kNow + std::chrono::seconds(1), random_})->index == 0;
  }
  EXPECT_NEAR(first / 2000.0, 1.0 / 3, 0.01);
}

TEST_F(WeightedLeastRequest, LevelsOutWhatIsNotAnswered) {
  // Requests that never end: active ones come to stand in proportion to the weights.
  EndpointStats stats[2];
  LeastRequest balancer(1000);
  balancer.SetEndpoints({{&stats[0], nullptr, 1, 0}, {&stats[1], nullptr, 3, 1}});
  for (int i = 0; i < 400; ++i) stats[balancer.Pick({kNow, random_})->index].Started(kNow);
  EXPECT_NEAR(stats[1].active() / 400.0, 0.634, 0.02) << "3 / n2 and 1 / n1 in turn: sqrt(3) to 1";
}

}  // namespace
}  // namespace tollgate::proxy
