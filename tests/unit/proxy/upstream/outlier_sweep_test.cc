#include "proxy/upstream/outlier_sweep.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SuccessRate, WhoIsFarBelowTheOthersStandsOut) {
  // Rates 1, 1, 1, 1, 0.5: mean 0.9, standard deviation 0.2, so below 0.9 - 1.9 * 0.2 = 0.52.
  const RequestVolume endpoints[] = {{100, 0}, {100, 0}, {100, 50}, {100, 0}, {100, 0}};
  EXPECT_THAT(BelowSuccessRate(endpoints, {}), ElementsAre(2));
  EXPECT_THAT(BelowSuccessRate(endpoints, {.stdev_factor = 2100}), IsEmpty())
      << "0.48 is less than 0.5";
}

TEST(SuccessRate, EqualsDoNotStandOutHoweverBad) {
  for (const uint32_t failed : {0u, 1u, 37u, 100u}) {
    const std::vector<RequestVolume> endpoints(7, {100, failed});
    EXPECT_THAT(BelowSuccessRate(endpoints, {}), IsEmpty()) << failed;
    EXPECT_THAT(BelowSuccessRate(endpoints, {.stdev_factor = 1}), IsEmpty()) << failed;
  }
}

TEST(SuccessRate, NeedsEnoughEndpointsWithEnoughRequests) {
  std::vector<RequestVolume> endpoints = {{100, 0}, {100, 0}, {100, 90}, {100, 0}};
  EXPECT_THAT(BelowSuccessRate(endpoints, {}), IsEmpty()) << "four of five";
  endpoints.push_back({99, 0});
  EXPECT_THAT(BelowSuccessRate(endpoints, {}), IsEmpty()) << "the fifth had too few requests";
  endpoints.back() = {100, 0};
  EXPECT_THAT(BelowSuccessRate(endpoints, {}), ElementsAre(2));
}

TEST(FailurePercentage, WhoFailsTooMuchStandsOutTheWorstFirst) {
  const RequestVolume endpoints[] = {{50, 43}, {50, 42}, {1000, 999}, {50, 50}, {49, 49}};
  EXPECT_THAT(AboveFailurePercentage(endpoints, {.min_hosts = 1}), ElementsAre(3, 2, 0))
      << "85 % of 50 are 42.5, and 49 requests are too few";
}

TEST(FailurePercentage, NeedsEnoughEndpoints) {
  const std::vector<RequestVolume> four(4, {50, 50});
  EXPECT_THAT(AboveFailurePercentage(four, {}), IsEmpty());
  const std::vector<RequestVolume> five(5, {50, 50});
  EXPECT_THAT(AboveFailurePercentage(five, {}), ElementsAre(0, 1, 2, 3, 4));
}

TEST(FailurePercentage, NobodyIsJudgedWithoutARequest) {
  const std::vector<RequestVolume> quiet(5, {0, 0});
  EXPECT_THAT(AboveFailurePercentage(quiet, {.min_volume = 0}), IsEmpty());
}

}  // namespace
}  // namespace tollgate::proxy
