// What the adaptive limit and the priorities come to, under the load of a simulation.
#include "tests/unit/proxy/upstream/concurrency_simulation.h"

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

UpstreamPolicy Adaptive() {
  UpstreamPolicy policy;
  policy.name = "local/payments";
  policy.adaptive_concurrency.emplace();
  return policy;
}

class ConcurrencySimulationTest : public testing::TestWithParam<int> {
 protected:
  ConcurrencySimulation Simulate(size_t servers, Duration service, double load,
                                 const UpstreamPolicy& policy = Adaptive()) {
    return ConcurrencySimulation(policy, servers, service, load, static_cast<uint64_t>(GetParam()));
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, ConcurrencySimulationTest, testing::Range(1, 4));

TEST_P(ConcurrencySimulationTest, UnderThreefoldOverloadTheUpstreamDoesItsBestAndStaysQuick) {
  for (const size_t servers : {4u, 20u, 60u}) {
    auto simulation = Simulate(servers, milliseconds(10), 3);
    auto tally = simulation.Run(seconds(70));  // with two measurements
    EXPECT_GE(tally.Goodput(), 0.9 * simulation.Capacity()) << servers;
    EXPECT_LE(tally.Percentile(0.99), milliseconds(40)) << servers;
    // Near the concurrency that the servers have: what waits for them is a part of it.
    EXPECT_GE(simulation.shared().adaptive()->limit(), servers) << servers;
    EXPECT_LE(simulation.shared().adaptive()->limit(), servers * 3) << servers;
  }
}

TEST_P(ConcurrencySimulationTest, WithoutALimitThatOverloadEndsInEndlessWaits) {
  UpstreamPolicy policy;
  policy.max_requests = 1'000'000;
  auto simulation = Simulate(20, milliseconds(10), 3, policy);
  auto tally = simulation.Run(seconds(20));
  EXPECT_GE(tally.Percentile(0.5), seconds(2)) << "or the simulation proves nothing";
}

TEST_P(ConcurrencySimulationTest, ALoadThatFitsIsNotRefused) {
  auto simulation = Simulate(50, milliseconds(10), 0.6);
  simulation.Run(seconds(3));  // the first measurement
  auto tally = simulation.Run(seconds(50));
  EXPECT_LE(tally.Refused(Priority::kDefault), 0.002);
}

TEST_P(ConcurrencySimulationTest, AMeasurementCostsLittle) {
  auto simulation = Simulate(20, milliseconds(10), 0.9);
  simulation.Run(seconds(3));
  auto tally = simulation.Run(seconds(200));
  EXPECT_LE(tally.Refused(Priority::kDefault), 0.02);
}

TEST_P(ConcurrencySimulationTest, FindsANewLimitWhenTheUpstreamBecomesSlower) {
  auto simulation = Simulate(20, milliseconds(10), 2);
  simulation.Run(seconds(20));
  simulation.SetService(milliseconds(40));
  auto at_once = simulation.Run(seconds(2));
  EXPECT_LE(at_once.Percentile(0.99), milliseconds(250)) << "no long queue meanwhile";
  simulation.Run(seconds(70));  // measures anew
  auto after = simulation.Run(seconds(20));
  EXPECT_GE(after.Goodput(), 0.9 * simulation.Capacity());
  EXPECT_LE(after.Percentile(0.99), milliseconds(160));
}

TEST_P(ConcurrencySimulationTest, FindsANewLimitWhenTheUpstreamBecomesFaster) {
  auto simulation = Simulate(20, milliseconds(40), 8);
  simulation.Run(seconds(20));
  simulation.SetService(milliseconds(10));  // which is now twice what it can do
  auto at_once = simulation.Run(seconds(5));
  EXPECT_GE(at_once.Goodput(), 0.9 * simulation.Capacity());
  simulation.Run(seconds(70));
  auto after = simulation.Run(seconds(20));
  EXPECT_GE(after.Goodput(), 0.9 * simulation.Capacity());
  EXPECT_LE(after.Percentile(0.99), milliseconds(40));
}

TEST_P(ConcurrencySimulationTest, WhatMattersMostIsServedWhileTheRestIsShed) {
  UpstreamPolicy policy = Adaptive();
  policy.has_priorities = true;
  auto simulation = Simulate(50, milliseconds(10), 3, policy);
  // A tenth of three times the capacity is critical: it fits.
  simulation.SetPriorities({Priority::kCritical, Priority::kDefault, Priority::kDefault,
                            Priority::kDefault, Priority::kDefault, Priority::kSheddable,
                            Priority::kSheddable, Priority::kSheddable, Priority::kSheddable,
                            Priority::kSheddable});
  simulation.Run(seconds(5));
  auto tally = simulation.Run(seconds(50));
  EXPECT_LE(tally.Refused(Priority::kCritical), 0.01);
  EXPECT_GE(tally.Refused(Priority::kSheddable), 0.8);
  EXPECT_LE(tally.Refused(Priority::kDefault), 0.75);
  EXPECT_GE(tally.Goodput(), 0.9 * simulation.Capacity());
}

TEST_P(ConcurrencySimulationTest, AFixedCapShedsByPriorityToo) {
  UpstreamPolicy policy;
  policy.max_requests = 40;
  policy.has_priorities = true;
  auto simulation = Simulate(20, milliseconds(10), 3, policy);
  simulation.SetPriorities({Priority::kCritical, Priority::kDefault, Priority::kDefault,
                            Priority::kDefault, Priority::kDefault, Priority::kSheddable,
                            Priority::kSheddable, Priority::kSheddable, Priority::kSheddable,
                            Priority::kSheddable});
  auto tally = simulation.Run(seconds(20));
  EXPECT_LE(tally.Refused(Priority::kCritical), 0.02);
  EXPECT_GE(tally.Refused(Priority::kSheddable), tally.Refused(Priority::kDefault));
  EXPECT_LE(tally.Percentile(1), milliseconds(30)) << "40 in progress at 20 servers";
}

}  // namespace
}  // namespace tollgate::proxy
