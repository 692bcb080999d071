#include "proxy/health/health_checker.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/proxy/health/health_check_fixture.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// An upstream "payments" of three endpoints that answer a probe with the status they have; what
// workers do is done by hand.
class HealthCheckerTest : public HealthCheckTest {
 protected:
  struct Endpoint {
    FakeUpstream upstream;
    int status = 200;
    size_t answered = 0;
  };

  HealthCheckerTest() {
    policy_.name = "payments";
    policy_.health_check.emplace();
    policy_.health_check->kind = HealthCheckPolicy::Kind::kHttp;
    policy_.health_check->path = "/healthz";
    policy_.health_check->jitter = milliseconds(500);
    for (int i = 0; i < 3; ++i) {
      endpoints_.push_back(std::make_unique<Endpoint>());
      policy_.endpoints.push_back({endpoints_.back()->upstream.address()});
    }
  }
  // As the workers and the server do it.
  void Push() {
    shared_ = clusters_.Get(policy_);
    std::vector<Address> members;
    for (const EndpointPolicy& endpoint : policy_.endpoints) members.push_back(endpoint.address);
    shared_->outliers().Update(policy_.outlier_detection, members, loop_->now());
    checker_.Update({{policy_.name, policy_}});
  }
  const EndpointHealth& Health(size_t i) {
    return *shared_->outliers().Find(policy_.endpoints[i].address);
  }
  // Answers what has arrived; whether anything had.
  bool Serve() {
    bool served = false;
    for (const auto& endpoint : endpoints_) {
      endpoint->upstream.Poll();
      for (auto& connection : endpoint->upstream.connections()) {
        if (endpoint->status == 0 || connection->Got().empty()) continue;
        connection->Forget();
        connection->Send(absl::StrCat("HTTP/1.1 ", endpoint->status, " x\r\n\r\n"));
        ++endpoint->answered;
        served = true;
      }
    }
    return served;
  }
  // Lets time pass in small steps, and all probes be answered.
  void Pass(Duration time) {
    for (Duration step = milliseconds(100); time > Duration::zero(); time -= step) {
      clock_.Advance(step);
      do {
        for (int i = 0; i < 3; ++i) loop_->RunOnce(Duration::zero());
      } while (Serve());
      Settle();
    }
  }
  // Until endpoint `i` has answered so many more.
  void AwaitAnswers(size_t i, size_t count) {
    const size_t wanted = endpoints_[i]->answered + count;
    for (int n = 0; n < 1000 && endpoints_[i]->answered < wanted; ++n) Pass(milliseconds(100));
    ASSERT_EQ(endpoints_[i]->answered, wanted);
  }
  uint64_t Probes() { return shared_->probes().succeeded + shared_->probes().failed; }

  SharedClusters clusters_;
  UpstreamPolicy policy_;
  std::shared_ptr<ClusterShared> shared_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  HealthChecker checker_{*loop_, clusters_, 1};
};

TEST_F(HealthCheckerTest, ProbesEachEndpointOncePerInterval) {
  Push();
  Pass(seconds(60));
  for (const auto& endpoint : endpoints_) {
    EXPECT_GE(endpoint->answered, 11u) << "every 5 to 5.5 s";
    EXPECT_LE(endpoint->answered, 13u);
  }
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(Health(i).AvailableAt(loop_->now()));
  EXPECT_EQ(shared_->probes().failed, 0u);
}

TEST_F(HealthCheckerTest, TakesAnEndpointOutAfterTheThresholdAndBackAfterTheOther) {
  Push();
  Pass(seconds(10));
  endpoints_[1]->status = 503;
  AwaitAnswers(1, 2);
  EXPECT_TRUE(Health(1).AvailableAt(loop_->now())) << "two failures are not three";
  AwaitAnswers(1, 1);
  EXPECT_FALSE(Health(1).AvailableAt(loop_->now()));
  EXPECT_STREQ(Health(1).probe_failure(), "unexpected_status");
  EXPECT_TRUE(Health(0).AvailableAt(loop_->now()));
  endpoints_[1]->status = 200;
  AwaitAnswers(1, 1);
  EXPECT_FALSE(Health(1).AvailableAt(loop_->now())) << "one success is not two";
  AwaitAnswers(1, 1);
  EXPECT_TRUE(Health(1).AvailableAt(loop_->now()));
  EXPECT_EQ(Health(1).available_since(), loop_->now()) << "slow start counts from here";
  EXPECT_EQ(shared_->probes().to_unhealthy, 1u);
  EXPECT_EQ(shared_->probes().to_healthy, 1u);
}

TEST_F(HealthCheckerTest, ASuccessInBetweenStartsTheCountAnew) {
  Push();
  for (int i = 0; i < 20; ++i) {
    endpoints_[0]->status = i % 3 == 2 ? 200 : 500;
    AwaitAnswers(0, 1);
  }
  EXPECT_EQ(shared_->probes().to_unhealthy, 0u);
}

// Timeout and interval end at the same moment: no probe may be lost.
TEST_F(HealthCheckerTest, ABlackHoleIsFoundWhenTheTimeoutIsAsLongAsTheInterval) {
  policy_.health_check->timeout = policy_.health_check->interval;
  policy_.health_check->jitter = Duration::zero();
  endpoints_[2]->status = 0;
  Push();
  Pass(seconds(22));
  EXPECT_FALSE(Health(2).AvailableAt(loop_->now()));
  EXPECT_STREQ(Health(2).probe_failure(), "timeout");
}

TEST_F(HealthCheckerTest, APushKeepsVerdictsAndCountsOfWhatStays) {
  Push();
  endpoints_[1]->status = 503;
  Pass(seconds(20));
  ASSERT_FALSE(Health(1).AvailableAt(loop_->now()));
  endpoints_[0]->status = 503;
  AwaitAnswers(0, 2);
  ASSERT_TRUE(Health(0).AvailableAt(loop_->now()));
  policy_.endpoints.pop_back();
  policy_.max_requests = 7;
  Push();
  EXPECT_FALSE(Health(1).AvailableAt(loop_->now()));
  Pass(seconds(6));
  EXPECT_FALSE(Health(0).AvailableAt(loop_->now())) << "its third failure in a row";
}

TEST_F(HealthCheckerTest, StopsWithTheEndpoint) {
  Push();
  Pass(seconds(20));
  const size_t answered = endpoints_[2]->answered;
  policy_.endpoints.pop_back();
  Push();
  Pass(seconds(20));
  EXPECT_EQ(endpoints_[2]->answered, answered);
}

TEST_F(HealthCheckerTest, StopsWithThePolicyAndAllReturn) {
  endpoints_[1]->status = 500;
  Push();
  Pass(seconds(20));
  ASSERT_FALSE(Health(1).AvailableAt(loop_->now()));
  policy_.health_check.reset();
  Push();
  EXPECT_TRUE(Health(1).AvailableAt(loop_->now()));
  const uint64_t probes = Probes();
  Pass(seconds(20));
  EXPECT_EQ(Probes(), probes);
}

TEST_F(HealthCheckerTest, FindsMembersThatANameGainedWithoutAPush) {
  Push();
  endpoints_.push_back(std::make_unique<Endpoint>());
  std::vector<Address> members;
  for (const auto& endpoint : endpoints_) members.push_back(endpoint->upstream.address());
  shared_->outliers().Update(policy_.outlier_detection, members, loop_->now());
  Pass(seconds(3));
  EXPECT_EQ(endpoints_[3]->answered, 1u);
}

TEST_F(HealthCheckerTest, ProbesAnotherPortWhereThePolicySaysSo) {
  Endpoint probed;
  policy_.endpoints.clear();
  policy_.endpoints.push_back({*Address::Parse("127.0.0.1:1")});  // nobody is there
  policy_.health_check->port = probed.upstream.address().port();
  Push();
  Pass(seconds(2));
  probed.upstream.Poll();
  EXPECT_EQ(probed.upstream.connections().size(), 1u);
}

TEST_F(HealthCheckerTest, AShorterIntervalHoldsAtOnce) {
  policy_.health_check->interval = std::chrono::hours(1);
  Push();
  Pass(seconds(2));
  ASSERT_EQ(endpoints_[0]->answered, 1u);
  policy_.health_check->interval = seconds(2);
  Push();
  Pass(seconds(10));
  EXPECT_GE(endpoints_[0]->answered, 4u);
}

}  // namespace
}  // namespace tollgate::proxy
