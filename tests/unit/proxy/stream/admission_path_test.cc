// Admission over the whole data path: what is refused before anything is sent, what the client and
// the log are told, and that every end of a request gives its place back.
#include "gmock/gmock.h"
#include "tests/fakes/no_descriptors.h"
#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class AdmissionPathTest : public PathTest {
 protected:
  void Serve(uint32_t max_requests, Priority priority = Priority::kDefault, bool adaptive = false) {
    Policy policy = DataPath::PublicPolicy({a.address()});
    UpstreamPolicy& upstream = policy.upstreams.at("backend");
    upstream.max_requests = max_requests;
    upstream.has_priorities = priority != Priority::kDefault;
    if (adaptive) upstream.adaptive_concurrency.emplace();
    RoutePolicy& route = DataPath::RouteOf(policy);
    route.priority = priority;
    route.timeout = seconds(5);
    path.Adopt(policy);
  }
  // A request that is with the upstream.
  std::unique_ptr<Peer> Begin() {
    auto client = path.Connect("192.0.2.7:4711");
    const size_t before = CountOf(a.All(), "\r\n\r\n");
    client->Send("GET /x HTTP/1.1\r\nHost: pay.example\r\n\r\n");
    EXPECT_TRUE(path.RunUntil([&] { return CountOf(a.All(), "\r\n\r\n") > before; }));
    return client;
  }
  // One that the upstream is not to see; what is open stays open.
  Answer Refused() {
    auto client = path.Connect("192.0.2.8:4711");
    const size_t before = CountOf(a.All(), "\r\n\r\n");
    client->Send("GET /x HTTP/1.1\r\nHost: pay.example\r\n\r\n");
    EXPECT_TRUE(path.RunUntil([&] { return TakeApart(client->Got()).has_value(); }));
    EXPECT_EQ(CountOf(a.All(), "\r\n\r\n"), before);
    return TakeApart(client->Got()).value_or(Answer());
  }
  uint32_t Active() {
    return path.clusters.Find("backend")->shared().retry_budget().active_requests();
  }
};

TEST_F(AdmissionPathTest, WhatIsAboveTheCapIsRefusedBeforeItIsSent) {
  Serve(2);
  auto first = Begin();
  auto second = Begin();
  EXPECT_EQ(Active(), 2u);
  const Answer refused = Refused();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Field("retry-after"), "1");
  EXPECT_EQ(refused.Field("tollgate-outcome"), "refused") << "it is known: nothing happened";
  EXPECT_THAT(refused.body, HasSubstr("requests_overflow"));
  EXPECT_THAT(path.LogText(), HasSubstr("\"step\":\"admission\""));
  EXPECT_THAT(path.LogText(), HasSubstr("\"reason\":\"requests_overflow\""));
  EXPECT_EQ(Active(), 2u);
}

TEST_F(AdmissionPathTest, EveryEndGivesThePlaceBack) {
  Serve(1);
  auto client = Begin();
  Upstream(a, 0).Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_EQ(Active(), 0u) << "answered";

  client = Begin();
  client->Close();
  a.connections().back()->Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_TRUE(path.RunUntil([&] { return Active() == 0; })) << "the client went";

  client = Begin();
  path.Pass(seconds(6));
  EXPECT_THAT(client->Got(), HasSubstr(" 504 "));
  EXPECT_EQ(Active(), 0u) << "timed out";

  client = Begin();
  a.connections().back()->Close();
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_EQ(Active(), 0u) << "the upstream went";
}

TEST_F(AdmissionPathTest, ATunnelHoldsNoPlaceForAsLongAsItLasts) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  policy.upstreams.at("backend").max_requests = 1;
  DataPath::RouteOf(policy).allow_upgrade = true;
  path.Adopt(policy);
  auto tunnel = path.Connect();
  tunnel->Send("GET /x HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_EQ(Active(), 1u);
  Upstream(a, 0).Send(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  ASSERT_TRUE(path.Receives(*tunnel, "\r\n\r\n"));
  EXPECT_EQ(Active(), 0u);
  auto client = Begin();
  EXPECT_EQ(Active(), 1u);
}

// What was retried to open it would else refuse others their retries for an hour.
TEST_F(AdmissionPathTest, NorDoesATunnelHoldAPlaceAmongRetries) {
  b.StopListening();
  Policy policy = DataPath::PublicPolicy({b.address(), a.address()});
  policy.upstreams.at("backend").balance = Balance::kRoundRobin;
  DataPath::RouteOf(policy).allow_upgrade = true;
  path.Adopt(policy);
  const RetryBudget& budget = path.clusters.Find("backend")->shared().retry_budget();
  std::vector<std::unique_ptr<Peer>> tunnels;
  for (size_t i = 0; i < 2; ++i) {  // one of two meets the endpoint that refuses
    tunnels.push_back(path.Connect());
    tunnels[i]->Send(
        "GET /x HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    ASSERT_TRUE(path.RunUntil([&] { return a.connections().size() == i + 1; }));
    Upstream(a, i).Send(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    ASSERT_TRUE(path.Receives(*tunnels[i], "\r\n\r\n"));
  }
  EXPECT_EQ(budget.active_retries(), 0u);
  tunnels.clear();
  path.Settle();
  EXPECT_THAT(path.LogText(), HasSubstr("\"retries\":\"not-sent\""));
}

// Neither is it the endpoint's fault, nor would it be another's.
TEST_F(AdmissionPathTest, WithoutADescriptorARequestIsRefusedAndNoEndpointIsBlamed) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  policy.upstreams.at("backend").outlier_detection.consecutive_errors = 1;
  path.Adopt(policy);
  auto client = path.Connect();
  {
    const NoDescriptors none;
    client->Send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(path.Receives(*client, "no_descriptor"));
  }
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: refused\r\n"));
  EXPECT_EQ(path.clusters.Find("backend")->shared().outliers().EjectedAt(path.clock.Mono()), 0u);
  EXPECT_THAT(path.LogText(), HasSubstr("\"attempts\":1,"));
}

TEST_F(AdmissionPathTest, ASheddableRouteLeavesRoom) {
  Serve(10, Priority::kSheddable);
  std::vector<std::unique_ptr<Peer>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(Begin());
  const Answer refused = Refused();
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(path.LogText(), HasSubstr("\"reason\":\"shed\""));
  EXPECT_EQ(path.clusters.Find("backend")->shared().shed(Priority::kSheddable), 1u);
}

TEST_F(AdmissionPathTest, ACriticalRouteTakesTheWholeCap) {
  Serve(10, Priority::kCritical);
  std::vector<std::unique_ptr<Peer>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Begin());
  EXPECT_EQ(Refused().status, 503);
}

TEST_F(AdmissionPathTest, TheAdaptiveLimitLearnsFromAnswersOnly) {
  Serve(1000, Priority::kDefault, /*adaptive=*/true);
  const auto& shared = path.clusters.Find("backend")->shared();
  auto client = Begin();
  path.Pass(milliseconds(20));
  Upstream(a, 0).Send("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_FALSE(shared.adaptive()->measuring()) << "a quick failure says nothing";
  client = Begin();
  path.Pass(milliseconds(20));
  a.connections().back()->Send("HTTP/1.1 402 Payment Required\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_TRUE(shared.adaptive()->measuring()) << "a refusal is an answer";
  std::vector<std::unique_ptr<Peer>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Begin());
  const Answer refused = Refused();
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("concurrency_overflow"));
}

// Else a client could choose what the limit takes for the latency.
TEST_F(AdmissionPathTest, TheAdaptiveLimitDoesNotLearnHowShortCallersWait) {
  Serve(1000, Priority::kDefault, /*adaptive=*/true);
  const GradientController& adaptive = *path.clusters.Find("backend")->shared().adaptive();
  const auto in_a_hurry = [&] {
    auto client = path.Connect();
    client->Send("GET /x HTTP/1.1\r\nHost: x\r\nX-Request-Deadline-Ms: 5\r\n\r\n");
    path.Settle();
    path.Pass(milliseconds(5));
    EXPECT_THAT(client->Got(), HasSubstr(" 504 "));
  };
  in_a_hurry();
  EXPECT_FALSE(adaptive.measuring());
  auto client = Begin();
  path.Pass(milliseconds(100));
  a.connections().back()->Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  ASSERT_TRUE(adaptive.measuring());
  for (int i = 0; i < 100; ++i) in_a_hurry();
  EXPECT_TRUE(adaptive.measuring()) << "nothing was measured";
}

}  // namespace
}  // namespace tollgate::proxy
