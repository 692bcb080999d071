// Hedging through the whole data path: further endpoints are asked when the first is slow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

class HedgePathTest : public PathTest {
 protected:
  HedgePathTest() : policy(DataPath::PublicPolicy({a.address(), b.address(), c.address()})) {
    path.upstreams.push_back(&c);
    Route().hedge = {milliseconds(50), 1};
  }
  RoutePolicy& Route() { return DataPath::RouteOf(policy); }
  void Begin(absl::string_view request = kGet) {
    path.Adopt(policy);
    client = path.Connect();
    client->Send(request);
    ASSERT_TRUE(path.RunUntil([&] { return Asked().size() == 1; }));
  }
  // Who has the request, in the order in which they got it.
  std::vector<FakeUpstream*>& Asked() {
    for (FakeUpstream* upstream : {&a, &b, &c}) {
      if (absl::StrContains(upstream->All(), "\r\n\r\n") &&
          std::find(asked_.begin(), asked_.end(), upstream) == asked_.end()) {
        asked_.push_back(upstream);
      }
    }
    return asked_;
  }
  static std::string Response(int status, absl::string_view body) {
    return absl::StrCat("HTTP/1.1 ", status, " Whatever\r\ncontent-length: ", body.size(),
                        "\r\n\r\n", body);
  }
  void Answer(size_t i, int status, absl::string_view body) {
    Upstream(*Asked().at(i)).Send(Response(status, body));
  }

  FakeUpstream c;
  Policy policy;
  std::unique_ptr<Peer> client;

 private:
  std::vector<FakeUpstream*> asked_;
};

TEST_F(HedgePathTest, AnotherEndpointIsAskedWhenTheFirstIsSlow) {
  Begin();
  path.Pass(milliseconds(49));
  EXPECT_EQ(Asked().size(), 1u);
  path.Pass(milliseconds(2));
  ASSERT_EQ(Asked().size(), 2u);
  path.Pass(milliseconds(500));
  EXPECT_EQ(Asked().size(), 2u) << "at most one further";
  Answer(1, 200, "second");
  ASSERT_TRUE(path.Receives(*client, "second"));
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(*Asked()[0]).Closed(); })) << "it is given up";
  path.Settle();
  EXPECT_EQ(path.active_streams(), 0);
  const std::string log = path.LogText();
  EXPECT_THAT(log, HasSubstr("\"attempts\":2,\"retries\":\"hedge\""));
  EXPECT_THAT(log, HasSubstr("\"ended\":\"cancelled\""));
  EXPECT_THAT(log, HasSubstr("{\"sent\":true,\"allowed_by\":\"hedge\""));
  EXPECT_THAT(log, HasSubstr(absl::StrCat("\"endpoint\":\"", Asked()[1]->address().ToString(),
                                          "\",\"attempts\"")));
}

TEST_F(HedgePathTest, TheFirstMayStillWin) {
  Begin();
  path.Pass(milliseconds(51));
  ASSERT_EQ(Asked().size(), 2u);
  Answer(0, 200, "first");
  ASSERT_TRUE(path.Receives(*client, "first"));
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(*Asked()[1]).Closed(); }));
  Answer(1, 200, "late");
  path.Settle();
  EXPECT_THAT(client->Got(), Not(HasSubstr("late")));
}

TEST_F(HedgePathTest, AnAnswerInTimeIsNotHedged) {
  Begin();
  path.Pass(milliseconds(40));
  Upstream(*Asked()[0]).Send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
  ASSERT_TRUE(path.Receives(*client, "half"));
  path.Pass(milliseconds(100));
  EXPECT_EQ(Asked().size(), 1u) << "the head was all that it waited for";
}

TEST_F(HedgePathTest, EachFurtherOneGoesToAnEndpointOfItsOwn) {
  Route().hedge.max = 3;
  Begin();
  path.Pass(milliseconds(51));
  ASSERT_EQ(Asked().size(), 2u);
  path.Pass(milliseconds(51));
  ASSERT_EQ(Asked().size(), 3u);
  path.Pass(milliseconds(200));  // there is no fourth
  Answer(2, 200, "third");
  ASSERT_TRUE(path.Receives(*client, "third"));
  path.Settle();
  EXPECT_THAT(path.LogText(), HasSubstr("\"attempts\":3,\"retries\":\"hedge,hedge\""));
}

TEST_F(HedgePathTest, AFailureDoesNotWinWhileAnotherAttemptRuns) {
  for (int status : {500, 503, 429, 421}) {
    HedgePathTest::Begin();
    path.Pass(milliseconds(51));
    ASSERT_EQ(Asked().size(), 2u);
    Answer(0, status, "no");
    path.Settle();
    EXPECT_EQ(client->Got(), "") << status;
    Answer(1, 200, "yes");
    ASSERT_TRUE(path.Receives(*client, "yes")) << status;
    client->Close();
    path.Settle();
    for (FakeUpstream* upstream : {&a, &b, &c}) upstream->connections().clear();
    Asked().clear();
    path.Pass(seconds(40));  // an endpoint that failed is in good repute again
  }
}

TEST_F(HedgePathTest, ALostConnectionDoesNotEndItWhileAnotherAttemptRuns) {
  Begin();
  path.Pass(milliseconds(51));
  Upstream(*Asked().at(1)).Close();
  path.Settle();
  EXPECT_EQ(client->Got(), "");
  Answer(0, 200, "yes");
  ASSERT_TRUE(path.Receives(*client, "yes"));
}

TEST_F(HedgePathTest, WhatFailsLastIsTheAnswer) {
  Begin();
  path.Pass(milliseconds(51));
  Upstream(*Asked().at(0)).Close();
  path.Settle();
  Answer(1, 503, "no");
  ASSERT_TRUE(path.Receives(*client, "no"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HedgePathTest, NothingButASafeRequestWithoutBodyIsHedged) {
  for (absl::string_view request : {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                                    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                                    "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n",
                                    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"}) {
    Begin(request);
    path.Pass(milliseconds(200));
    EXPECT_EQ(Asked().size(), 1u) << request;
    client->Close();
    path.Settle();
    for (FakeUpstream* upstream : {&a, &b, &c}) upstream->connections().clear();
    Asked().clear();
    path.Settle();
  }
}

TEST_F(HedgePathTest, ItIsARetryToTheBudget) {
  policy.upstreams["backend"].retry_budget = {.percent = 0, .min_concurrent = 0};
  Begin();
  path.Pass(milliseconds(200));
  EXPECT_EQ(Asked().size(), 1u);
  RetryBudget& budget = path.clusters.Find("backend")->shared().retry_budget();
  budget.Update({.percent = 0, .min_concurrent = 1});
  Answer(0, 200, "ok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_EQ(budget.active_retries(), 0u);
}

TEST_F(HedgePathTest, ItsPlaceInTheBudgetIsFreeAgain) {
  Begin();
  path.Pass(milliseconds(51));
  RetryBudget& budget = path.clusters.Find("backend")->shared().retry_budget();
  EXPECT_EQ(budget.active_retries(), 1u);
  Answer(0, 200, "ok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  path.Settle();
  EXPECT_EQ(budget.active_retries(), 0u);
}

TEST_F(HedgePathTest, AClientThatGoesEndsAllAttempts) {
  Begin();
  path.Pass(milliseconds(51));
  ASSERT_EQ(Asked().size(), 2u);
  path.CloseConnections();
  EXPECT_TRUE(path.RunUntil(
      [&] { return Upstream(*Asked()[0]).Closed() && Upstream(*Asked()[1]).Closed(); }));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(HedgePathTest, TheRoutesTimeCoversAllAttempts) {
  Route().timeout = milliseconds(120);
  Begin();
  path.Pass(milliseconds(51));
  path.Pass(milliseconds(80));
  ASSERT_TRUE(path.Receives(*client, "route_timeout"));
  EXPECT_TRUE(path.RunUntil(
      [&] { return Upstream(*Asked()[0]).Closed() && Upstream(*Asked()[1]).Closed(); }));
}

TEST_F(HedgePathTest, AnEndpointThatRefusesIsFollowedByARetryAndThenAHedge) {
  Route().retry = {2, {RetryCondition::kConnectionLost}, false};
  Begin();
  Upstream(*Asked()[0]).Close();
  ASSERT_TRUE(path.RunUntil([&] { return Asked().size() == 2; }));
  path.Pass(milliseconds(51));
  ASSERT_EQ(Asked().size(), 3u);
  Answer(2, 200, "third");
  ASSERT_TRUE(path.Receives(*client, "third"));
  path.Settle();
  EXPECT_THAT(path.LogText(), HasSubstr("\"retries\":\"safe-method,hedge\""));
}

}  // namespace
}  // namespace tollgate::proxy
