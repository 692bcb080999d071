// How the production balancers share load among servers that are slow, broken or new.
#include "tests/unit/proxy/upstream/balancing_simulation.h"

#include <tuple>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Answer = BalancingSimulation::Answer;
using Tally = BalancingSimulation::Tally;

constexpr Duration kFast = milliseconds(10);
constexpr Duration kSlow = milliseconds(100);

class Balancing : public testing::TestWithParam<uint64_t> {
 protected:
  BalancingSimulation Simulate(Balance kind, double rate = 300, BalancingPolicy policy = {}) {
    return {kind, rate, GetParam(), policy};
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Balancing, testing::Values(1, 2, 3, 4, 5));

TEST_P(Balancing, EqualServersShareEqually) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  for (int i = 0; i < 5; ++i) simulation.Add(kFast);
  simulation.Run(seconds(5));
  const Tally tally = simulation.Run(seconds(60));
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(tally.Share(i), 0.2, 0.05);
}

TEST_P(Balancing, OneServerTenTimesSlowerTakesHardlyAny) {
  for (size_t servers : {3, 10}) {
    SCOPED_TRACE(servers);
    BalancingSimulation ewma = Simulate(Balance::kPeakEwma);
    BalancingSimulation round_robin = Simulate(Balance::kRoundRobin);
    for (size_t i = 0; i + 1 < servers; ++i) {
      ewma.Add(kFast);
      round_robin.Add(kFast);
    }
    const size_t slow = ewma.Add(kSlow);
    round_robin.Add(kSlow);
    const Tally adaptive = ewma.Run(seconds(120));
    const Tally baseline = round_robin.Run(seconds(120));
    EXPECT_LT(adaptive.Share(slow), 0.01);
    EXPECT_GT(adaptive.picked[slow], 0u) << "it is tried now and then";
    EXPECT_NEAR(baseline.Share(slow), 1.0 / static_cast<double>(servers), 0.001);
    EXPECT_LT(adaptive.MeanLatency(), 0.8 * baseline.MeanLatency());
  }
}

TEST_P(Balancing, ASlowServerCarriesItsPartWhenTheFastOnesAreBusy) {
  // Each fast one has some 20 requests out and costs as much as the slow one with one or two.
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma, 4000);
  simulation.Add(kFast);
  simulation.Add(kFast);
  const size_t slow = simulation.Add(kSlow);
  simulation.Run(seconds(5));
  const Tally tally = simulation.Run(seconds(20));
  EXPECT_GT(tally.picked[slow], 200u) << "ten a second, not one now and then";
  EXPECT_LT(tally.Share(slow), 0.05);
}

TEST_P(Balancing, AServerThatSlowsDownIsLeftAtOnceAndComesBack) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  simulation.Add(kFast);
  simulation.Add(kFast);
  const size_t third = simulation.Add(
      [](Duration at) { return Answer{at >= seconds(20) && at < seconds(40) ? kSlow : kFast}; });
  simulation.Run(seconds(5));
  EXPECT_GT(simulation.Run(seconds(15)).Share(third), 0.25) << "before";
  simulation.Run(seconds(1));
  EXPECT_LT(simulation.Run(seconds(19)).Share(third), 0.02) << "during";
  simulation.Run(seconds(30));  // its estimate decays until one request finds it fast
  EXPECT_GT(simulation.Run(seconds(20)).Share(third), 0.25) << "after";
}

TEST_P(Balancing, AServerThatFailsFastAttractsNoLoad) {
  for (Duration peers : {kFast, Duration(seconds(1))}) {
    BalancingSimulation ewma = Simulate(Balance::kPeakEwma);
    BalancingSimulation round_robin = Simulate(Balance::kRoundRobin);
    const auto broken = [](Duration) { return Answer{std::chrono::microseconds(100), true}; };
    for (int i = 0; i < 2; ++i) {
      ewma.Add(peers);
      round_robin.Add(peers);
    }
    const size_t sick = ewma.Add(broken);
    round_robin.Add(broken);
    const Tally adaptive = ewma.Run(seconds(120));
    const Tally baseline = round_robin.Run(seconds(120));
    // Three to be known, then a probe after 1, 2, 4, ... and each 32 seconds.
    EXPECT_LE(adaptive.failed, 14u);
    EXPECT_EQ(adaptive.failed, adaptive.picked[sick]);
    EXPECT_GT(baseline.failed, 10'000u);
  }
}

TEST_P(Balancing, HalfOfTheServersFailingFastAttractNoLoad) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  for (int i = 0; i < 2; ++i) {
    simulation.Add(kFast);
    simulation.Add([](Duration) { return Answer{milliseconds(1), true}; });
  }
  simulation.Run(seconds(1));
  EXPECT_LE(simulation.Run(seconds(119)).failed, 28u);
}

TEST_P(Balancing, AServerThatStopsFailingComesBack) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  simulation.Add(kFast);
  const size_t second = simulation.Add([](Duration at) {
    return at < seconds(10) ? Answer{milliseconds(1), true} : Answer{kFast};
  });
  simulation.Run(seconds(30));
  EXPECT_GT(simulation.Run(seconds(10)).Share(second), 0.4);
}

TEST_P(Balancing, ARareFailureCostsAServerNothing) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  simulation.Add(kFast);
  Random luck(GetParam());
  const size_t second = simulation.Add([&luck](Duration) {
    return Answer{kFast, luck.Below(100) == 0};
  });
  simulation.Run(seconds(5));
  EXPECT_NEAR(simulation.Run(seconds(60)).Share(second), 0.5, 0.08);
}

TEST_P(Balancing, ABlackHoleIsLeftBeforeItsFirstTimeout) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  simulation.Add(kFast);
  simulation.Add(kFast);
  const size_t hole = simulation.Add([](Duration at) {
    return at < seconds(5) ? Answer{kFast} : Answer{seconds(10), true};
  });
  simulation.Run(seconds(5));
  const Tally tally = simulation.Run(seconds(5));
  EXPECT_LT(tally.picked[hole], 15u) << "of 1500 in five seconds, none answered yet";
}

TEST_P(Balancing, ANewServerIsTriedByOneRequestThenJoins) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma, 1000);
  for (int i = 0; i < 3; ++i) simulation.Add(kFast);
  simulation.Run(seconds(10));
  const size_t fresh = simulation.Add(kFast);
  EXPECT_GE(simulation.Run(milliseconds(100)).picked[fresh], 1u);
  EXPECT_NEAR(simulation.Run(seconds(30)).Share(fresh), 0.25, 0.08);
}

TEST_P(Balancing, AColdServerIsNotFlooded) {
  // Its first second is thirty times slower, as caches fill.
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma, 1000);
  for (int i = 0; i < 3; ++i) simulation.Add(kFast);
  simulation.Run(seconds(10));
  const size_t cold = simulation.Add(
      [](Duration at) { return Answer{at < seconds(11) ? milliseconds(300) : kFast}; });
  EXPECT_LE(simulation.Run(seconds(1)).picked[cold], 10u);
  simulation.Run(seconds(45));
  EXPECT_NEAR(simulation.Run(seconds(20)).Share(cold), 0.25, 0.08) << "warm";
}

TEST_P(Balancing, WhenAllFailAllAreTried) {
  BalancingSimulation simulation = Simulate(Balance::kPeakEwma);
  for (int i = 0; i < 3; ++i) {
    simulation.Add([](Duration) { return Answer{milliseconds(1), true}; });
  }
  const Tally tally = simulation.Run(seconds(10));
  for (size_t i = 0; i < 3; ++i) EXPECT_GT(tally.Share(i), 0.1);
}

// --- The policies that look at load: one slow, one that fails fast, one that is cold.

class LoadAware : public testing::TestWithParam<std::tuple<Balance, uint64_t>> {
 protected:
  Balance kind() const { return std::get<0>(GetParam()); }
  BalancingSimulation Simulate(double rate = 300, BalancingPolicy policy = {}) {
    return {kind(), rate, std::get<1>(GetParam()), policy};
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, LoadAware,
                         testing::Combine(testing::Values(Balance::kPeakEwma,
                                                          Balance::kLeastRequest,
                                                          Balance::kLoadWeighted),
                                          testing::Values(1, 2, 3)));

TEST_P(LoadAware, AServerThatFailsFastAttractsNoLoad) {
  for (const Duration peers : {kFast, Duration(seconds(1))}) {
    for (const uint32_t weight : {1u, 3u}) {  // of unequal ones, least request takes turns
      BalancingSimulation simulation = Simulate();
      for (int i = 0; i < 2; ++i) simulation.Add([peers](Duration) { return Answer{peers}; });
      const size_t sick = simulation.Add(
          [](Duration) {
            return Answer{std::chrono::microseconds(100), true};
          },
          weight);
      const Tally tally = simulation.Run(seconds(120));
      // Three to be known, then a probe after 1, 2, 4, ... and each 32 seconds.
      EXPECT_LE(tally.picked[sick], 14u) << weight;
      EXPECT_GE(tally.picked[sick], 5u) << "and it is tried again: " << weight;
    }
  }
}

TEST_P(LoadAware, AServerThatRecoversComesBack) {
  BalancingPolicy policy;
  policy.slow_start = seconds(10);
  BalancingSimulation simulation(kind(), 300, std::get<1>(GetParam()), policy,
                                 OutlierDetectionPolicy());
  for (int i = 0; i < 2; ++i) simulation.Add(kFast);
  const size_t sick = simulation.Add([](Duration at) {
    return at < seconds(20) ? Answer{milliseconds(1), true} : Answer{kFast};
  });
  simulation.Run(seconds(20));
  simulation.Run(seconds(200));
  EXPECT_NEAR(simulation.Run(seconds(30)).Share(sick), 1.0 / 3, 0.06);
}

TEST_P(LoadAware, AColdServerIsWarmedUpBySlowStart) {
  BalancingPolicy policy;
  policy.slow_start = seconds(20);
  BalancingSimulation simulation = Simulate(1000, policy);
  for (int i = 0; i < 3; ++i) simulation.Add(kFast);
  simulation.Run(seconds(10));
  const size_t cold = simulation.Add(kFast);
  const double first = simulation.Run(seconds(2)).Share(cold);
  // A tenth of a quarter at first; somewhat more where it is taken for having the fewest requests.
  EXPECT_LT(first, 0.08);
  EXPECT_GT(first, 0.005);
  simulation.Run(seconds(6));
  EXPECT_NEAR(simulation.Run(seconds(4)).Share(cold), 0.16, 0.07) << "half way";
  simulation.Run(seconds(10));
  EXPECT_NEAR(simulation.Run(seconds(20)).Share(cold), 0.25, 0.06) << "all of it";
}

TEST_P(Balancing, LeastRequestLeavesASlowServerTheRequestsItCanHold) {
  BalancingSimulation least = Simulate(Balance::kLeastRequest, 1000);
  BalancingSimulation random = Simulate(Balance::kRandom, 1000);
  for (int i = 0; i < 3; ++i) {
    least.Add(kFast);
    random.Add(kFast);
  }
  const size_t slow = least.Add(kSlow);
  random.Add(kSlow);
  const Tally fewer = least.Run(seconds(60));
  const Tally blind = random.Run(seconds(60));
  EXPECT_LT(fewer.Share(slow), 0.08) << "as many open as the others, ten times as long";
  EXPECT_NEAR(blind.Share(slow), 0.25, 0.01);
  EXPECT_LT(fewer.MeanLatency(), 0.6 * blind.MeanLatency());
}

// What a server of this capacity (requests a second at full use) reports.
LoadReport ReportOf(double capacity, double error_rate = 0) {
  return {.cpu_utilization = 100 / capacity, .qps = 100, .eps = 100 * error_rate};
}

TEST_P(Balancing, LoadWeightedSharesByReportedCapacity) {
  BalancingSimulation simulation = Simulate(Balance::kLoadWeighted);
  for (const double capacity : {200.0, 400.0, 600.0}) {
    simulation.Add([capacity](Duration) { return Answer{kFast, false, ReportOf(capacity)}; });
  }
  const Tally blackout = simulation.Run(seconds(10));
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(blackout.Share(i), 1.0 / 3, 0.01) << "nothing is known";
  simulation.Run(seconds(2));
  const Tally tally = simulation.Run(seconds(60));
  EXPECT_NEAR(tally.Share(0), 2.0 / 12, 0.01);
  EXPECT_NEAR(tally.Share(1), 4.0 / 12, 0.01);
  EXPECT_NEAR(tally.Share(2), 6.0 / 12, 0.01);
}

TEST_P(Balancing, LoadWeightedGivesOneThatReportsNothingTheMean) {
  BalancingSimulation simulation = Simulate(Balance::kLoadWeighted);
  for (const double capacity : {100.0, 300.0}) {
    simulation.Add([capacity](Duration) { return Answer{kFast, false, ReportOf(capacity)}; });
  }
  const size_t silent = simulation.Add(kFast);
  simulation.Run(seconds(12));
  EXPECT_NEAR(simulation.Run(seconds(60)).Share(silent), 1.0 / 3, 0.01);
}

TEST_P(Balancing, LoadWeightedTakesLoadOffWhatReportsErrors) {
  // Errors are cheap: by its CPU alone the second could do with more.
  BalancingSimulation simulation = Simulate(Balance::kLoadWeighted);
  simulation.Add([](Duration) { return Answer{kFast, false, ReportOf(200)}; });
  const size_t failing = simulation.Add([](Duration) {
    return Answer{kFast, false, ReportOf(400, 0.5)};
  });
  simulation.Run(seconds(12));
  // 100 / 0.5 to 100 / (0.25 + 0.5).
  EXPECT_NEAR(simulation.Run(seconds(60)).Share(failing), 0.4, 0.01);
}

TEST_P(Balancing, LoadWeightedForgetsWhatIsNoLongerReported) {
  BalancingPolicy policy;
  policy.load_reports.expiry = seconds(20);
  BalancingSimulation simulation = Simulate(Balance::kLoadWeighted, 300, policy);
  for (const double capacity : {200.0, 600.0}) {
    simulation.Add([capacity](Duration at) {
      return at < seconds(30) ? Answer{kFast, false, ReportOf(capacity)} : Answer{kFast};
    });
  }
  simulation.Run(seconds(12));
  EXPECT_NEAR(simulation.Run(seconds(18)).Share(1), 0.75, 0.01);
  simulation.Run(seconds(22));
  EXPECT_NEAR(simulation.Run(seconds(30)).Share(1), 0.5, 0.01);
}

}  // namespace
}  // namespace tollgate::proxy
