// Which requests are sent again, what the log says of it, and what the caller is told, through the
// whole data path. The rule itself has its tests beside it (retry_policy_test.cc), and its proof in
// retry_proof_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr absl::string_view kPost = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
constexpr absl::string_view kPut = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
constexpr absl::string_view kMisdirected =
    "HTTP/1.1 421 Misdirected Request\r\ncontent-length: 0\r\n\r\n";

class RetryPathTest : public PathTest {
 protected:
  RetryPathTest() : policy(DataPath::PublicPolicy({a.address(), b.address()})) {}
  RoutePolicy& Route() { return DataPath::RouteOf(policy); }
  void Serve() { path.Adopt(policy); }
  void ServeOnlyA() {
    policy.upstreams["backend"].endpoints = {{a.address(), 1}};
    Serve();
  }
  // Sends it, and finds who has it.
  void Begin(absl::string_view request) {
    client = path.Connect();
    client->Send(request);
    ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "\r\n\r\n"); }));
    first = a.connections().empty() ? &b : &a;
    second = a.connections().empty() ? &a : &b;
  }
  void ExpectStatus(int status) {
    ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
    EXPECT_THAT(client->Got(), StartsWith(absl::StrCat("HTTP/1.1 ", status, " ")));
  }

  Policy policy;
  std::unique_ptr<Peer> client;
  FakeUpstream* first = nullptr;
  FakeUpstream* second = nullptr;
};

TEST_F(RetryPathTest, EachOfSeveralAttemptsIsLoggedWithWhyItWasAllowed) {
  Route().retry = {1, {RetryCondition::kStatus503}, true};
  Serve();
  Begin(kGet);
  path.Pass(milliseconds(3));
  Upstream(*first).Send("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(*second, "GET /"));
  path.Pass(milliseconds(4));
  Upstream(*second).Send(kOk);
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(path.LogText(),
              HasSubstr(absl::StrCat(
                  "\"attempts\":2,\"retries\":\"safe-method\",\"tries\":["
                  "{\"sent\":true,\"allowed_by\":\"first\",\"endpoint\":\"",
                  first->address().ToString(), "\",\"status\":503,\"duration_us\":3000},",
                  "{\"sent\":true,\"allowed_by\":\"safe-method\",\"endpoint\":\"",
                  second->address().ToString(), "\",\"status\":200,\"duration_us\":4000}],")));
}

TEST_F(RetryPathTest, OneAttemptIsLoggedWithoutAList) {
  Serve();
  EXPECT_EQ(Get("/").status, 200);
  EXPECT_THAT(path.LogText(), HasSubstr("\"attempts\":1,"));
  EXPECT_THAT(path.LogText(), Not(HasSubstr("tries")));
}

TEST_F(RetryPathTest, AnAttemptThatWasNotSentIsLoggedSo) {
  Serve();
  a.StopListening();
  b.StopListening();
  client = path.Connect();
  client->Send(kPost);
  for (int i = 0; i < 10; ++i) path.Pass(milliseconds(100));
  ExpectStatus(503);
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
  EXPECT_THAT(path.LogText(), HasSubstr("\"retries\":\"not-sent,not-sent\""));
  EXPECT_THAT(path.LogText(), HasSubstr("{\"sent\":false,\"allowed_by\":\"not-sent\""));
  EXPECT_THAT(path.LogText(), HasSubstr("\"ended\":\"connect_refused\""));
}

TEST_F(RetryPathTest, AnAttemptHasItsOwnTime) {
  Route().retry = {1, {RetryCondition::kStatus504}, true};
  Route().attempt_timeout = milliseconds(100);
  Serve();
  Begin(kGet);
  path.Pass(milliseconds(101));
  ASSERT_TRUE(UpstreamHas(*second, "GET /"));
  Upstream(*second).Send(kOk);
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(path.LogText(), HasSubstr("\"ended\":\"attempt_timeout\""));
}

// The connection is there in the very turn in which the attempt's time is over: the request lies in
// the queue, and must stay there, for it is sent elsewhere.
TEST_F(RetryPathTest, ARequestThatWasGivenUpBeforeItLeftNeverLeaves) {
  Route().attempt_timeout = milliseconds(100);
  policy.upstreams["backend"].max_connections = 1;
  ServeOnlyA();
  auto busy = path.Connect();
  busy->Send(kGet);
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
  path.Pass(milliseconds(50));
  client = path.Connect();
  client->Send("POST /once HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  path.Settle();
  path.Pass(milliseconds(40));
  Upstream(a).Send(kOk);                 // frees the connection for the one that waits,
  path.clock.Advance(milliseconds(61));  // whose time is over
  for (int i = 0; i < 20; ++i) path.Pass(milliseconds(100));
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  const bool unknown = absl::StrContains(client->Got(), "tollgate-outcome: unknown");
  EXPECT_EQ(CountOf(a.All(), "POST /once"), unknown ? 1u : 0u);
}

// --- 421 and 425.

TEST_F(RetryPathTest, AMisdirectedPostGoesOnceMoreOnANewConnection) {
  ServeOnlyA();
  EXPECT_EQ(Get("/").status, 200);  // leaves a connection behind
  client = path.Connect();
  client->Send(kPost);
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(Upstream(a).Got(), "hi"); }));
  Upstream(a).Send(kMisdirected);
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 2; }));
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(Upstream(a, 1).Got(), "hi"); }));
  Upstream(a, 1).Send(kOk);
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(path.LogText(), HasSubstr("\"retries\":\"misdirected\""));
}

TEST_F(RetryPathTest, ASecondMisdirectionIsPassedOn) {
  ServeOnlyA();
  Begin(kPost);
  Upstream(a).Send(kMisdirected);
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 2; }));
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(Upstream(a, 1).Got(), "hi"); }));
  Upstream(a, 1).Send(kMisdirected);
  ExpectStatus(421);
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
}

TEST_F(RetryPathTest, APostThatWasMisdirectedAndThenLostIsOfUnknownOutcome) {
  ServeOnlyA();
  Begin(kPost);
  Upstream(a).Send(kMisdirected);
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 2; }));
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(Upstream(a, 1).Got(), "hi"); }));
  Upstream(a, 1).Close();
  ExpectStatus(502);
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
}

TEST_F(RetryPathTest, AMisdirectedRequestLeavesIdleConnectionsToOthers) {
  ServeOnlyA();
  auto one = path.Connect();
  one->Send(kGet);
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
  auto two = path.Connect();
  two->Send(kGet);
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 2; }));
  Upstream(a, 0).Send(kOk);
  Upstream(a, 1).Send(kOk);
  ASSERT_TRUE(path.Receives(*one, "ok"));
  ASSERT_TRUE(path.Receives(*two, "ok"));
  path.Settle();
  client = path.Connect();
  client->Send(kPost);
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All(), "hi"); }));
  const size_t asked = absl::StrContains(Upstream(a, 0).Got(), "hi") ? 0 : 1;
  Upstream(a, asked).Send(kMisdirected);
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 3; }));
  path.Settle();
  EXPECT_FALSE(Upstream(a, 1 - asked).Closed());
}

TEST_F(RetryPathTest, AMisdirectedAnswerThatKnowsNoOutcomeIsNoLeave) {
  ServeOnlyA();
  Begin(kPost);
  Upstream(a).Send(
      "HTTP/1.1 421 Misdirected Request\r\ntollgate-outcome: unknown\r\ncontent-length: 0\r\n\r\n");
  ExpectStatus(421);
  EXPECT_EQ(CountOf(a.All(), "POST /"), 1u);
}

TEST_F(RetryPathTest, WhatASwallowedAnswerDidNotKnowIsStillUnknown) {
  Route().retry = {1, {RetryCondition::kStatus504}, true};
  Serve();
  Begin(kPut);
  Upstream(*first).Send(
      "HTTP/1.1 504 No\r\ntollgate-outcome: unknown\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(*second, "hi"));
  Upstream(*second).Send("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
  ExpectStatus(503);
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
}

TEST_F(RetryPathTest, APostThatWasMisdirectedAndThenNotSentWasNotDone) {
  ServeOnlyA();
  Begin(kPost);
  a.StopListening();
  Upstream(a).Send(kMisdirected);
  for (int i = 0; i < 5; ++i) path.Pass(milliseconds(500));
  ExpectStatus(503);
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
}

TEST_F(RetryPathTest, TooEarlyIsForTheClientToRepeat) {
  Route().retry = {4,
                   {RetryCondition::kConnectionLost, RetryCondition::kStatus502,
                    RetryCondition::kStatus503, RetryCondition::kStatus504},
                   false};
  Serve();
  Begin("GET / HTTP/1.1\r\nHost: x\r\nEarly-Data: 1\r\n\r\n");
  EXPECT_THAT(first->All(), HasSubstr("early-data: 1\r\n"));
  Upstream(*first).Send("HTTP/1.1 425 Too Early\r\ncontent-length: 0\r\n\r\n");
  ExpectStatus(425);
  EXPECT_THAT(path.LogText(), HasSubstr("\"attempts\":1,"));
}

// --- Retry-After.

TEST_F(RetryPathTest, AnotherEndpointIsAskedAtOnceThoughTheFirstWantsToBeLeftAlone) {
  Route().retry = {1, {RetryCondition::kStatus503}, false};
  Serve();
  Begin(kGet);
  Upstream(*first).Send("HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(*second, "GET /"));
}

TEST_F(RetryPathTest, TheSameEndpointIsAskedWhenItWantsToBe) {
  Route().retry = {1, {RetryCondition::kStatus503}, false};
  Route().timeout = seconds(5);
  ServeOnlyA();
  Begin(kGet);
  Upstream(a).Forget();
  Upstream(a).Send("HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n");
  path.Settle();
  path.Pass(milliseconds(990));
  EXPECT_EQ(a.All(), "");
  path.Pass(milliseconds(20));
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
}

TEST_F(RetryPathTest, AServiceThatIsAwayForLongerThanTheCallerWaitsIsNotAskedAgain) {
  Route().retry = {1, {RetryCondition::kStatus503}, false};
  Route().timeout = seconds(5);
  for (const char* after : {"6", "3600", "Wed, 21 Oct 2099 07:28:00 GMT", "soon", "-1"}) {
    Serve();
    client = path.Connect();
    client->Send(kGet);
    ASSERT_TRUE(path.RunUntil([&] {
      AnswerUpstream(
          absl::StrCat("HTTP/1.1 503 No\r\nretry-after: ", after, "\r\ncontent-length: 0\r\n\r\n"));
      return TakeApart(client->Got()).has_value();
    })) << after;
    ExpectStatus(503);
    EXPECT_THAT(client->Got(), HasSubstr(absl::StrCat("retry-after: ", after))) << after;
  }
  EXPECT_THAT(path.LogText(), Not(HasSubstr("\"attempts\":2")));
}

// --- What is said of an outcome.

TEST_F(RetryPathTest, AFailureOfTheServicesOwnIsPassedOnUnmarked) {
  Serve();
  for (int status : {500, 502, 503, 504}) {
    const Answer answer =
        Ask(kPost, "192.0.2.7:4711",
            absl::StrCat("HTTP/1.1 ", status, " No\r\ncontent-length: 0\r\n\r\n"));
    EXPECT_EQ(answer.status, status);
    EXPECT_FALSE(answer.Has("tollgate-outcome")) << status;
  }
}

TEST_F(RetryPathTest, WhatAServiceSaysOfOutcomesIsNotPassedOn) {
  Serve();
  const Answer answer =
      Ask(kPost, "192.0.2.7:4711",
          "HTTP/1.1 502 No\r\nTollgate-Outcome: unknown\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(answer.status, 502);
  EXPECT_FALSE(answer.Has("tollgate-outcome"));
}

TEST_F(RetryPathTest, WhatASidecarBesideTheServiceSaysOfAFailureIs) {
  policy.listeners["in"].direction = Direction::kOutbound;
  Serve();
  const auto ask = [&](int status, absl::string_view said) {
    return Ask(kPost, "192.0.2.7:4711",
               absl::StrCat("HTTP/1.1 ", status, " Whatever\r\ntollgate-outcome: ", said,
                            "\r\ncontent-length: 0\r\n\r\n"));
  };
  EXPECT_EQ(ask(502, "unknown").Field("tollgate-outcome"), "unknown");
  EXPECT_EQ(ask(401, "unknown").Field("tollgate-outcome"), "unknown");
  EXPECT_FALSE(ask(200, "unknown").Has("tollgate-outcome"));
  EXPECT_FALSE(ask(502, "fine").Has("tollgate-outcome"));
}

TEST_F(RetryPathTest, WhatAClientSaysOfOutcomesDoesNotReachTheService) {
  Serve();
  EXPECT_EQ(Get("/", "Tollgate-Outcome: unknown\r\n").status, 200);
  EXPECT_THAT(a.All() + b.All(), Not(HasSubstr("tollgate-outcome")));
}

// The second answer is the service's, but it says nothing of the first attempt.
TEST_F(RetryPathTest, AFailureBehindAnAttemptWithoutAnswerIsOfUnknownOutcome) {
  Route().retry = {1, {RetryCondition::kConnectionLost}, true};
  Serve();
  Begin(kPut);
  Upstream(*first).Close();
  ASSERT_TRUE(UpstreamHas(*second, "hi"));
  Upstream(*second).Send("HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n");
  ExpectStatus(409);
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
}

// Some gateway between us and the service.
TEST_F(RetryPathTest, AFailureBehindAGatewaysIsOfUnknownOutcomeToo) {
  Route().retry = {1, {RetryCondition::kStatus504}, true};
  Serve();
  Begin(kPut);
  Upstream(*first).Send("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(*second, "hi"));
  Upstream(*second).Send("HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n");
  ExpectStatus(409);
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
}

// "Refused" would say that nothing was done: the caller would do it again.
TEST_F(RetryPathTest, ARetryThatFindsNoRoomIsNoRefusalOfWhatWasSentBefore) {
  Route().retry = {1, {RetryCondition::kConnectionLost}, true};
  policy.upstreams["backend"].max_connections = 2;
  Serve();
  Begin(kPut);
  ClusterShared& shared = path.clusters.Find("backend")->shared();
  ASSERT_TRUE(shared.AcquireConnection());  // as another worker's cluster does
  policy.upstreams["backend"].max_connections = 1;
  policy.upstreams["backend"].max_pending = 0;
  path.Adopt(policy);
  Upstream(*first).Close();
  ASSERT_TRUE(path.Receives(*client, "pending_overflow"));
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
  EXPECT_THAT(client->Got(), Not(HasSubstr("refused")));
  EXPECT_THAT(client->Got(), Not(HasSubstr("retry-after")));
  EXPECT_THAT(path.LogText(), Not(HasSubstr("\"step\":\"admission\"")));
  shared.ReleaseConnection();
}

TEST_F(RetryPathTest, ASuccessBehindAnAttemptWithoutAnswerIsASuccess) {
  Route().retry = {1, {RetryCondition::kConnectionLost}, true};
  Serve();
  Begin(kPut);
  Upstream(*first).Close();
  ASSERT_TRUE(UpstreamHas(*second, "hi"));
  Upstream(*second).Send(kOk);
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
}

TEST_F(RetryPathTest, EveryWayInWhichAPostMayHaveBeenDoneIsToldSo) {
  Route().timeout = seconds(1);
  Route().attempt_timeout = milliseconds(300);
  Serve();
  const auto outcome_of = [&](absl::string_view fields, const std::function<void(Peer&)>& harm) {
    for (FakeUpstream* upstream : {&a, &b}) upstream->connections().clear();
    path.Settle();
    client = path.Connect();
    client->Send(
        absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\n", fields, "Content-Length: 2\r\n\r\nhi"));
    EXPECT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "hi"); }));
    harm(Upstream(a.All().empty() ? b : a));
    EXPECT_TRUE(path.Receives(*client, "\r\n\r\n"));
    return absl::StrContains(client->Got(), "tollgate-outcome: unknown\r\n");
  };
  EXPECT_TRUE(outcome_of("", [](Peer& peer) { peer.Close(); }));
  EXPECT_TRUE(outcome_of("", [](Peer& peer) { peer.Reset(); }));
  EXPECT_TRUE(outcome_of("", [](Peer& peer) { peer.Send("HTTP/1.1 20"), peer.Close(); }));
  EXPECT_TRUE(outcome_of("", [](Peer& peer) { peer.Send("what?\r\n\r\n"); }));
  EXPECT_TRUE(outcome_of("", [&](Peer&) { path.Pass(milliseconds(310)); }));
  EXPECT_TRUE(
      outcome_of("X-Request-Deadline-Ms: 100\r\n", [&](Peer&) { path.Pass(milliseconds(110)); }));
  Route().attempt_timeout = {};
  Serve();
  EXPECT_TRUE(outcome_of("", [&](Peer&) { path.Pass(milliseconds(1010)); }));
}

}  // namespace
}  // namespace tollgate::proxy
