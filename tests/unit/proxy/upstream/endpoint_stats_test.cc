#include "proxy/upstream/endpoint_stats.h"

#include <cmath>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EndpointStatsTest : public testing::Test {
 protected:
  void Serve(Duration latency, Outcome outcome = Outcome::kSuccess) {
    stats_.Started(now_);
    now_ += latency;
    stats_.Answered(now_, latency, outcome);
    stats_.Ended();
  }
  double LatencyMs() const { return stats_.LatencyAt(now_) / 1e6; }

  EndpointStats stats_;
  MonoTime now_{std::chrono::hours(1)};
};

TEST_F(EndpointStatsTest, ASampleAboveTheEstimateReplacesIt) {
  Serve(milliseconds(5));
  EXPECT_DOUBLE_EQ(LatencyMs(), 5) << "the first sample counts, not the start value";
  Serve(milliseconds(80));
  EXPECT_DOUBLE_EQ(LatencyMs(), 80);
}

TEST_F(EndpointStatsTest, ASampleBelowPullsItDownExponentially) {
  Serve(milliseconds(80));
  now_ += seconds(10) - milliseconds(20);
  Serve(milliseconds(20));
  const double keep = std::exp(-1.0);
  EXPECT_NEAR(LatencyMs(), 80 * keep + 20 * (1 - keep), 1e-6);
}

TEST_F(EndpointStatsTest, AnIdleEstimateDecays) {
  Serve(milliseconds(80));
  now_ += seconds(20);
  EXPECT_NEAR(LatencyMs(), 80 * std::exp(-2.0), 1e-6);
}

TEST_F(EndpointStatsTest, SilenceIsALowerBound) {
  Serve(milliseconds(10));
  stats_.Started(now_);
  now_ += milliseconds(5);
  stats_.Started(now_);
  EXPECT_DOUBLE_EQ(LatencyMs(), 10);
  now_ += seconds(2);
  EXPECT_DOUBLE_EQ(LatencyMs(), 2005);
  stats_.Answered(now_, milliseconds(1), Outcome::kCancelled);
  EXPECT_DOUBLE_EQ(LatencyMs(), 10) << "a cancelled fast one says nothing";
}

TEST_F(EndpointStatsTest, ABodyThatIsStillComingIsLoadButNotSilence) {
  stats_.Started(now_);
  stats_.Answered(now_, milliseconds(10), Outcome::kSuccess);
  now_ += seconds(5);
  EXPECT_LT(LatencyMs(), 10);
  EXPECT_EQ(stats_.active(), 1u);
  stats_.Ended();
  EXPECT_EQ(stats_.active(), 0u);
}

TEST_F(EndpointStatsTest, ACancelledSlowOneIsASample) {
  Serve(milliseconds(10));
  Serve(milliseconds(400), Outcome::kCancelled);
  EXPECT_DOUBLE_EQ(LatencyMs(), 400);
}

TEST_F(EndpointStatsTest, OnlyGoodAnswersSayWhatIsUsual) {
  for (int i = 0; i < 50; ++i) Serve(milliseconds(10));
  EXPECT_NEAR(stats_.usual_latency(), 10e6, 1e5);
  stats_.Started(now_);
  stats_.Answered(now_, seconds(5), Outcome::kFailure);
  stats_.Started(now_);
  stats_.Answered(now_, seconds(5), Outcome::kCancelled);
  EXPECT_NEAR(stats_.usual_latency(), 10e6, 1e5);
}

TEST_F(EndpointStatsTest, AFailureNeverLowersTheEstimate) {
  Serve(milliseconds(50));
  Serve(milliseconds(1), Outcome::kFailure);
  EXPECT_DOUBLE_EQ(LatencyMs(), 50);
  Serve(milliseconds(900), Outcome::kFailure);
  EXPECT_DOUBLE_EQ(LatencyMs(), 900);
}

TEST_F(EndpointStatsTest, ThreeFailuresInARowAreAvoidedThenProbedOneAtATime) {
  Serve(milliseconds(1), Outcome::kFailure);
  Serve(milliseconds(1), Outcome::kFailure);
  EXPECT_FALSE(stats_.AvoidAt(now_));
  Serve(milliseconds(1), Outcome::kFailure);
  EXPECT_TRUE(stats_.AvoidAt(now_ + milliseconds(999)));
  EXPECT_FALSE(stats_.AvoidAt(now_ + seconds(1)));
  now_ += seconds(1);
  stats_.Started(now_);
  EXPECT_TRUE(stats_.AvoidAt(now_)) << "a probe is out";
  stats_.Answered(now_, milliseconds(1), Outcome::kFailure);
  EXPECT_TRUE(stats_.AvoidAt(now_ + milliseconds(1999))) << "twice as long";
  EXPECT_FALSE(stats_.AvoidAt(now_ + seconds(2)));
}

TEST_F(EndpointStatsTest, OneThatFailsThreeInTenIsAvoidedSoonOneInTwentyNever) {
  const auto requests_until_avoided = [&](int of_twenty) {
    stats_ = EndpointStats();
    int i = 0;
    for (; i < 2000 && !stats_.AvoidAt(now_); ++i) {
      // Spread evenly.
      const bool fails = i * of_twenty / 20 != (i + 1) * of_twenty / 20;
      Serve(milliseconds(1), fails ? Outcome::kFailure : Outcome::kSuccess);
    }
    return i;
  };
  EXPECT_LT(requests_until_avoided(6), 40);
  EXPECT_EQ(requests_until_avoided(1), 2000);
}

TEST_F(EndpointStatsTest, WhatWasOnItsWayDoesNotCountTwice) {
  for (int i = 0; i < 100; ++i) stats_.Started(now_);
  for (int i = 0; i < 100; ++i) stats_.Answered(now_, milliseconds(1), Outcome::kFailure);
  EXPECT_FALSE(stats_.AvoidAt(now_ + seconds(1)));
}

TEST_F(EndpointStatsTest, AvoidanceIsCapped) {
  for (int i = 0; i < 50; ++i) {
    Serve(milliseconds(1), Outcome::kFailure);
    now_ += seconds(40);
  }
  Serve(milliseconds(1), Outcome::kFailure);
  EXPECT_TRUE(stats_.AvoidAt(now_ + seconds(31)));
  EXPECT_FALSE(stats_.AvoidAt(now_ + seconds(32)));
}

TEST_F(EndpointStatsTest, OneThatWasNeverMeasuredIsTriedByOne) {
  EXPECT_EQ(stats_.CostAt(now_, 1), 0);
  stats_.Started(now_);
  EXPECT_DOUBLE_EQ(stats_.CostAt(now_, 1), 2 * 30e6);
}

TEST(OutcomeOfStatus, BusinessRefusalsAreAnswers) {
  for (int status : {200, 301, 400, 401, 402, 404, 409, 422, 428, 430, 499}) {
    EXPECT_EQ(OutcomeOfStatus(status), Outcome::kSuccess) << status;
  }
  for (int status : {429, 500, 501, 502, 503, 504, 599}) {
    EXPECT_EQ(OutcomeOfStatus(status), Outcome::kFailure) << status;
  }
}

TEST_F(EndpointStatsTest, AnswersThatBreakOffAreFailures) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(stats_.AvoidAt(now_)) << i;
    stats_.Started(now_);
    stats_.Answered(now_, milliseconds(5), Outcome::kSuccess);
    stats_.Broke(now_);
    stats_.Ended();
  }
  EXPECT_TRUE(stats_.AvoidAt(now_));
  now_ += seconds(1);
  EXPECT_FALSE(stats_.AvoidAt(now_)) << "then it is tried again";
}

TEST_F(EndpointStatsTest, ARareOneThatBreaksOffCostsNothing) {
  for (int i = 0; i < 100; ++i) {
    stats_.Started(now_);
    stats_.Answered(now_, milliseconds(5), Outcome::kSuccess);
    if (i % 10 == 0) stats_.Broke(now_);
    stats_.Ended();
    EXPECT_FALSE(stats_.AvoidAt(now_)) << i;
  }
}

}  // namespace
}  // namespace tollgate::proxy
