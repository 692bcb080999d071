#include "proxy/upstream/gradient_controller.h"

#include <cmath>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class GradientControllerTest : public testing::Test {
 protected:
  // One answer after `latency`, which began when it should.
  void Answer(Duration latency) {
    now_ += latency;
    controller_.Record({now_ - latency, latency}, now_);
  }
  // What ends the first measurement, with this latency.
  void Measure(Duration latency) {
    Answer(latency);
    for (uint32_t i = 0; i < policy_.min_rtt_requests; ++i) Answer(latency);
  }
  // One interval whose answers take `latency`.
  void Interval(Duration latency) {
    now_ += policy_.update_interval;
    controller_.Record({now_ - latency, latency}, now_);
  }

  AdaptiveConcurrencyPolicy policy_;
  GradientController controller_{policy_, 1};
  MonoTime now_{std::chrono::hours(1)};
};

TEST_F(GradientControllerTest, LimitsNothingBeforeThereIsAnythingToMeasure) {
  EXPECT_EQ(controller_.LimitAt(now_), policy_.max_concurrency);
  now_ += std::chrono::hours(10);
  EXPECT_EQ(controller_.LimitAt(now_), policy_.max_concurrency);
  EXPECT_FALSE(controller_.measuring());
}

TEST_F(GradientControllerTest, MeasuresTheLeastLatencyUnderTheLeastLimit) {
  Answer(milliseconds(500));  // under no limit at all: it is no sample
  EXPECT_TRUE(controller_.measuring());
  EXPECT_EQ(controller_.LimitAt(now_), policy_.min_concurrency);
  for (uint32_t i = 1; i < policy_.min_rtt_requests; ++i) Answer(milliseconds(10));
  EXPECT_TRUE(controller_.measuring());
  Answer(milliseconds(10));
  EXPECT_FALSE(controller_.measuring());
  EXPECT_NEAR(static_cast<double>(controller_.min_rtt().count()), 10e6, 0.4e6);
}

TEST_F(GradientControllerTest, WhatBeganBeforeTheMeasurementIsNoSampleOfIt) {
  Answer(milliseconds(10));
  ASSERT_TRUE(controller_.measuring());
  for (int i = 0; i < 200; ++i)
    controller_.Record({now_ - seconds(1), seconds(1)}, now_ + milliseconds(1));
  EXPECT_TRUE(controller_.measuring());
  for (uint32_t i = 0; i < policy_.min_rtt_requests; ++i) Answer(milliseconds(10));
  EXPECT_LT(controller_.min_rtt(), milliseconds(11));
}

TEST_F(GradientControllerTest, FollowsTheGradientWithHeadroom) {
  Measure(milliseconds(10));
  double expected = policy_.min_concurrency;
  const auto check = [&](Duration latency, double gradient) {
    Interval(latency);
    const double target = expected * gradient;
    expected = std::floor(target + std::sqrt(target));
    EXPECT_NEAR(controller_.limit(), expected, 0.05 * expected + 1) << latency.count();
    expected = controller_.limit();
  };
  check(milliseconds(10), 1.25);  // the buffer is allowed without consequence
  check(milliseconds(1), 2);      // at most doubled
  check(milliseconds(1), 2);
  check(milliseconds(1), 2);
  check(milliseconds(25), 0.5);
  check(milliseconds(1000), 0.5);  // at most halved
}

TEST_F(GradientControllerTest, StaysWithinItsBounds) {
  Measure(milliseconds(10));
  for (int i = 0; i < 50; ++i) Interval(milliseconds(1));
  EXPECT_EQ(controller_.limit(), policy_.max_concurrency);
  for (int i = 0; i < 15; ++i) Interval(milliseconds(500));
  EXPECT_EQ(controller_.limit(), policy_.min_concurrency);
}

TEST_F(GradientControllerTest, AtTheMinimumForFiveUpdatesItMeasuresAnew) {
  Measure(milliseconds(10));
  int updates = 0;
  while (!controller_.measuring()) {
    ASSERT_LT(++updates, 20);
    Interval(milliseconds(500));  // began after the last measurement
  }
  EXPECT_GE(updates, 5);
  for (uint32_t i = 0; i < policy_.min_rtt_requests; ++i) Answer(milliseconds(500));
  EXPECT_NEAR(static_cast<double>(controller_.min_rtt().count()), 500e6, 20e6);
}

TEST_F(GradientControllerTest, MeasuresEveryIntervalWithJitterAndGoesOnWhereItWas) {
  Measure(milliseconds(10));
  const MonoTime measured = now_;
  while (controller_.limit() < 100) Interval(milliseconds(10));
  uint32_t before = 0;
  while (!controller_.measuring()) {
    before = controller_.limit();
    Interval(milliseconds(12));
    ASSERT_LT(now_ - measured, policy_.min_rtt_interval * 2);
  }
  EXPECT_GE(now_ - measured, policy_.min_rtt_interval);
  EXPECT_LE(now_ - measured, policy_.min_rtt_interval * 115 / 100 + policy_.update_interval);
  EXPECT_EQ(controller_.LimitAt(now_), policy_.min_concurrency);
  for (uint32_t i = 0; i < policy_.min_rtt_requests; ++i) Answer(milliseconds(10));
  EXPECT_EQ(controller_.LimitAt(now_), before);
}

// A quiet service would never have its 50 samples.
TEST_F(GradientControllerTest, AMeasurementEndsAfterATenthOfItsInterval) {
  Answer(milliseconds(10));
  Answer(milliseconds(10));
  ASSERT_TRUE(controller_.measuring());
  now_ += policy_.min_rtt_interval / 10;
  controller_.LimitAt(now_);
  EXPECT_FALSE(controller_.measuring());
  EXPECT_LT(controller_.min_rtt(), milliseconds(11)) << "of the one sample that there is";
}

TEST_F(GradientControllerTest, AFirstMeasurementWithoutASampleLeavesNothingLimited) {
  Answer(milliseconds(10));
  now_ += policy_.min_rtt_interval / 10;
  EXPECT_EQ(controller_.LimitAt(now_), policy_.max_concurrency);
  EXPECT_EQ(controller_.min_rtt(), Duration::zero());
}

// It takes longer to answer than a measurement lasts at first.
TEST_F(GradientControllerTest, ASlowServiceIsMeasuredInTheEnd) {
  const Duration latency = policy_.min_rtt_interval / 3;
  for (int i = 0; i < 12 && controller_.min_rtt() == Duration::zero(); ++i) {
    const MonoTime began = now_;
    for (; now_ < began + latency; now_ += seconds(1)) controller_.LimitAt(now_);
    controller_.Record({began, now_ - began}, now_);
  }
  EXPECT_GE(controller_.min_rtt(), latency * 95 / 100);
}

TEST_F(GradientControllerTest, AShorterIntervalIsNotAwaitedByTheOld) {
  Measure(milliseconds(10));
  AdaptiveConcurrencyPolicy changed = policy_;
  changed.min_rtt_interval /= 10;
  controller_.Update(changed);
  const MonoTime pushed = now_;
  while (!controller_.measuring() && now_ < pushed + policy_.min_rtt_interval) {
    Interval(milliseconds(12));
  }
  EXPECT_LE(now_ - pushed, 2 * changed.min_rtt_interval + policy_.update_interval);
}

TEST_F(GradientControllerTest, AQuietIntervalChangesNothing) {
  Measure(milliseconds(10));
  while (controller_.limit() < 50) Interval(milliseconds(10));
  const uint32_t limit = controller_.limit();
  for (int i = 0; i < 20; ++i) {
    now_ += policy_.update_interval;
    EXPECT_EQ(controller_.LimitAt(now_), limit);
  }
}

TEST_F(GradientControllerTest, APushKeepsWhatWasLearned) {
  Measure(milliseconds(10));
  while (controller_.limit() < 50) Interval(milliseconds(10));
  AdaptiveConcurrencyPolicy changed = policy_;
  changed.max_concurrency = 20;
  controller_.Update(changed);
  EXPECT_EQ(controller_.limit(), 20u);
  EXPECT_FALSE(controller_.measuring());
  EXPECT_GT(controller_.min_rtt(), Duration::zero());
}

TEST(GradientController, WorkersShareIt) {
  const AdaptiveConcurrencyPolicy policy;
  GradientController controller(policy, 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&controller] {
      MonoTime now{std::chrono::hours(1)};
      for (int i = 0; i < 20000; ++i) {
        now += milliseconds(2);
        controller.Record({now - milliseconds(1), milliseconds(1)}, now);
        EXPECT_GE(controller.LimitAt(now), 3u);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_NEAR(static_cast<double>(controller.min_rtt().count()), 1e6, 0.04e6);
}

}  // namespace
}  // namespace tollgate::proxy
