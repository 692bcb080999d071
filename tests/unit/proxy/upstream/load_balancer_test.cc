#include "proxy/upstream/load_balancer.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::seconds;

class LoadBalancerTest : public testing::Test {
 protected:
  static constexpr int kPicks = 40'000;

  void Add(int count, absl::string_view zone, uint32_t priority = 0, uint32_t weight = 1) {
    for (int i = 0; i < count; ++i) {
      Server& server = *servers_.emplace_back(std::make_unique<Server>());
      server.name = absl::StrCat("10.0.0.", servers_.size(), ":80");
      server.zone = std::string(zone);
      server.priority = priority;
      server.weight = weight;
    }
  }
  void Push() {
    std::vector<Address> members;
    for (const auto& server : servers_) members.push_back(*Address::Parse(server->name));
    detector_.Update(Outliers(), members, now_, warm_);
    std::vector<LoadBalancer::Endpoint> endpoints;
    for (size_t i = 0; i < servers_.size(); ++i) {
      Server& server = *servers_[i];
      server.health = detector_.Find(members[i]);
      endpoints.push_back({&server.stats, server.health.get(), server.weight, server.zone,
                           server.priority, &server.name});
    }
    balancer_ = std::make_unique<LoadBalancer>(balance_, policy_, &detector_, nullptr);
    balancer_->SetEndpoints(endpoints);
  }
  void Eject(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i)
      ASSERT_TRUE(detector_.Report(*servers_[i]->health, true, now_));
  }
  // At this worker alone.
  void FailHere(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      for (int n = 0; n < 3; ++n) {
        servers_[i]->stats.Started(now_);
        servers_[i]->stats.Answered(now_, Duration(1), Outcome::kFailure);
        servers_[i]->stats.Ended();
      }
    }
    now_ += std::chrono::milliseconds(100);
  }
  std::optional<uint32_t> Pick(std::vector<size_t> exclude = {}) {
    std::vector<const EndpointStats*> excluded;
    for (const size_t i : exclude) excluded.push_back(&servers_[i]->stats);
    return balancer_->Pick({now_, random_, excluded, random_()});
  }
  std::vector<double> Shares() {
    std::vector<double> shares;
    for (const int picks : Picks()) shares.push_back(picks / double{kPicks});
    return shares;
  }
  // Of the endpoints from `from` on, below `to`; exactly 1 when they take all.
  double ShareOf(size_t from, size_t to) {
    const std::vector<int> picks = Picks();
    int sum = 0;
    for (size_t i = from; i < to; ++i) sum += picks[i];
    return sum / double{kPicks};
  }
  std::vector<int> Picks() {
    std::vector<int> picks(servers_.size());
    for (int i = 0; i < kPicks; ++i) ++picks[*Pick()];
    return picks;
  }
  void UseZones(const std::string& local, std::vector<ZoneShare> callers = {}) {
    policy_.zones.local = local;
    policy_.zones.callers = std::move(callers);
  }

  struct Server {
    EndpointStats stats;
    std::shared_ptr<EndpointHealth> health;
    std::string name;
    std::string zone;
    uint32_t priority = 0;
    uint32_t weight = 1;
  };
  static OutlierDetectionPolicy Outliers() {
    OutlierDetectionPolicy policy;
    policy.consecutive_errors = 1;
    policy.base_ejection = seconds(30);
    policy.max_ejected_percent = 100;
    return policy;
  }
  std::vector<Address> warm_;
  Balance balance_ = Balance::kRandom;
  BalancingPolicy policy_;
  OutlierDetector detector_{Outliers()};
  Random random_{1};
  MonoTime now_{std::chrono::hours(1)};
  std::vector<std::unique_ptr<Server>> servers_;
  std::unique_ptr<LoadBalancer> balancer_;
};

TEST_F(LoadBalancerTest, PicksNothingWithoutEndpoints) {
  Push();
  EXPECT_EQ(Pick(), std::nullopt);
  Add(1, "");
  Push();
  EXPECT_EQ(Pick(), 0u);
  EXPECT_EQ(Pick({0}), std::nullopt);
}

TEST_F(LoadBalancerTest, BetterADoubtfulEndpointThanNone) {
  Add(3, "");
  policy_.panic_threshold = 0;
  Push();
  Eject(0, 2);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Pick(), 2u);
  EXPECT_NE(Pick({2}), std::nullopt);
  Eject(2, 3);
  for (const double share : Shares()) EXPECT_NEAR(share, 1.0 / 3, 0.02);
}

// --- Priorities. The numbers are those of Envoy's documentation.

TEST_F(LoadBalancerTest, AHealthyPriorityTakesAll) {
  Add(10, "", 0);
  Add(10, "", 1);
  Push();
  EXPECT_EQ(ShareOf(0, 10), 1);
  Eject(0, 2);
  EXPECT_EQ(ShareOf(2, 10), 1) << "80 % of them times 1.4 is enough";
}

TEST_F(LoadBalancerTest, WhatAPriorityCannotCarryGoesToTheNext) {
  Add(10, "", 0);
  Add(10, "", 1);
  Push();
  Eject(0, 5);
  EXPECT_NEAR(ShareOf(5, 10), 0.7, 0.01) << "50 % times 1.4";
  Eject(5, 7);
  EXPECT_NEAR(ShareOf(7, 10), 0.42, 0.01) << "30 % times 1.4";
  Eject(7, 10);
  EXPECT_EQ(ShareOf(10, 20), 1);
  now_ += seconds(30);
  EXPECT_EQ(ShareOf(0, 10), 1) << "back when the ejections are over";
}

TEST_F(LoadBalancerTest, SharesAreScaledUpWhenAllTogetherCannotCarryIt) {
  Add(10, "", 0);
  Add(10, "", 1);
  policy_.panic_threshold = 0;
  Push();
  Eject(0, 8);
  Eject(10, 17);
  EXPECT_NEAR(ShareOf(0, 10), 0.4, 0.01) << "28 % and 42 % make 40 to 60";
  EXPECT_NEAR(ShareOf(8, 10), 0.4, 0.01);
}

TEST_F(LoadBalancerTest, OverprovisioningSaysHowEarly) {
  Add(10, "", 0);
  Add(10, "", 1);
  policy_.overprovisioning = 100;
  Push();
  Eject(0, 2);
  EXPECT_NEAR(ShareOf(0, 10), 0.8, 0.01);
}

TEST_F(LoadBalancerTest, WeightsSayHowMuchIsHealthy) {
  Add(1, "", 0, 6);
  Add(2, "", 0, 2);
  Add(1, "", 1);
  Push();
  Eject(0, 1);
  EXPECT_NEAR(ShareOf(1, 3), 0.56, 0.01) << "4 of 10 times 1.4";
}

TEST_F(LoadBalancerTest, ARetryGoesOnToTheNextPriority) {
  Add(2, "", 0);
  Add(1, "", 1);
  Push();
  EXPECT_EQ(Pick({0, 1}), 2u);
}

TEST_F(LoadBalancerTest, WhatKeepsFailingHereIsPassedOverBeforeItIsEjected) {
  balance_ = Balance::kLeastRequest;
  Add(2, "", 0);
  Add(1, "", 1);
  Push();
  FailHere(0, 2);
  EXPECT_EQ(Pick(), 2u);
  EXPECT_NE(Pick({2}), std::nullopt);
}

TEST_F(LoadBalancerTest, UnderAHashAKeyKeepsToItsPriority) {
  balance_ = Balance::kMaglev;
  Add(10, "", 0);
  Add(10, "", 1);
  Push();
  Eject(0, 5);
  int second = 0;
  for (uint64_t key = 0; key < 2000; ++key) {
    const uint64_t hash = random_();
    const auto picked = balancer_->Pick({now_, random_, {}, hash});
    for (int i = 0; i < 3; ++i) ASSERT_EQ(balancer_->Pick({now_, random_, {}, hash}), picked);
    second += *picked >= 10;
  }
  EXPECT_NEAR(second / 2000.0, 0.3, 0.04);
}

TEST_F(LoadBalancerTest, ARequestWithoutTheKeyGoesAnywhereByWeight) {
  balance_ = Balance::kRingHash;
  Add(1, "", 0, 3);
  Add(1, "", 0, 1);
  Push();
  int first = 0;
  for (int i = 0; i < kPicks; ++i) first += balancer_->Pick({now_, random_}) == 0u;
  EXPECT_NEAR(first / double{kPicks}, 0.75, 0.05);
}

// --- Panic.

TEST_F(LoadBalancerTest, BelowThePanicThresholdHealthDoesNotCount) {
  Add(10, "");
  Push();
  Eject(0, 5);
  EXPECT_EQ(ShareOf(0, 5), 0) << "50 % is not below it";
  Eject(5, 6);
  for (const double share : Shares()) EXPECT_NEAR(share, 0.1, 0.01);
  now_ += seconds(30);
  EXPECT_NEAR(ShareOf(0, 5), 0.5, 0.01) << "all are back";
}

TEST_F(LoadBalancerTest, WithoutThresholdTheHealthyTakeAll) {
  Add(10, "");
  policy_.panic_threshold = 0;
  Push();
  Eject(0, 9);
  EXPECT_EQ(ShareOf(9, 10), 1);
}

TEST_F(LoadBalancerTest, APriorityDoesNotPanicWhileTheOthersCarryTheLoad) {
  Add(10, "", 0);
  Add(10, "", 1);
  Push();
  Eject(0, 9);
  EXPECT_NEAR(ShareOf(9, 10), 0.14, 0.01) << "only the healthy one";
}

TEST_F(LoadBalancerTest, WhenAllPanicTheyShareByWeight) {
  Add(10, "", 0);
  Add(30, "", 1);
  Push();
  Eject(0, 8);
  Eject(10, 34);
  for (const double share : Shares()) EXPECT_NEAR(share, 1.0 / 40, 0.005);
}

TEST_F(LoadBalancerTest, SlowStartDoesNotKeepTheEjectedOutInAPanic) {
  Add(10, "");
  policy_.slow_start = seconds(60);
  Push();
  Eject(0, 6);
  for (const double share : Shares()) EXPECT_NEAR(share, 0.1, 0.01);
}

// --- Zones.

TEST_F(LoadBalancerTest, AZoneThatCanCarryItKeepsItsRequests) {
  Add(3, "a");
  Add(3, "b");
  UseZones("a");
  Push();
  EXPECT_EQ(ShareOf(0, 3), 1);
  UseZones("b");
  Push();
  EXPECT_EQ(ShareOf(3, 6), 1);
}

TEST_F(LoadBalancerTest, AZoneThatIsTooSmallSpills) {
  Add(2, "a");
  Add(8, "b");
  UseZones("a", {{"a", 5}, {"b", 5}});
  Push();
  EXPECT_NEAR(ShareOf(0, 2), 0.4, 0.01) << "20 % of the endpoints for 50 % of the callers";
  UseZones("a", {{"a", 2}, {"b", 8}});
  Push();
  EXPECT_EQ(ShareOf(0, 2), 1);
}

TEST_F(LoadBalancerTest, WhatSpillsGoesWhereThereIsRoom) {
  Add(2, "a");
  Add(3, "b");
  Add(5, "c");
  UseZones("a");
  Push();
  EXPECT_NEAR(ShareOf(0, 2), 0.6, 0.01);
  EXPECT_EQ(ShareOf(2, 5), 0) << "30 % is less than its own third";
}

TEST_F(LoadBalancerTest, AllZonesTogetherLoadEveryEndpointTheSame) {
  Add(2, "a");
  Add(7, "b");
  Add(4, "c");
  const std::vector<ZoneShare> callers = {{"a", 5}, {"b", 3}, {"c", 2}};
  std::vector<double> load(13);
  for (const ZoneShare& caller : callers) {
    UseZones(caller.zone, callers);
    Push();
    const std::vector<double> shares = Shares();
    for (size_t i = 0; i < load.size(); ++i) load[i] += shares[i] * caller.weight / 10;
  }
  for (const double share : load) EXPECT_NEAR(share, 1.0 / 13, 0.005);
}

TEST_F(LoadBalancerTest, AnEjectionMakesAZoneSmaller) {
  Add(4, "a");
  Add(4, "b");
  UseZones("a");
  Push();
  Eject(0, 2);
  EXPECT_NEAR(ShareOf(2, 4), 2.0 / 3, 0.01) << "2 of 6 for a half";
  Eject(2, 4);
  EXPECT_EQ(ShareOf(4, 8), 1);
}

// It takes fewer failures to avoid an endpoint than to eject it, and then it gets none that could.
TEST_F(LoadBalancerTest, AZoneSpillsForWhatIsAvoidedBeforeItIsEjected) {
  balance_ = Balance::kLeastRequest;
  Add(4, "a");
  Add(4, "b");
  UseZones("a");
  Push();
  EXPECT_EQ(ShareOf(0, 4), 1);
  const auto fail = [this](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      for (int n = 0; n < 3; ++n) {
        servers_[i]->stats.Started(now_);
        servers_[i]->stats.Answered(now_, Duration(1), Outcome::kFailure);
        servers_[i]->stats.Ended();
      }
    }
  };
  fail(0, 2);
  now_ += std::chrono::milliseconds(100);
  EXPECT_NEAR(ShareOf(2, 4), 2.0 / 3, 0.01) << "2 of 6 for a half";
  fail(2, 4);
  now_ += std::chrono::milliseconds(100);
  EXPECT_EQ(ShareOf(4, 8), 1);
  // When they are tried again they are in the zone, as before.
  now_ += seconds(1);
  EXPECT_EQ(ShareOf(0, 4), 1);
}

TEST_F(LoadBalancerTest, WhereAllAreAvoidedTheirVerdictsShareTheZones) {
  balance_ = Balance::kLeastRequest;
  Add(2, "a");
  Add(2, "b");
  UseZones("a");
  Push();
  Pick();
  for (const auto& server : servers_) {
    for (int n = 0; n < 3; ++n) {
      server->stats.Started(now_);
      server->stats.Answered(now_, Duration(1), Outcome::kFailure);
      server->stats.Ended();
    }
  }
  now_ += std::chrono::milliseconds(100);
  EXPECT_EQ(ShareOf(0, 2), 1);
}

TEST_F(LoadBalancerTest, InPanicZonesDoNotCount) {
  Add(4, "a");
  Add(4, "b");
  UseZones("a");
  Push();
  Eject(3, 8);
  for (const double share : Shares()) EXPECT_NEAR(share, 1.0 / 8, 0.01);
}

TEST_F(LoadBalancerTest, ACallerWhoseZoneHasNoEndpointUsesTheOthers) {
  Add(3, "b");
  Add(1, "c");
  UseZones("a", {{"a", 1}});
  Push();
  EXPECT_NEAR(ShareOf(0, 3), 0.75, 0.01);
}

TEST_F(LoadBalancerTest, ZonesCountOnlyWhereTheyAreKnownAndWanted) {
  Add(3, "a");
  Add(3, "b");
  Push();
  EXPECT_NEAR(ShareOf(0, 3), 0.5, 0.01) << "the sidecar's is not known";
  UseZones("a");
  policy_.zones.ignore = true;
  Push();
  EXPECT_NEAR(ShareOf(0, 3), 0.5, 0.01) << "not wanted";
  policy_.zones.ignore = false;
  balance_ = Balance::kRingHash;
  Push();
  EXPECT_GT(ShareOf(3, 6), 0.3) << "the hash chooses";
}

TEST_F(LoadBalancerTest, ARetryLeavesTheZone) {
  Add(1, "a");
  Add(1, "b");
  UseZones("a");
  Push();
  EXPECT_EQ(Pick(), 0u);
  EXPECT_EQ(Pick({0}), 1u);
}

TEST_F(LoadBalancerTest, WhatAZoneAvoidsIsSpreadOverAllOthers) {
  balance_ = Balance::kLeastRequest;
  Add(3, "a");
  Add(3, "b");
  Add(3, "c");
  UseZones("c");
  Push();
  FailHere(6, 9);
  for (const double share : Shares()) EXPECT_LT(share, 0.18);
  EXPECT_NEAR(ShareOf(0, 3), 0.5, 0.02);
}

TEST_F(LoadBalancerTest, AZoneThatAvoidsSomeIsSmaller) {
  balance_ = Balance::kLeastRequest;
  Add(4, "a");
  Add(4, "b");
  UseZones("a");
  Push();
  FailHere(0, 2);
  EXPECT_NEAR(ShareOf(2, 4), 2.0 / 3, 0.02) << "as if they were ejected, but nobody else knows";
  EXPECT_EQ(ShareOf(0, 2), 0);
}

TEST_F(LoadBalancerTest, RetriesLeaveAZoneInAllDirections) {
  Add(1, "a");
  Add(1, "b");
  Add(1, "c");
  UseZones("c");
  Push();
  int first = 0;
  for (int i = 0; i < kPicks; ++i) first += Pick({2}) == 0u;
  EXPECT_NEAR(first / double{kPicks}, 0.5, 0.02);
}

// --- Slow start.

class SlowStart : public LoadBalancerTest, public testing::WithParamInterface<Balance> {
 protected:
  SlowStart() {
    balance_ = GetParam();
    policy_.slow_start = seconds(60);
    Add(2, "");
    Push();
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, SlowStart,
                         testing::Values(Balance::kRoundRobin, Balance::kRandom,
                                         Balance::kLeastRequest, Balance::kLoadWeighted));

TEST_P(SlowStart, ANewEndpointGrowsIntoItsShare) {
  now_ += seconds(100);
  Add(1, "");
  Push();
  EXPECT_NEAR(ShareOf(2, 3), 0.1 / 2.1, 0.03);
  now_ += seconds(30);
  EXPECT_NEAR(ShareOf(2, 3), 0.5 / 2.5, 0.04);
  now_ += seconds(30);
  EXPECT_NEAR(ShareOf(2, 3), 1.0 / 3, 0.02);
}

TEST_P(SlowStart, ARecoveredOneToo) {
  Add(1, "");
  Push();
  now_ += seconds(100);
  Eject(2, 3);
  EXPECT_EQ(ShareOf(2, 3), 0);
  now_ += seconds(30);
  EXPECT_NEAR(ShareOf(2, 3), 0.1 / 2.1, 0.03);
  now_ += seconds(60);
  EXPECT_NEAR(ShareOf(2, 3), 1.0 / 3, 0.02);
}

// Among the policies that avoid what keeps failing, for it may well be cold.
TEST_F(LoadBalancerTest, SlowStartBeginsAnewForOneThatWasAvoided) {
  balance_ = Balance::kLeastRequest;
  policy_.slow_start = seconds(60);
  Add(2, "");
  Push();
  EXPECT_NEAR(ShareOf(0, 1), 0.5, 0.02);
  now_ += seconds(10);
  EndpointStats& stats = servers_[0]->stats;
  const auto answer = [&](Outcome outcome) {
    stats.Started(now_);
    stats.Answered(now_, std::chrono::milliseconds(1), outcome);
    stats.Ended();
  };
  for (int i = 0; i < 3; ++i) answer(Outcome::kFailure);
  EXPECT_EQ(ShareOf(0, 1), 0);
  now_ += seconds(1);
  answer(Outcome::kSuccess);
  EXPECT_NEAR(ShareOf(0, 1), 0.1 / 1.1, 0.03);
  now_ += seconds(60);
  EXPECT_NEAR(ShareOf(0, 1), 0.5, 0.02);
}

TEST_P(SlowStart, TheFirstEndpointsStartAtOnceAndAPushChangesNothing) {
  EXPECT_NEAR(ShareOf(0, 1), 0.5, 0.02);
  Add(1, "");
  Push();
  now_ += seconds(30);
  Push();
  EXPECT_NEAR(ShareOf(2, 3), 0.5 / 2.5, 0.04) << "counted from when it came";
}

TEST_P(SlowStart, OneThatIsNewToUsAloneStartsAtOnce) {
  Add(1, "");
  warm_ = {*Address::Parse(servers_.back()->name)};
  Push();
  EXPECT_NEAR(ShareOf(2, 3), 1.0 / 3, 0.02) << "say, the first answer of a name";
}

TEST_P(SlowStart, TheOnlyOneThatIsLeftTakesAll) {
  Add(1, "");
  Push();
  EXPECT_EQ(Pick({0, 1}), 2u);
}

TEST_F(LoadBalancerTest, ReportsThatAreFarOffDoNotTakeAllLoad) {
  balance_ = Balance::kLoadWeighted;
  Add(4, "");
  Push();
  const auto report = [&](size_t server, const LoadReport& said) {
    servers_[server]->stats.reported_weight().OnReport(said, policy_.load_reports, now_);
  };
  const auto report_all = [&] {
    report(0, {.cpu_utilization = 0.5, .qps = 100});
    report(1, {.cpu_utilization = 0.5, .qps = 100});
    report(2, {.cpu_utilization = 1e-300, .qps = 1e300});
    report(3, {.cpu_utilization = 1e-4, .qps = 100});
  };
  report_all();
  now_ += policy_.load_reports.blackout;
  report_all();
  const std::vector<double> shares = Shares();
  // 1 : 1 : mean of the others : 10, of the median.
  EXPECT_NEAR(shares[0], 1.0 / 16, 0.01);
  EXPECT_NEAR(shares[2], 4.0 / 16, 0.01) << "what is not finite is no report";
  EXPECT_NEAR(shares[3], 10.0 / 16, 0.01);
}

TEST_F(LoadBalancerTest, WithoutSlowStartANewEndpointHasItsShareAtOnce) {
  Add(2, "");
  Push();
  Add(1, "");
  Push();
  EXPECT_NEAR(ShareOf(2, 3), 1.0 / 3, 0.02);
}

}  // namespace
}  // namespace tollgate::proxy
