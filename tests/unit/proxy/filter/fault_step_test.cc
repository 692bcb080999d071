// Which requests meet a fault, and which. What becomes of them: tests/unit/proxy/stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/filter/context.h"
#include "proxy/filter/steps.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kDraws = 200'000;

class FaultStepTest : public testing::Test {
 protected:
  FaultStepTest() : step(MakeFaultStep()) {
    route.timeout = seconds(5);
    compiled.policy = &route;
    context.services = &services;
    context.route = &compiled;
    context.mono = clock.Mono();
  }

  StepResult Ask() {
    context.fault = "";
    StepSlot slot;
    return step->OnRequestHead(context, slot);
  }
  // The share of requests for which `what` is injected.
  double ShareOf(absl::string_view what) {
    int met = 0;
    for (int i = 0; i < kDraws; ++i) {
      Ask();
      met += context.fault == what;
    }
    return static_cast<double>(met) / kDraws;
  }
  void Delay(uint32_t per_ten_thousand, Duration duration = milliseconds(100)) {
    route.faults.delay = {duration, per_ten_thousand, {}};
  }
  void Abort(uint32_t per_ten_thousand, int status = 503) {
    route.faults.abort = {status, per_ten_thousand, {}};
  }

  FakeClock clock;
  LimitTable limits;
  Random random{11};
  TokenVerifier tokens;
  StepServices services{clock, limits, tokens, std::make_shared<const DenyList>(), random, {}};
  RoutePolicy route;
  CompiledRoute compiled;
  RequestContext context;
  std::unique_ptr<const Filter> step;
};

TEST_F(FaultStepTest, ARouteWithoutFaultsIsLetThroughWithoutADraw) {
  EXPECT_TRUE(Ask().is_continue());
  EXPECT_STREQ(context.fault, "");
  EXPECT_EQ(random(), Random{11}());
}

TEST_F(FaultStepTest, AbortsTheShareThatIsAskedFor) {
  Abort(10'000, 418);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Ask().reply()->status, 418);
  EXPECT_STREQ(Ask().reply()->reason, "fault_abort");
  Abort(500);
  EXPECT_NEAR(ShareOf("abort"), 0.05, 0.003);
  Abort(1);  // the least that can be asked for
  EXPECT_NEAR(ShareOf("abort"), 0.0001, 0.0001);
}

TEST_F(FaultStepTest, DelaysTheShareThatIsAskedFor) {
  Delay(2500);
  EXPECT_NEAR(ShareOf("delay"), 0.25, 0.006);
}

TEST_F(FaultStepTest, BothAreDrawnEachForItself) {
  Delay(5000);
  Abort(5000);
  EXPECT_NEAR(ShareOf("delay,abort"), 0.25, 0.006);
  EXPECT_NEAR(ShareOf("delay"), 0.25, 0.006);
  EXPECT_NEAR(ShareOf("abort"), 0.25, 0.006);
}

TEST_F(FaultStepTest, TheSameSeedMeetsTheSameFaults) {
  Delay(3000);
  Abort(3000);
  const auto hundred = [this] {
    random = Random{42};
    std::vector<std::string> met;
    for (int i = 0; i < 100; ++i) {
      Ask();
      met.push_back(context.fault);
    }
    return met;
  };
  EXPECT_EQ(hundred(), hundred());
}

TEST_F(FaultStepTest, ADelayWaitsAndThenLetsThroughOrRefuses) {
  Delay(10'000);
  StepResult result = Ask();
  ASSERT_NE(result.await(), nullptr);
  EXPECT_EQ(result.await()->deadline, milliseconds(100));
  EXPECT_TRUE(result.await()->continue_on_deadline);
  Abort(10'000, 500);
  result = Ask();
  ASSERT_NE(result.await(), nullptr);
  EXPECT_FALSE(result.await()->continue_on_deadline);
  EXPECT_EQ(result.await()->on_deadline.status, 500);
}

TEST_F(FaultStepTest, ADelayEndsWithTheTimeoutOfTheRoute) {
  Delay(10'000, seconds(30));
  clock.Advance(seconds(2));  // that earlier steps waited
  StepResult result = Ask();
  ASSERT_NE(result.await(), nullptr);
  EXPECT_EQ(result.await()->deadline, seconds(3));
  EXPECT_FALSE(result.await()->continue_on_deadline);
  EXPECT_EQ(result.await()->on_deadline.status, 504);
  EXPECT_STREQ(result.await()->on_deadline.reason, "fault_delay");
}

TEST_F(FaultStepTest, OnlyRequestsWithTheHeaderMeetTheFault) {
  Abort(10'000);
  route.faults.abort.match = {"x-rehearsal", ""};
  EXPECT_TRUE(Ask().is_continue());
  context.head.headers.Add("X-Rehearsal", "anything");
  EXPECT_NE(Ask().reply(), nullptr);
  route.faults.abort.match.value = "tuesday";
  EXPECT_TRUE(Ask().is_continue());
  context.head.headers.Add("X-Rehearsal", "tuesday");  // any of several values
  EXPECT_NE(Ask().reply(), nullptr);
}

TEST_F(FaultStepTest, AnAbortOfSomeAndADelayOfOthersDoNotMix) {
  Abort(10'000);
  route.faults.abort.match = {"x-break", "yes"};
  Delay(10'000);
  route.faults.delay.match = {"x-slow", ""};
  context.head.headers.Add("x-slow", "1");
  StepResult result = Ask();
  ASSERT_NE(result.await(), nullptr);
  EXPECT_TRUE(result.await()->continue_on_deadline);
  EXPECT_STREQ(context.fault, "delay");
}

TEST_F(FaultStepTest, ExplainSaysWhatMayHappen) {
  std::vector<std::string> demands;
  EXPECT_TRUE(step->Explain(context, demands).is_continue());
  EXPECT_THAT(demands, IsEmpty());
  Delay(1000, seconds(2));
  route.faults.delay.match = {"x-rehearsal", "tuesday"};
  Abort(50);
  EXPECT_TRUE(step->Explain(context, demands).is_continue());
  EXPECT_THAT(demands,
              ElementsAre("on purpose delays 10 % of requests with x-rehearsal: tuesday by 2s",
                          "on purpose answers 0.5 % of requests with 503"));
}

}  // namespace
}  // namespace tollgate::proxy
