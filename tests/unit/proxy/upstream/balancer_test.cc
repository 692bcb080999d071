#include "proxy/upstream/balancer.h"

#include <array>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "proxy/upstream/peak_ewma.h"

namespace tollgate::proxy {
namespace {

constexpr MonoTime kNow = MonoTime(std::chrono::hours(1));

class BalancerTest : public testing::TestWithParam<Balance> {
 protected:
  void Add(uint32_t weight = 1) {
    stats_.push_back(std::make_unique<EndpointStats>());
    slots_.push_back({stats_.back().get(), nullptr, weight});
  }
  std::optional<uint32_t> Pick(absl::Span<const uint32_t> exclude = {}) {
    return balancer_->Pick(slots_, {kNow, random_, exclude});
  }

  Random random_{1};
  std::unique_ptr<Balancer> balancer_ = MakeBalancer(GetParam());
  std::vector<std::unique_ptr<EndpointStats>> stats_;
  std::vector<EndpointSlot> slots_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, BalancerTest,
                         testing::Values(Balance::kPeakEwma, Balance::kRoundRobin));

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

TEST_P(BalancerTest, PrefersTheHealthyAndFallsBackOnTheEjected) {
  OutlierDetector detector({.consecutive_errors = 1, .max_ejected_percent = 100});
  const std::array<Address, 3> members = {*Address::Parse("10.0.0.1:80"),
                                          *Address::Parse("10.0.0.2:80"),
                                          *Address::Parse("10.0.0.3:80")};
  detector.Update({.consecutive_errors = 1, .max_ejected_percent = 100}, members);
  std::vector<std::shared_ptr<EndpointHealth>> health;
  for (size_t i = 0; i < 3; ++i) {
    Add();
    health.push_back(detector.Find(members[i]));
    slots_[i].health = health[i].get();
  }
  ASSERT_TRUE(detector.Report(*health[0], true, kNow));
  ASSERT_TRUE(detector.Report(*health[1], true, kNow));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Pick(), 2u);
  ASSERT_NE(Pick({2}), std::nullopt) << "better a doubtful endpoint than none";
  ASSERT_TRUE(detector.Report(*health[2], true, kNow));
  std::map<uint32_t, int> picks;
  for (int i = 0; i < 300; ++i) ++picks[*Pick()];
  EXPECT_EQ(picks.size(), 3u);
}

TEST(RoundRobin, InterleavesByWeightExactly) {
  Random random(1);
  EndpointStats stats[3];
  const EndpointSlot slots[] = {
      {&stats[0], nullptr, 5}, {&stats[1], nullptr, 1}, {&stats[2], nullptr, 1}};
  std::unique_ptr<Balancer> balancer = MakeBalancer(Balance::kRoundRobin);
  std::string order;
  for (int i = 0; i < 14; ++i) {
    order += static_cast<char>('a' + *balancer->Pick(slots, {kNow, random}));
  }
  EXPECT_EQ(order, "aabacaaaabacaa");
}

TEST(RoundRobin, GoesOnWhereItWasAfterAPush) {
  Random random(1);
  EndpointStats stats[2];
  const EndpointSlot slots[] = {{&stats[0]}, {&stats[1]}};
  EXPECT_EQ(MakeBalancer(Balance::kRoundRobin)->Pick(slots, {kNow, random}), 0u);
  EXPECT_EQ(MakeBalancer(Balance::kRoundRobin)->Pick(slots, {kNow, random}), 1u);
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
  EndpointSlot slots[] = {{&stats[0]}, {&stats[1]}};
  EXPECT_EQ(balancer.Pick(slots, {kNow, random}), 1u);
  stats[1].Started(kNow);
  stats[1].Started(kNow);
  EXPECT_EQ(balancer.Pick(slots, {kNow, random}), 0u) << "20 * 1 < 10 * 3";
  slots[1].weight = 2;
  EXPECT_EQ(balancer.Pick(slots, {kNow, random}), 1u) << "20 * 1 > 10 * 3 / 2";
}

}  // namespace
}  // namespace tollgate::proxy
