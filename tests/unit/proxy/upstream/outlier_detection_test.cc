#include "proxy/upstream/outlier_detection.h"

#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::seconds;

class OutlierDetectorTest : public testing::Test {
 protected:
  static OutlierDetectionPolicy ErrorsInARow(uint32_t errors) {
    OutlierDetectionPolicy policy;
    policy.consecutive_errors = errors;
    return policy;
  }
  // Sweeps alone.
  static OutlierDetectionPolicy Sweeping(std::optional<SuccessRatePolicy> rate,
                                         std::optional<FailurePercentagePolicy> share) {
    OutlierDetectionPolicy policy = ErrorsInARow(1'000'000);
    policy.success_rate = rate;
    policy.failure_percentage = share;
    return policy;
  }
  void Use(size_t endpoints, OutlierDetectionPolicy policy = {}) {
    for (size_t i = 0; i < endpoints; ++i) {
      members_.push_back(*Address::Parse(absl::StrCat("10.0.0.", i + 1, ":80")));
    }
    policy_ = policy;
    detector_.Update(policy_, members_, now_);
  }
  EndpointHealth& Health(size_t i) { return *detector_.Find(members_[i]); }
  // True when the last one ejected it.
  bool Fail(size_t i, int times = 5) {
    bool ejected = false;
    for (int n = 0; n < times; ++n) ejected = detector_.Report(Health(i), true, now_);
    return ejected;
  }

  // `requests` to each endpoint in this interval; of those to `sick`, `failed` fail.
  void Serve(int requests, size_t sick, int failed) {
    for (size_t i = 0; i < members_.size(); ++i) {
      for (int n = 0; n < requests; ++n) detector_.Report(Health(i), i == sick && n < failed, now_);
    }
  }
  // The next report is behind its end.
  void EndInterval() {
    now_ += policy_.interval;
    detector_.Report(Health(0), false, now_);
  }

  OutlierDetectionPolicy policy_;
  std::vector<Address> members_;
  OutlierDetector detector_;
  MonoTime now_{std::chrono::hours(1)};
};

TEST_F(OutlierDetectorTest, EjectsAfterConsecutiveErrorsAndReturnsByItself) {
  Use(3);
  EXPECT_FALSE(Fail(0, 4));
  EXPECT_TRUE(Health(0).AvailableAt(now_));
  EXPECT_TRUE(Fail(0, 1));
  EXPECT_FALSE(Health(0).AvailableAt(now_ + seconds(30) - Duration(1)));
  EXPECT_TRUE(Health(0).AvailableAt(now_ + seconds(30)));
  EXPECT_EQ(detector_.EjectedAt(now_), 1u);
  EXPECT_EQ(detector_.EjectedAt(now_ + seconds(30)), 0u);
}

TEST_F(OutlierDetectorTest, AnAnswerInBetweenStartsTheCountAnew) {
  Use(3);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(Fail(0, 4));
    detector_.Report(Health(0), false, now_);
  }
}

TEST_F(OutlierDetectorTest, BusinessRefusalsAreNoErrors) {
  for (int status : {400, 401, 402, 403, 404, 409, 422, 429, 499}) {
    EXPECT_FALSE(OutlierDetector::IsErrorStatus(status)) << status;
  }
  for (int status : {500, 502, 503, 504}) EXPECT_TRUE(OutlierDetector::IsErrorStatus(status));
}

TEST_F(OutlierDetectorTest, EjectionsGrowAndForgive) {
  Use(3);
  ASSERT_TRUE(Fail(0));
  now_ += seconds(30);
  ASSERT_TRUE(Fail(0));
  EXPECT_EQ(Health(0).ejected_until(), now_ + seconds(60));
  now_ += seconds(60);
  ASSERT_TRUE(Fail(0));
  EXPECT_EQ(Health(0).ejected_until(), now_ + seconds(90));
  // Two intervals of good conduct take two off.
  now_ += seconds(90) + 2 * policy_.interval;
  ASSERT_TRUE(Fail(0));
  EXPECT_EQ(Health(0).ejected_until(), now_ + seconds(60));
  for (int i = 0; i < 20; ++i) {
    now_ = Health(0).ejected_until();
    ASSERT_TRUE(Fail(0));
  }
  EXPECT_EQ(Health(0).ejected_until(), now_ + OutlierDetector::kMaxEjection);
}

TEST_F(OutlierDetectorTest, AnEjectionThatIsRefusedForgivesNothing) {
  Use(4);
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(Fail(0));
    now_ = Health(0).ejected_until();
  }
  now_ += policy_.interval;
  ASSERT_TRUE(Fail(1));
  ASSERT_TRUE(Fail(2));
  EXPECT_FALSE(Fail(0, 20)) << "half are out";
  now_ += policy_.base_ejection;
  ASSERT_TRUE(Fail(0, 1)) << "it has failed often enough";
  const auto good = 1 + policy_.base_ejection / policy_.interval;
  EXPECT_EQ(Health(0).ejected_until(), now_ + (8 - good + 1) * policy_.base_ejection);
}

TEST_F(OutlierDetectorTest, NeverEjectsMoreThanItsShare) {
  Use(5);
  EXPECT_TRUE(Fail(0));
  EXPECT_TRUE(Fail(1));
  EXPECT_FALSE(Fail(2)) << "three of five are more than half";
  now_ += seconds(30);
  EXPECT_TRUE(Fail(2, 1)) << "there is room again, and it still fails";
}

TEST_F(OutlierDetectorTest, TheOnlyEndpointStays) {
  Use(1);
  EXPECT_FALSE(Fail(0, 100));
  EXPECT_TRUE(Health(0).AvailableAt(now_));
}

TEST_F(OutlierDetectorTest, LateReportsDoNotProlongAnEjection) {
  Use(3);
  ASSERT_TRUE(Fail(0));
  now_ += seconds(1);
  EXPECT_FALSE(Fail(0, 20));
  EXPECT_EQ(Health(0).ejected_until(), now_ + seconds(29));
}

TEST_F(OutlierDetectorTest, AVerdictSurvivesAPush) {
  Use(3);
  ASSERT_TRUE(Fail(0));
  Fail(1, 4);
  policy_.base_ejection = seconds(99);
  members_.push_back(*Address::Parse("10.0.0.9:80"));
  detector_.Update(policy_, members_);
  EXPECT_FALSE(Health(0).AvailableAt(now_ + seconds(29)));
  EXPECT_TRUE(Fail(1, 1));
}

TEST_F(OutlierDetectorTest, SwitchedOffItEjectsNobodyAndAllReturn) {
  Use(3);
  ASSERT_TRUE(Fail(0));
  policy_.enabled = false;
  detector_.Update(policy_, members_);
  EXPECT_TRUE(Health(0).AvailableAt(now_));
  EXPECT_FALSE(Fail(1, 100));
}

TEST_F(OutlierDetectorTest, ARemovedEndpointIsNoMember) {
  Use(2);
  const std::shared_ptr<EndpointHealth> held = detector_.Find(members_[0]);
  const Address gone = members_[0];
  members_.erase(members_.begin());
  detector_.Update(policy_, members_);
  EXPECT_EQ(detector_.Find(gone), nullptr);
  detector_.Report(*held, true, now_);  // an attempt that ends late
}

TEST_F(OutlierDetectorTest, ASuccessRateBelowTheOthersEjectsAtTheEndOfTheInterval) {
  Use(5, Sweeping(SuccessRatePolicy{}, {}));
  Serve(100, 3, 50);
  EXPECT_TRUE(Health(3).AvailableAt(now_)) << "the interval is not over";
  EndInterval();
  EXPECT_FALSE(Health(3).AvailableAt(now_));
  EXPECT_EQ(detector_.ejections(OutlierDetector::Reason::kSuccessRate), 1u);
  EXPECT_EQ(detector_.EjectedAt(now_), 1u);
}

TEST_F(OutlierDetectorTest, AShareOfFailuresEjectsAtTheEndOfTheInterval) {
  Use(5, Sweeping({}, FailurePercentagePolicy{}));
  Serve(100, 3, 84);
  EndInterval();
  EXPECT_TRUE(Health(3).AvailableAt(now_));
  Serve(100, 3, 85);
  EndInterval();
  EXPECT_FALSE(Health(3).AvailableAt(now_));
  EXPECT_EQ(detector_.ejections(OutlierDetector::Reason::kFailurePercentage), 1u);
}

TEST_F(OutlierDetectorTest, EachIntervalIsJudgedByItself) {
  Use(5, Sweeping({}, FailurePercentagePolicy{.min_volume = 100}));
  for (int i = 0; i < 5; ++i) {
    Serve(60, 3, 60);  // too few each time
    EndInterval();
    EXPECT_TRUE(Health(3).AvailableAt(now_)) << i;
  }
}

TEST_F(OutlierDetectorTest, AShorterIntervalIsNotAwaitedByTheOld) {
  Use(5, Sweeping({}, FailurePercentagePolicy{}));
  Serve(100, 3, 100);
  policy_.interval /= 10;
  detector_.Update(policy_, members_, now_);
  EndInterval();
  EXPECT_FALSE(Health(3).AvailableAt(now_));
}

TEST_F(OutlierDetectorTest, AnIntervalThatEndedLongAgoIsNotJudged) {
  Use(5, Sweeping({}, FailurePercentagePolicy{}));
  Serve(100, 3, 100);
  now_ += 10 * policy_.interval;
  detector_.Report(Health(0), false, now_);
  EXPECT_TRUE(Health(3).AvailableAt(now_));
}

TEST_F(OutlierDetectorTest, ASweepEjectsTheWorstAndKeepsToTheShare) {
  OutlierDetectionPolicy policy = Sweeping({}, FailurePercentagePolicy{});
  policy.max_ejected_percent = 40;
  Use(5, policy);
  for (size_t i = 0; i < 5; ++i) {
    for (int n = 0; n < 100; ++n) detector_.Report(Health(i), n < 90 + static_cast<int>(i), now_);
  }
  EndInterval();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(Health(i).AvailableAt(now_), i < 3) << i;
}

// What is reported meanwhile is all errors: a second sweep of the interval would eject for them.
TEST_F(OutlierDetectorTest, ConcurrentSweepsJudgeOnce) {
  OutlierDetectionPolicy policy = Sweeping({}, FailurePercentagePolicy{});
  policy.max_ejected_percent = 100;
  Use(5, policy);
  Serve(100'000, 3, 100'000);
  now_ += policy_.interval;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::shared_ptr<EndpointHealth> health = detector_.Find(members_[t == 3 ? 4 : t]);
      for (int i = 0; i < 1000; ++i) detector_.Report(*health, true, now_);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(detector_.ejections(OutlierDetector::Reason::kFailurePercentage), 1u);
}

TEST_F(OutlierDetectorTest, FailingProbesTakeAnEndpointOutUntilTheySucceed) {
  Use(3);
  const uint64_t before = detector_.generation();
  detector_.SetFailing(Health(0), true, now_);
  EXPECT_NE(detector_.generation(), before) << "balancers look again";
  EXPECT_FALSE(Health(0).AvailableAt(now_ + std::chrono::hours(1000)));
  EXPECT_EQ(detector_.EjectedAt(now_), 0u) << "nobody was ejected";
  now_ += seconds(7);
  detector_.SetFailing(Health(0), false, now_);
  EXPECT_TRUE(Health(0).AvailableAt(now_));
  EXPECT_EQ(Health(0).available_since(), now_) << "slow start counts from its return";
}

TEST_F(OutlierDetectorTest, OneThatIsEjectedAndFailsItsProbesReturnsWhenNeitherHolds) {
  Use(3);
  ASSERT_TRUE(Fail(0));
  detector_.SetFailing(Health(0), true, now_);
  detector_.SetFailing(Health(0), false, now_ + seconds(10));
  EXPECT_FALSE(Health(0).AvailableAt(now_ + seconds(29))) << "its ejection is not over";
  EXPECT_TRUE(Health(0).AvailableAt(now_ + seconds(30)));
  detector_.SetFailing(Health(0), true, now_ + seconds(20));
  EXPECT_FALSE(Health(0).AvailableAt(now_ + seconds(31)));
}

TEST_F(OutlierDetectorTest, WhoFailsItsProbesCountsTowardsTheShareThatMayBeOut) {
  Use(4);
  detector_.SetFailing(Health(0), true, now_);
  EXPECT_TRUE(Fail(1));
  EXPECT_FALSE(Fail(2)) << "half of them are out";
}

TEST_F(OutlierDetectorTest, WithoutProbesAllReturnThatFailedThem) {
  Use(4);
  detector_.SetFailing(Health(0), true, now_);
  ASSERT_TRUE(Fail(1));
  detector_.ClearFailing(now_);
  EXPECT_TRUE(Health(0).AvailableAt(now_));
  EXPECT_FALSE(Health(1).AvailableAt(now_)) << "its ejection goes on";
}

TEST_F(OutlierDetectorTest, SwitchedOffItLeavesWhatProbesFound) {
  Use(3);
  detector_.SetFailing(Health(0), true, now_);
  policy_.enabled = false;
  detector_.Update(policy_, members_);
  EXPECT_FALSE(Health(0).AvailableAt(now_));
}

// Workers hear of a name's addresses one by one: one that knows fewer must not split the verdict.
TEST_F(OutlierDetectorTest, OneThatLeavesAndComesBackWhileItIsInUseIsTheSame) {
  Use(3);
  const std::shared_ptr<EndpointHealth> held = detector_.Find(members_[2]);
  ASSERT_TRUE(Fail(2));
  detector_.Update(policy_, absl::MakeConstSpan(members_).first(2));
  detector_.Update(policy_, members_);
  EXPECT_EQ(detector_.Find(members_[2]), held);
  EXPECT_FALSE(Health(2).AvailableAt(now_));
}

TEST_F(OutlierDetectorTest, OneThatLeavesAndIsForgottenComesBackAsNew) {
  Use(3);
  ASSERT_TRUE(Fail(2));
  detector_.Update(policy_, absl::MakeConstSpan(members_).first(2), now_);
  detector_.Update(policy_, members_, now_);
  EXPECT_TRUE(Health(2).AvailableAt(now_));
  EXPECT_EQ(Health(2).available_since(), now_);
}

TEST_F(OutlierDetectorTest, WorkersShareOneVerdict) {
  Use(4, ErrorsInARow(1000));
  std::atomic<int> ejections{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const std::shared_ptr<EndpointHealth> health = detector_.Find(members_[0]);
      for (int i = 0; i < 400; ++i) ejections += detector_.Report(*health, true, now_);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(ejections, 1);
  EXPECT_FALSE(Health(0).AvailableAt(now_));
}

}  // namespace
}  // namespace tollgate::proxy
