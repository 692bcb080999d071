#include "proxy/upstream/reported_weight.h"

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::seconds;

class ReportedWeightTest : public testing::Test {
 protected:
  void Report(const LoadReport& report) { weight_.OnReport(report, policy_, now_); }
  double At(MonoTime since = {}) const { return weight_.At(now_, policy_, since); }
  // Reports until the blackout is over.
  double WeightOf(const LoadReport& report) {
    Report(report);
    now_ += policy_.blackout;
    Report(report);
    return At();
  }

  LoadReportPolicy policy_;
  MonoTime now_{std::chrono::hours(1)};
  ReportedWeight weight_;
};

TEST_F(ReportedWeightTest, IsQueriesByUtilization) {
  EXPECT_EQ(At(), 0) << "nothing is known";
  EXPECT_DOUBLE_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 100}), 200);
}

TEST_F(ReportedWeightTest, PrefersTheUtilizationOfTheApplication) {
  EXPECT_DOUBLE_EQ(WeightOf({.application_utilization = 0.25, .cpu_utilization = 0.5, .qps = 100}),
                   400);
}

TEST_F(ReportedWeightTest, ErrorsCountAsLoad) {
  // gRFC A58: 0.5 + 20 / 100 * 1.
  EXPECT_DOUBLE_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 100, .eps = 20}), 100 / 0.7);
  policy_.error_penalty_permille = 5000;
  EXPECT_DOUBLE_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 100, .eps = 20}), 100 / 1.5);
  policy_.error_penalty_permille = 0;
  EXPECT_DOUBLE_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 100, .eps = 20}), 200);
}

TEST_F(ReportedWeightTest, AReportWithoutQueriesOrUtilizationIsNone) {
  EXPECT_EQ(WeightOf({.cpu_utilization = 0.5}), 0);
  EXPECT_EQ(WeightOf({.qps = 100}), 0);
}

TEST_F(ReportedWeightTest, WhatIsNotFiniteIsNone) {
  EXPECT_EQ(WeightOf({.cpu_utilization = 1e-300, .qps = 1e300}), 0);
  policy_.error_penalty_permille = 0;
  EXPECT_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 1e-308, .eps = 1e308}), 0) << "inf * 0";
}

TEST_F(ReportedWeightTest, TheFirstReportsDoNotCount) {
  Report({.cpu_utilization = 0.5, .qps = 100});
  EXPECT_EQ(At(), 0);
  now_ += policy_.blackout - Duration(1);
  EXPECT_EQ(At(), 0);
  now_ += Duration(1);
  EXPECT_EQ(At(), 200);
}

TEST_F(ReportedWeightTest, ExpiresAndBeginsAnew) {
  ASSERT_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 100}), 200);
  now_ += policy_.expiry - Duration(1);
  EXPECT_EQ(At(), 200);
  now_ += Duration(1);
  EXPECT_EQ(At(), 0);
  Report({.cpu_utilization = 0.5, .qps = 100});
  EXPECT_EQ(At(), 0) << "a blackout again";
  now_ += policy_.blackout;
  EXPECT_EQ(At(), 200);
}

TEST_F(ReportedWeightTest, WhatWasSaidBeforeAnEjectionIsVoid) {
  ASSERT_EQ(WeightOf({.cpu_utilization = 0.5, .qps = 100}), 200);
  const MonoTime back = now_ + seconds(1);
  now_ += seconds(2);
  EXPECT_EQ(At(back), 0);
  Report({.cpu_utilization = 0.5, .qps = 100});
  EXPECT_EQ(At(back), 0);
  now_ = back + policy_.blackout;
  EXPECT_EQ(At(back), 200);
}

}  // namespace
}  // namespace tollgate::proxy
