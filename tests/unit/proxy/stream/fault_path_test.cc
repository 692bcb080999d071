// Faults on the whole data path: what the client, the upstream, the log and the metrics see.
#include <gmock/gmock.h>

#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr char kPost[] =
    "POST /payments HTTP/1.1\r\nHost: pay.example\r\nContent-Length: 4\r\n\r\nbody";

class FaultPathTest : public PathTest {
 protected:
  FaultPathTest() : policy(DataPath::PublicPolicy({a.address()})) { route().timeout = seconds(5); }
  RoutePolicy& route() { return DataPath::RouteOf(policy); }
  void AlwaysDelay(Duration duration) { route().faults.delay = {duration, 10'000, {}}; }
  void AlwaysAbort(int status) { route().faults.abort = {status, 10'000, {}}; }
  std::string Log() { return path.LogText(); }
  std::string Scrape() {
    Metrics metrics;
    metrics.AddWorker(&path.worker().metrics);
    return metrics.Scrape();
  }

  Policy policy;
};

TEST_F(FaultPathTest, AnAbortIsAnsweredHereAndShowsAsOne) {
  AlwaysAbort(503);
  path.Adopt(policy);
  const Answer answer = Get("/payments/1");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr(R"("code":"fault_abort")"));
  EXPECT_EQ(a.All(), "");
  EXPECT_THAT(Log(),
              HasSubstr(R"("status":503,"step":"fault","reason":"fault_abort","fault":"abort")"));
  EXPECT_THAT(Scrape(),
              HasSubstr("tollgate_faults_injected_total{api=\"api\",version=\"v1\",route=\"all\","
                        "fault=\"abort\"} 1"));
  EXPECT_THAT(Scrape(),
              HasSubstr("tollgate_refused_total{step=\"fault\",reason=\"fault_abort\"} 1"));
}

TEST_F(FaultPathTest, ADelayedRequestIsSentWhenTheDelayIsOver) {
  AlwaysDelay(seconds(2));
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(kPost);
  path.Settle();
  path.Pass(milliseconds(1999));
  EXPECT_EQ(a.All(), "");
  path.Pass(milliseconds(1));
  ASSERT_TRUE(UpstreamHas(a, "body"));
  AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_TRUE(path.Receives(*client, "200 OK"));
  EXPECT_THAT(Log(), HasSubstr(R"("status":200,"fault":"delay")"));
  EXPECT_THAT(Log(), HasSubstr(R"("duration_us":2000000)"));
  EXPECT_THAT(Scrape(), HasSubstr("fault=\"delay\"} 1"));
}

TEST_F(FaultPathTest, TheDelayCountsAgainstTheTimeoutOfTheRoute) {
  AlwaysDelay(seconds(4));
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(kPost);
  path.Settle();
  path.Pass(seconds(4));
  ASSERT_TRUE(UpstreamHas(a, "body"));
  path.Pass(milliseconds(999));
  EXPECT_EQ(client->Got(), "");
  path.Pass(milliseconds(1));
  EXPECT_TRUE(path.Receives(*client, "504 Gateway Timeout"));
  EXPECT_THAT(client->Got(), HasSubstr("route_timeout"));
}

TEST_F(FaultPathTest, ADelayThatTakesAllTheTimeEndsWithoutSending) {
  AlwaysDelay(seconds(30));
  AlwaysAbort(500);
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(kPost);
  path.Settle();
  path.Pass(milliseconds(4999));
  EXPECT_EQ(client->Got(), "");
  path.Pass(milliseconds(1));
  EXPECT_TRUE(path.Receives(*client, "504 Gateway Timeout"));
  EXPECT_THAT(client->Got(), HasSubstr("fault_delay"));
  // It was never sent: nothing is unknown about it.
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
  EXPECT_THAT(Log(), HasSubstr(R"("fault":"delay")")) << "the abort never came";
  path.Pass(seconds(60));
  EXPECT_EQ(a.All(), "");
}

TEST_F(FaultPathTest, ADelayThenAnAbort) {
  AlwaysDelay(seconds(1));
  AlwaysAbort(500);
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(kPost);
  path.Settle();
  EXPECT_EQ(client->Got(), "");
  path.Pass(seconds(1));
  EXPECT_TRUE(path.Receives(*client, "500 Internal Server Error"));
  EXPECT_EQ(a.All(), "");
  EXPECT_THAT(Log(), HasSubstr(R"("fault":"delay,abort")"));
}

TEST_F(FaultPathTest, AnotherRequestOfTheConnectionMeetsNoneWhenThePolicyIsGone) {
  AlwaysAbort(503);
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 503);
  route().faults = {};
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 200);
  EXPECT_EQ(CountOf(Log(), "\"fault\":\""), 1u);
}

TEST_F(FaultPathTest, BesideTheCallersThereAreNone) {
  AlwaysAbort(503);
  policy.listeners.at("in").direction = Direction::kOutbound;
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 200);
}

TEST_F(FaultPathTest, WithoutFaultsThereIsNoStep) {
  path.Adopt(policy);
  const Snapshot& without = **path.worker().snapshot;
  const size_t steps = without.FindListener("in")->chain->size();
  AlwaysAbort(503);
  path.Adopt(policy);
  const Snapshot& with = **path.worker().snapshot;
  EXPECT_EQ(with.FindListener("in")->chain->size(), steps + 1);
}

}  // namespace
}  // namespace tollgate::proxy
