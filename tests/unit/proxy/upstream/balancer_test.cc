#include "proxy/upstream/balancer.h"

#include <array>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proxy/upstream/peak_ewma.h"

namespace tollgate::proxy {
namespace {

constexpr MonoTime kNow = MonoTime(std::chrono::hours(1));

class BalancerTest : public testing::TestWithParam<Balance> {
 protected:
  void Add(uint32_t weight = 1, const EndpointHealth* health = nullptr) {
    stats_.push_back(std::make_unique<EndpointStats>());
    names_.push_back(std::make_unique<std::string>(absl::StrCat("10.0.0.", names_.size(), ":80")));
    slots_.push_back({stats_.back().get(), health, weight, static_cast<uint32_t>(slots_.size()),
                      names_.back().get()});
    balancer_->SetEndpoints(slots_);
  }
  // Each time under another hash.
  std::optional<uint32_t> Pick(std::vector<uint32_t> exclude = {},
                               Standing least = Standing::kHealthy) {
    std::vector<const EndpointStats*> excluded;
    for (const uint32_t i : exclude) excluded.push_back(stats_[i].get());
    PickContext context{kNow, random_, excluded, random_()};
    context.least = least;
    const EndpointSlot* slot = balancer_->Pick(context);
    return slot == nullptr ? std::nullopt : std::optional(slot->index);
  }
  std::map<uint32_t, int> Picks(int count) {
    std::map<uint32_t, int> picks;
    for (int i = 0; i < count; ++i) ++picks[*Pick()];
    return picks;
  }

  Random random_{1};
  std::unique_ptr<Balancer> balancer_ = MakeBalancer(GetParam());
  std::vector<std::unique_ptr<EndpointStats>> stats_;
  std::vector<std::unique_ptr<std::string>> names_;
  std::vector<EndpointSlot> slots_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, BalancerTest,
                         testing::Values(Balance::kPeakEwma, Balance::kRoundRobin,
                                         Balance::kLeastRequest, Balance::kRandom,
                                         Balance::kRingHash, Balance::kMaglev,
                                         Balance::kLoadWeighted));

TEST_P(BalancerTest, PicksNothingFromNothing) {
  EXPECT_EQ(Pick(), std::nullopt);
  Add(0);
  EXPECT_EQ(Pick(), std::nullopt) << "a weight of 0 takes no load";
}

TEST_P(BalancerTest, PicksTheOnlyOne) {
  Add();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Pick(), 0u);
}

TEST_P(BalancerTest, NeverPicksWhatWasTried) {
  for (int i = 0; i < 4; ++i) Add();
  for (int i = 0; i < 1000; ++i) {
    const std::optional<uint32_t> picked = Pick({2, 0});
    ASSERT_TRUE(picked == 1u || picked == 3u);
  }
  EXPECT_EQ(Pick({0, 1, 2, 3}), std::nullopt);
}

TEST_P(BalancerTest, PicksNothingBelowTheStandingThatIsAskedFor) {
  OutlierDetectionPolicy policy;
  policy.consecutive_errors = 1;
  policy.max_ejected_percent = 100;
  OutlierDetector detector(policy);
  const std::array<Address, 3> members = {*Address::Parse("10.0.0.1:80"),
                                          *Address::Parse("10.0.0.2:80"),
                                          *Address::Parse("10.0.0.3:80")};
  detector.Update(policy, members);
  std::vector<std::shared_ptr<EndpointHealth>> health;
  for (size_t i = 0; i < 3; ++i) {
    health.push_back(detector.Find(members[i]));
    Add(1, health[i].get());
  }
  ASSERT_TRUE(detector.Report(*health[0], true, kNow));
  ASSERT_TRUE(detector.Report(*health[1], true, kNow));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Pick(), 2u);
  EXPECT_EQ(Pick({2}), std::nullopt);
  EXPECT_NE(Pick({2}, Standing::kEjected), std::nullopt);
}

// All but peak EWMA, which has nothing to weigh before it has measured something.
class WeightedBalancerTest : public BalancerTest {};
INSTANTIATE_TEST_SUITE_P(Kinds, WeightedBalancerTest,
                         testing::Values(Balance::kRoundRobin, Balance::kLeastRequest,
                                         Balance::kRandom, Balance::kRingHash, Balance::kMaglev,
                                         Balance::kLoadWeighted));

TEST_P(WeightedBalancerTest, SharesByWeight) {
  for (const uint32_t weight : {5u, 3u, 2u}) Add(weight);
  const std::map<uint32_t, int> picks = Picks(20'000);
  // A ring is as even as its points are many: 200, 120 and 80.
  const double within = GetParam() == Balance::kRingHash ? 0.08 : 0.02;
  EXPECT_NEAR(picks.at(0) / 20'000.0, 0.5, within);
  EXPECT_NEAR(picks.at(1) / 20'000.0, 0.3, within);
  EXPECT_NEAR(picks.at(2) / 20'000.0, 0.2, within);
}

TEST(RoundRobin, InterleavesByWeightExactly) {
  Random random(1);
  EndpointStats stats[3];
  std::unique_ptr<Balancer> balancer = MakeBalancer(Balance::kRoundRobin);
  balancer->SetEndpoints(
      {{&stats[0], nullptr, 5, 0}, {&stats[1], nullptr, 1, 1}, {&stats[2], nullptr, 1, 2}});
  std::string order;
  for (int i = 0; i < 14; ++i) {
    order += static_cast<char>('a' + balancer->Pick({kNow, random})->index);
  }
  EXPECT_EQ(order, "aabacaaaabacaa");
}

TEST(RoundRobin, GoesOnWhereItWasAfterAPush) {
  Random random(1);
  EndpointStats stats[2];
  for (const uint32_t expected : {0u, 1u}) {
    std::unique_ptr<Balancer> balancer = MakeBalancer(Balance::kRoundRobin);
    balancer->SetEndpoints({{&stats[0], nullptr, 1, 0}, {&stats[1], nullptr, 1, 1}});
    EXPECT_EQ(balancer->Pick({kNow, random})->index, expected);
  }
}

TEST(PeakEwma, TakesTheCheaperOfTwo) {
  Random random(1);
  EndpointStats stats[2];
  for (EndpointStats& s : stats) {
    s.Started(kNow);
    s.Answered(kNow, std::chrono::milliseconds(&s == stats ? 20 : 10), Outcome::kSuccess);
    s.Ended();
  }
  PeakEwma balancer;
  balancer.SetEndpoints({{&stats[0], nullptr, 1, 0}, {&stats[1], nullptr, 1, 1}});
  EXPECT_EQ(balancer.Pick({kNow, random})->index, 1u);
  stats[1].Started(kNow);
  stats[1].Started(kNow);
  EXPECT_EQ(balancer.Pick({kNow, random})->index, 0u) << "20 * 1 < 10 * 3";
  balancer.SetEndpoints({{&stats[0], nullptr, 1, 0}, {&stats[1], nullptr, 2, 1}});
  EXPECT_EQ(balancer.Pick({kNow, random})->index, 1u) << "20 * 1 > 10 * 3 / 2";
}

}  // namespace
}  // namespace tollgate::proxy
