#include "proxy/filter/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_steps.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

constexpr Duration kSecond = std::chrono::seconds(1);

LocalReply Refusal(int status, const char* reason) { return {.status = status, .reason = reason}; }

class ChainTest : public testing::Test, public ChainEvents {
 protected:
  ChainTest() : loop(*Loop::Create(clock)), run(*loop, *this) {
    compiled.policy = &route;
    context.head.method_name = "GET";
    context.head.path = "/x";
  }

  FakeStep* Step(const char* name, FakeStep::OnHead head = {}, FakeStep::OnBody body = {}) {
    auto step = std::make_unique<FakeStep>(name, log, std::move(head), std::move(body));
    FakeStep* raw = step.get();
    steps.push_back(std::move(step));
    return raw;
  }
  FakeStep* Match() {
    return Step("match", [this](RequestContext& c) {
      c.route = &compiled;
      return kContinue;
    });
  }
  void Start() {
    chain = std::make_unique<Chain>(std::move(steps));
    run.Start(*chain, context);
  }
  void Pass(Duration time) {
    clock.Advance(time);
    loop->RunOnce(Duration::zero());
  }
  static FakeStep::OnHead Refuse(int status, const char* reason) {
    return [=](RequestContext&) { return Refusal(status, reason); };
  }
  FakeStep::OnHead AwaitOn(PendingOperation& operation, Duration deadline = kSecond) {
    return [&operation, deadline](RequestContext&) { return operation.Ask(deadline); };
  }

  void OnPermit(Permit permit) override {
    log.push_back(absl::StrCat("permit ", permit.request().path));
    ++permits;
  }
  void OnReply(LocalReply reply) override {
    log.push_back(absl::StrCat("reply ", reply.status, " ", reply.reason));
  }
  void OnNeedBody(uint64_t max) override { log.push_back(absl::StrCat("need ", max)); }

  FakeClock clock;
  std::unique_ptr<Loop> loop;
  RoutePolicy route;
  CompiledRoute compiled;
  RequestContext context;
  std::vector<std::string> log;
  std::vector<std::unique_ptr<const Filter>> steps;
  std::unique_ptr<Chain> chain;
  int permits = 0;
  ChainRun run;
};

TEST_F(ChainTest, AsksTheStepsInOrderAndThenPermits) {
  Match();
  Step("a");
  Step("b");
  Start();
  EXPECT_THAT(log, ElementsAre("match head", "a head", "b head", "permit /x"));
}

TEST_F(ChainTest, StopsAtTheFirstReplyAndSaysWhoDecided) {
  Match();
  Step("a", Refuse(403, "no"));
  Step("b");
  Start();
  EXPECT_THAT(log, ElementsAre("match head", "a head", "reply 403 no"));
  EXPECT_STREQ(context.decided_by, "a");
}

TEST_F(ChainTest, WithoutAStepThatMatchesThereIsNoPermit) {
  Step("a");
  Start();
  EXPECT_THAT(log, ElementsAre("a head", "reply 500 no_route_step"));
}

TEST_F(ChainTest, AnEmptyChainGivesNoPermit) {
  Start();
  EXPECT_THAT(log, ElementsAre("reply 500 no_route_step"));
}

TEST_F(ChainTest, SkipsTheCallsThatAStepDoesNotWant) {
  Match();
  Step("a", Refuse(403, "never asked"))->Wants(Filter::kFinish);
  Start();
  ResponseHead head;
  run.OnResponseHead(head);
  run.Finish();
  EXPECT_THAT(
      log, ElementsAre("match head", "permit /x", "match response 0", "? finish", "match finish"));
}

TEST_F(ChainTest, GoesThroughTheResponseInReverse) {
  Match();
  Step("a");
  Step("b");
  Start();
  log.clear();
  ResponseHead head;
  head.status = 200;
  run.OnResponseHead(head);
  EXPECT_THAT(log, ElementsAre("b response 200", "a response 200", "match response 200"));
}

TEST_F(ChainTest, ShowsTheResponseOnlyToStepsThatSawTheRequest) {
  Match();
  Step("a", Refuse(429, "limit"));
  Step("b");
  Start();
  log.clear();
  ResponseHead head;
  head.status = 429;
  run.OnResponseHead(head);
  run.Finish();
  EXPECT_THAT(log, ElementsAre("a response 429", "match response 429", "a finish", "match finish"));
}

TEST_F(ChainTest, FinishesEachStepOnce) {
  Match();
  Start();
  log.clear();
  run.Finish();
  run.Finish();
  EXPECT_THAT(log, ElementsAre("match finish"));
}

TEST_F(ChainTest, GivesTheBodyToTheStepThatAskedForIt) {
  Match();
  Step("a", [](RequestContext&) { return NeedBody{100}; });
  Step("b");
  Start();
  EXPECT_THAT(log, ElementsAre("match head", "a head", "need 100"));
  EXPECT_TRUE(run.waiting());
  run.Body("hello");
  EXPECT_FALSE(run.waiting());
  EXPECT_THAT(log,
              ElementsAre("match head", "a head", "need 100", "a body 5", "b head", "permit /x"));
}

TEST_F(ChainTest, LetsABodyRefuseTheRequest) {
  Match();
  Step(
      "a", [](RequestContext&) { return NeedBody{100}; },
      [](RequestContext&, absl::string_view) { return Refusal(422, "digest"); });
  Start();
  run.Body("hello");
  EXPECT_EQ(log.back(), "reply 422 digest");
  EXPECT_STREQ(context.decided_by, "a");
}

TEST_F(ChainTest, IgnoresABodyThatNobodyAskedFor) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Start();
  run.Body("hello");
  EXPECT_THAT(log, ElementsAre("match head", "a head"));
}

TEST_F(ChainTest, GoesOnWhenAnOperationComesBack) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Step("b");
  Start();
  EXPECT_EQ(permits, 0);
  EXPECT_EQ(operation.alive(), 1);
  operation.Finish(kContinue);
  EXPECT_EQ(operation.alive(), 0);
  EXPECT_THAT(log, ElementsAre("match head", "a head", "b head", "permit /x"));
  Pass(2 * kSecond);
  EXPECT_EQ(permits, 1);
}

TEST_F(ChainTest, TakesAnOperationThatRefuses) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Step("b");
  Start();
  operation.Finish(Refusal(403, "risk"));
  EXPECT_THAT(log, ElementsAre("match head", "a head", "reply 403 risk"));
  EXPECT_STREQ(context.decided_by, "a");
}

TEST_F(ChainTest, TakesAnOperationThatIsDoneBeforeItHasBegun) {
  Match();
  int destroyed = 0;
  struct Done final : Operation {
    explicit Done(int& d) : destroyed(d) {}
    ~Done() override { ++destroyed; }
    int& destroyed;
  };
  Step("a", [&](RequestContext&) {
    Await await;
    await.deadline = kSecond;
    await.start = [&](Resume resume) {
      resume(kContinue);
      return std::make_unique<Done>(destroyed);
    };
    return await;
  });
  Step("b");
  Start();
  EXPECT_THAT(log, ElementsAre("match head", "a head", "b head", "permit /x"));
  EXPECT_EQ(destroyed, 1);
  EXPECT_FALSE(run.waiting());
  Pass(2 * kSecond);
  EXPECT_EQ(permits, 1);
}

TEST_F(ChainTest, FailsClosedAtTheDeadline) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Start();
  Pass(kSecond - milliseconds(2));
  EXPECT_EQ(log.back(), "a head");
  Pass(milliseconds(4));
  EXPECT_EQ(log.back(), "reply 503 too_late");
  EXPECT_EQ(operation.alive(), 0);
  EXPECT_EQ(permits, 0);
}

TEST_F(ChainTest, GoesOnAtTheDeadlineIfTheStepSaysSo) {
  PendingOperation operation;
  Match();
  Step("a", [&](RequestContext&) {
    Await await = operation.Ask(kSecond);
    await.continue_on_deadline = true;
    return await;
  });
  Step("b");
  Start();
  Pass(kSecond + milliseconds(2));
  EXPECT_THAT(log, ElementsAre("match head", "a head", "b head", "permit /x"));
  EXPECT_EQ(operation.alive(), 0);
}

TEST_F(ChainTest, ALateAnswerChangesNothing) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Start();
  Pass(kSecond + milliseconds(2));
  const size_t lines = log.size();
  operation.Finish(kContinue);
  EXPECT_EQ(log.size(), lines);
  EXPECT_EQ(permits, 0);
}

TEST_F(ChainTest, ASecondAnswerChangesNothing) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Start();
  operation.Finish(kContinue);
  operation.Finish(Refusal(403, "again"));
  EXPECT_EQ(log.back(), "permit /x");
  EXPECT_EQ(permits, 1);
}

TEST_F(ChainTest, CancellingGivesTheOperationUpForGood) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Start();
  run.Cancel();
  EXPECT_EQ(operation.alive(), 0);
  EXPECT_FALSE(run.waiting());
  operation.Finish(kContinue);
  Pass(2 * kSecond);
  EXPECT_THAT(log, ElementsAre("match head", "a head"));
}

TEST_F(ChainTest, AnAnswerAfterTheRunIsGoneIsHarmless) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  chain = std::make_unique<Chain>(std::move(steps));
  auto brief = std::make_unique<ChainRun>(*loop, *this);
  brief->Start(*chain, context);
  brief.reset();
  EXPECT_EQ(operation.alive(), 0);
  operation.Finish(kContinue);
  EXPECT_EQ(permits, 0);
}

TEST_F(ChainTest, WaitsTwiceInARow) {
  PendingOperation first, second;
  Match();
  Step("a", AwaitOn(first));
  Step("b", AwaitOn(second, 2 * kSecond));
  Start();
  Pass(kSecond / 2);
  first.Finish(kContinue);
  EXPECT_EQ(second.alive(), 1);
  first.Finish(Refusal(403, "stale"));  // the first one's answer is not the second's
  EXPECT_EQ(second.alive(), 1);
  Pass(kSecond);  // the first one's deadline is over, the second's is not
  EXPECT_EQ(second.alive(), 1);
  second.Finish(kContinue);
  EXPECT_THAT(log, ElementsAre("match head", "a head", "b head", "permit /x"));
}

TEST_F(ChainTest, OneStepMayWaitAgainAndThenAskForTheBody) {
  PendingOperation first, second;
  Match();
  Step("a", AwaitOn(first));
  Start();
  first.Finish(second.Ask(kSecond));
  EXPECT_EQ(first.alive(), 0);
  EXPECT_EQ(second.alive(), 1);
  second.Finish(NeedBody{10});
  EXPECT_EQ(log.back(), "need 10");
  run.Body("0123456789");
  EXPECT_EQ(log.back(), "permit /x");
}

TEST_F(ChainTest, StartsAnewWithoutMemoryOfTheRequestBefore) {
  PendingOperation operation;
  Match();
  Step("a", AwaitOn(operation));
  Start();
  run.Finish();
  log.clear();
  run.Start(*chain, context);
  EXPECT_EQ(operation.started, 2);
  operation.Finish(kContinue);
  EXPECT_THAT(log, ElementsAre("match head", "a head", "permit /x"));
}

}  // namespace
}  // namespace tollgate::proxy
