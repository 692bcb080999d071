// The caller's deadline through the whole data path: taken, obeyed, passed on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/black_hole.h"
#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class DeadlinePathTest : public PathTest {
 protected:
  Policy Endpoints(std::vector<Address> addresses) {
    Policy policy = DataPath::PublicPolicy(addresses);
    DataPath::RouteOf(policy).timeout = seconds(2);
    return policy;
  }
  static UpstreamPolicy& Backend(Policy& policy) { return policy.upstreams["backend"]; }
  std::unique_ptr<Peer> Send(absl::string_view fields, absl::string_view method = "GET") {
    auto client = path.Connect();
    client->Send(absl::StrCat(method, " / HTTP/1.1\r\nHost: x\r\n", fields, "\r\n"));
    return client;
  }
  uint32_t Ejected() {
    return path.clusters.Find("backend")->shared().outliers().EjectedAt(path.clock.Mono());
  }
  static std::string Deadline(absl::string_view ms) {
    return absl::StrCat("X-Request-Deadline-Ms: ", ms, "\r\n");
  }
};

TEST_F(DeadlinePathTest, ARequestThatHasExpiredIsAnsweredUnsent) {
  ServeOne();
  const Answer answer = Get("/", Deadline("0"));
  EXPECT_EQ(answer.status, 504);
  EXPECT_THAT(answer.body, HasSubstr("\"code\":\"deadline_exceeded\""));
  EXPECT_FALSE(answer.Has("tollgate-outcome"));
  EXPECT_EQ(a.All(), "");
  EXPECT_THAT(path.LogText(), HasSubstr("\"step\":\"identify\",\"reason\":\"deadline_exceeded\""));
}

TEST_F(DeadlinePathTest, WhatIsNoNumberOfMillisecondsIsRefusedByName) {
  ServeOne();
  for (const char* bad : {"", " ", "-1", "+5", "1.5", "5s", "0x10", "1e3", "12345678901", "1 2"}) {
    const Answer answer = Get("/", Deadline(bad));
    EXPECT_EQ(answer.status, 400) << bad;
    EXPECT_THAT(answer.body, HasSubstr("x-request-deadline-ms")) << bad;
  }
  EXPECT_EQ(Get("/", Deadline("5") + Deadline("5")).status, 400);
  EXPECT_EQ(a.All(), "");
  EXPECT_EQ(Get("/", Deadline("0009999999")).status, 200);
}

TEST_F(DeadlinePathTest, TheCallersTimeEndsARequestBeforeTheRoutes) {
  path.Adopt(Endpoints({a.address()}));
  auto client = Send(Deadline("300"), "DELETE");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  path.Pass(milliseconds(290));
  EXPECT_EQ(client->Got(), "");
  path.Pass(milliseconds(20));
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"deadline_exceeded\""));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
}

TEST_F(DeadlinePathTest, TheRoutesTimeEndsARequestBeforeTheCallers) {
  path.Adopt(Endpoints({a.address()}));
  auto client = Send(Deadline("60000"));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_THAT(a.All(), HasSubstr("x-request-deadline-ms: 2000\r\n"));
  path.Pass(milliseconds(2010));
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"route_timeout\""));
}

TEST_F(DeadlinePathTest, WhatIsLeftIsToldWhereTheCallerSaidIt) {
  path.Adopt(Endpoints({a.address()}));
  auto client = Send(Deadline("300"));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_THAT(a.All(), HasSubstr("x-request-deadline-ms: 300\r\n"));
  EXPECT_EQ(CountOf(a.All(), "x-request-deadline-ms"), 1u);
  auto silent = Send("");
  ASSERT_TRUE(path.RunUntil([&] { return CountOf(a.All(), "\r\n\r\n") == 2; }));
  EXPECT_EQ(CountOf(a.All(), "x-request-deadline-ms"), 1u);
}

TEST_F(DeadlinePathTest, AnUpstreamIsAlwaysToldOrNeverWhereItsPolicySaysSo) {
  Policy policy = Endpoints({a.address()});
  Backend(policy).forward_deadline = ForwardDeadline::kNever;
  path.Adopt(policy);
  auto client = Send(Deadline("300"));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_THAT(a.All(), Not(HasSubstr("x-request-deadline-ms")));
  Backend(policy).forward_deadline = ForwardDeadline::kAlways;
  path.Adopt(policy);
  auto other = Send("");
  ASSERT_TRUE(UpstreamHas(a, "x-request-deadline-ms: 2000\r\n"));
}

TEST_F(DeadlinePathTest, EachAttemptIsToldWhatIsLeftThen) {
  Policy policy = Endpoints({a.address(), b.address()});
  DataPath::RouteOf(policy).retry = {1, {RetryCondition::kConnectionLost}, true};
  path.Adopt(policy);
  auto client = Send(Deadline("300"));
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "\r\n\r\n"); }));
  FakeUpstream& first = a.connections().empty() ? b : a;
  FakeUpstream& second = a.connections().empty() ? a : b;
  EXPECT_THAT(first.All(), HasSubstr("x-request-deadline-ms: 300\r\n"));
  path.Pass(milliseconds(120));
  Upstream(first).Close();
  ASSERT_TRUE(UpstreamHas(second, "x-request-deadline-ms: 180\r\n"));
  EXPECT_EQ(CountOf(second.All(), "x-request-deadline-ms"), 1u);
}

TEST_F(DeadlinePathTest, AnAttemptIsToldNoMoreThanItHas) {
  Policy policy = Endpoints({a.address()});
  DataPath::RouteOf(policy).attempt_timeout = milliseconds(250);
  path.Adopt(policy);
  auto client = Send(Deadline("1000"));
  ASSERT_TRUE(UpstreamHas(a, "x-request-deadline-ms: 250\r\n"));
}

TEST_F(DeadlinePathTest, ARetryThatHasNoTimeIsNotBegun) {
  Policy policy = Endpoints({a.address()});
  DataPath::RouteOf(policy).retry = {3, {RetryCondition::kConnectionLost}, false};
  path.Adopt(policy);
  // The same endpoint again would take a pause of at least 12 ms.
  auto client = Send(Deadline("10"));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Close();
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 502 "));
  path.Pass(milliseconds(100));
  EXPECT_EQ(a.connections().size(), 1u);
}

// It waits for a connection, and gets one in the very turn in which its time is over.
TEST_F(DeadlinePathTest, ARequestWhoseTimePassesBeforeItCouldBeSentIsNot) {
  Policy policy = Endpoints({a.address()});
  Backend(policy).max_connections = 1;
  path.Adopt(policy);
  auto first = Send("");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  auto client = path.Connect();
  client->Send("DELETE /late HTTP/1.1\r\nHost: x\r\nX-Request-Deadline-Ms: 50\r\n\r\n");
  path.Settle();
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  path.Pass(milliseconds(50));
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"deadline_exceeded\""));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
  path.Settle();
  EXPECT_THAT(a.All(), Not(HasSubstr("/late")));
}

// Callers in a hurry must not get an endpoint ejected; one that had time enough is to blame.
TEST_F(DeadlinePathTest, AShortDeadlineIsNotHeldAgainstTheEndpoint) {
  const auto ejected_after = [&](FakeUpstream& upstream, absl::string_view ms) {
    Policy policy = Endpoints({upstream.address()});
    Backend(policy).outlier_detection.consecutive_errors = 3;
    Backend(policy).outlier_detection.max_ejected_percent = 100;
    path.Adopt(policy);
    for (int i = 0; i < 3; ++i) {
      auto client = Send(Deadline(ms));
      path.RunUntil([&] {
        path.clock.Advance(milliseconds(10));
        return TakeApart(client->Got()).has_value();
      });
      path.Settle();
    }
    return Ejected() == 1;
  };
  EXPECT_FALSE(ejected_after(a, "20"));
  EXPECT_TRUE(ejected_after(b, "1500"));
}

// It was our cap that kept the request back: the endpoint has not even got it.
TEST_F(DeadlinePathTest, ADeadlineThatPassesInOurQueueIsNotHeldAgainstTheEndpoint) {
  Policy policy = Endpoints({a.address()});
  Backend(policy).max_connections = 1;
  Backend(policy).outlier_detection.consecutive_errors = 3;
  Backend(policy).outlier_detection.max_ejected_percent = 100;
  path.Adopt(policy);
  auto busy = Send("");
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
  std::vector<std::unique_ptr<Peer>> late;
  for (int i = 0; i < 3; ++i) late.push_back(Send(Deadline("1500")));
  path.Settle();
  path.Pass(milliseconds(1600));
  for (const auto& client : late) {
    ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
    EXPECT_THAT(client->Got(), HasSubstr(" 504 "));
  }
  EXPECT_EQ(CountOf(a.All(), "GET /"), 1u);
  EXPECT_EQ(Ejected(), 0u);
}

// Nor when it is the attempt's own time that passes there.
TEST_F(DeadlinePathTest, AnAttemptsTimeThatPassesInOurQueueIsNotHeldAgainstTheEndpoint) {
  Policy policy = Endpoints({a.address()});
  Backend(policy).max_connections = 1;
  Backend(policy).outlier_detection.consecutive_errors = 3;
  Backend(policy).outlier_detection.max_ejected_percent = 100;
  path.Adopt(policy);
  auto busy = Send("");
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
  DataPath::RouteOf(policy).attempt_timeout = milliseconds(300);
  path.Adopt(policy);
  std::vector<std::unique_ptr<Peer>> late;
  for (int i = 0; i < 3; ++i) late.push_back(Send(""));
  path.Settle();
  for (int i = 0; i < 20; ++i) path.Pass(milliseconds(100));
  for (const auto& client : late) ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_EQ(CountOf(a.All(), "GET /"), 1u);
  EXPECT_LE(Ejected(), 0u);
}

// What never answers a connect is to blame, though its callers wait for less than that may take.
TEST_F(DeadlinePathTest, ABlackHoleIsEjectedThoughCallersHaveDeadlines) {
  const BlackHole hole;
  Policy policy = Endpoints({hole.address()});
  Backend(policy).connect_timeout = seconds(1);
  Backend(policy).outlier_detection.consecutive_errors = 3;
  Backend(policy).outlier_detection.max_ejected_percent = 100;
  path.Adopt(policy);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ejected(), 0u);
    auto client = Send(Deadline("800"));
    path.Settle();
    path.Pass(milliseconds(800));
    ASSERT_TRUE(path.Receives(*client, " 504 "));
  }
  EXPECT_EQ(Ejected(), 1u);
}

// The first one had the time.
TEST_F(DeadlinePathTest, ARetryThatIsLeftLittleTimeIsNotHeldAgainstItsEndpoint) {
  Policy policy = Endpoints({a.address(), b.address()});
  RoutePolicy& route = DataPath::RouteOf(policy);
  route.timeout = milliseconds(1000);
  route.attempt_timeout = milliseconds(980);
  route.retry = {1, {RetryCondition::kStatus504}, true};
  Backend(policy).outlier_detection.consecutive_errors = 1;
  Backend(policy).outlier_detection.max_ejected_percent = 100;
  path.Adopt(policy);
  auto client = Send("");
  path.Settle();
  path.Pass(milliseconds(980));
  EXPECT_EQ(CountOf(a.All(), "GET /") + CountOf(b.All(), "GET /"), 2u);
  path.Pass(milliseconds(20));
  ASSERT_TRUE(path.Receives(*client, " 504 "));
  EXPECT_EQ(Ejected(), 1u) << "that of the first attempt alone";
}

// The sidecar beside the service keeps the deadline that it was told, and says so in time.
TEST_F(DeadlinePathTest, A504InAnswerToAShortDeadlineIsNotHeldAgainstTheEndpointEither) {
  Policy policy = Endpoints({a.address()});
  Backend(policy).outlier_detection.consecutive_errors = 1;
  Backend(policy).outlier_detection.max_ejected_percent = 100;
  path.Adopt(policy);
  const absl::string_view late = "HTTP/1.1 504 Late\r\ncontent-length: 0\r\n\r\n";
  EXPECT_EQ(Ask(absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\n", Deadline("20"), "\r\n"),
                "192.0.2.7:4711", late)
                .status,
            504);
  EXPECT_EQ(Ejected(), 0u);
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "192.0.2.7:4711", late).status, 504);
  EXPECT_EQ(Ejected(), 1u);
}

}  // namespace
}  // namespace tollgate::proxy
