// Pools, pushes, names, outliers and lost connections, through the whole data path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>

#include "tests/fakes/black_hole.h"
#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr absl::string_view kPost = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";

class UpstreamPathTest : public PathTest {
 protected:
  Policy OneUpstream() { return DataPath::PublicPolicy({a.address()}); }
  static UpstreamPolicy& Backend(Policy& policy) { return policy.upstreams["backend"]; }
  // A client that has sent `request`, which `upstream` has received on its connection `i`.
  std::unique_ptr<Peer> Begin(FakeUpstream& upstream, size_t i, absl::string_view request = kGet) {
    auto client = path.Connect();
    client->Send(request);
    EXPECT_TRUE(path.RunUntil([&] {
      upstream.Poll();
      return upstream.connections().size() > i &&
             absl::StrContains(Upstream(upstream, i).Got(), "\r\n\r\n");
    }));
    return client;
  }
  void Respond(FakeUpstream& upstream, size_t i, Peer& client) {
    Upstream(upstream, i).Forget();
    Upstream(upstream, i).Send(kOk);
    ASSERT_TRUE(path.Receives(client, "\r\n\r\nok"));
    client.Close();
    path.Settle();
  }
};

TEST_F(UpstreamPathTest, TakesTheWarmestConnectionFirst) {
  ServeOne();
  auto first = Begin(a, 0);
  auto second = Begin(a, 1);
  Respond(a, 0, *first);
  Respond(a, 1, *second);
  auto third = Begin(a, 1);  // the one that was used last
  EXPECT_EQ(Upstream(a, 0).Got(), "");
  Respond(a, 1, *third);
  EXPECT_EQ(a.connections().size(), 2u);
}

TEST_F(UpstreamPathTest, AnUnsafeRequestTakesNoConnectionThatWasIdleForLong) {
  ServeOne();
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  path.Pass(seconds(4));
  client = Begin(a, 0, kPost);  // still fresh
  Respond(a, 0, *client);
  path.Pass(seconds(6));
  client = Begin(a, 0);  // a safe one may
  Respond(a, 0, *client);
  path.Pass(seconds(6));
  client = Begin(a, 1, kPost);
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a, 0).Closed(); }));
  Respond(a, 1, *client);
}

TEST_F(UpstreamPathTest, ClosesAConnectionThatNobodyUsedForItsIdleTime) {
  Policy policy = OneUpstream();
  Backend(policy).idle_timeout = seconds(20);
  path.Adopt(policy);
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  path.Pass(seconds(19));
  EXPECT_FALSE(Upstream(a, 0).Closed());
  path.Pass(seconds(2));
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a, 0).Closed(); }));
  client = Begin(a, 1);
  Respond(a, 1, *client);
}

TEST_F(UpstreamPathTest, OpensNoMoreConnectionsThanTheCapAndServesTheOthersInTurn) {
  Policy policy = OneUpstream();
  Backend(policy).max_connections = 1;
  Backend(policy).max_pending = 1;
  path.Adopt(policy);
  auto first = Begin(a, 0);
  auto second = path.Connect();
  second->Send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  path.Settle();
  EXPECT_EQ(a.connections().size(), 1u);
  auto third = path.Connect();  // neither a connection nor a place in the queue
  third->Send("GET /third HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(path.Receives(*third, "pending_overflow"));
  EXPECT_THAT(third->Got(), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(third->Got(), HasSubstr("retry-after: 1\r\n"));
  EXPECT_THAT(third->Got(), HasSubstr("tollgate-outcome: refused\r\n"));
  EXPECT_THAT(path.LogText(), HasSubstr("\"step\":\"admission\""));
  Respond(a, 0, *first);
  ASSERT_TRUE(UpstreamHas(a, "GET /second"));
  EXPECT_EQ(a.connections().size(), 1u);
  Respond(a, 0, *second);
  EXPECT_THAT(a.All(), Not(HasSubstr("third")));
}

TEST_F(UpstreamPathTest, AWaitingRequestThatIsGivenUpLeavesItsPlace) {
  Policy policy = OneUpstream();
  Backend(policy).max_connections = 1;
  Backend(policy).max_pending = 1;
  path.Adopt(policy);
  auto first = Begin(a, 0);
  auto second = path.Connect();
  second->Send("POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
  path.Settle();
  second->Close();
  path.Settle();
  auto third = path.Connect();
  third->Send("GET /third HTTP/1.1\r\nHost: x\r\n\r\n");
  path.Settle();
  Respond(a, 0, *first);
  ASSERT_TRUE(UpstreamHas(a, "GET /third"));
  EXPECT_THAT(a.All(), Not(HasSubstr("second")));
}

TEST_F(UpstreamPathTest, AConnectionOfOneEndpointMakesRoomForAnother) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  Backend(policy).max_connections = 1;
  path.Adopt(policy);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Get("/").status, 200) << i;  // round robin: a b a b
  EXPECT_GT(a.connections().size(), 0u);
  EXPECT_GT(b.connections().size(), 0u);
}

TEST_F(UpstreamPathTest, ARequestWaitsForABusyConnectionOfAnotherEndpoint) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  Backend(policy).max_connections = 1;
  path.Adopt(policy);
  auto first = path.Connect();
  first->Send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "\r\n\r\n"); }));
  FakeUpstream& busy = a.connections().empty() ? b : a;
  FakeUpstream& other = a.connections().empty() ? a : b;
  auto second = path.Connect();
  second->Send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  path.Settle();
  EXPECT_TRUE(other.connections().empty());
  Upstream(busy).Send(kOk);
  ASSERT_TRUE(path.Receives(*first, "ok"));
  ASSERT_TRUE(UpstreamHas(other, "GET /second"));
}

TEST_F(UpstreamPathTest, RoomThatAnotherWorkerMakesIsFound) {
  Policy policy = OneUpstream();
  Backend(policy).max_connections = 1;
  path.Adopt(policy);
  ClusterShared& shared = path.clusters.Find("backend")->shared();
  ASSERT_TRUE(shared.AcquireConnection());  // as another worker's cluster does
  auto client = path.Connect();
  client->Send(kGet);
  path.Settle();
  EXPECT_TRUE(a.connections().empty());
  shared.ReleaseConnection();
  path.Pass(milliseconds(50));
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
}

TEST_F(UpstreamPathTest, AnEndpointThatDoesNotAnswerTheConnectIsGivenUp) {
  const BlackHole hole;
  path.Adopt(DataPath::PublicPolicy({hole.address()}));
  auto client = path.Connect();
  client->Send(kGet);
  path.Settle();
  EXPECT_EQ(client->Got(), "");
  // Each of three attempts (nothing was sent) has a second, and a pause before it.
  for (int i = 0; i < 8; ++i) path.Pass(milliseconds(501));
  ASSERT_TRUE(path.Receives(*client, "connect_timeout"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(UpstreamPathTest, AnEndpointThatAPushRemovesFinishesItsRequestThenCloses) {
  path.Adopt(DataPath::PublicPolicy({a.address()}));
  auto idle = Begin(a, 0);
  auto busy = Begin(a, 1);
  Respond(a, 0, *idle);
  path.Adopt(DataPath::PublicPolicy({b.address()}));
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a, 0).Closed(); }));
  EXPECT_FALSE(Upstream(a, 1).Closed());
  auto next = Begin(b, 0);
  Respond(b, 0, *next);
  Respond(a, 1, *busy);
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a, 1).Closed(); }));
}

TEST_F(UpstreamPathTest, AClusterThatAPushRemovesFinishesItsRequestThenCloses) {
  Policy policy = OneUpstream();
  path.Adopt(policy);
  auto busy = Begin(a, 0);
  Policy next = DataPath::PublicPolicy({b.address()});
  UpstreamPolicy other = next.upstreams["backend"];
  other.name = "other";
  next.upstreams = {{"other", other}};
  DataPath::RouteOf(next).upstream = "other";
  path.Adopt(next);
  EXPECT_EQ(path.clusters.Find("backend"), nullptr);
  Respond(a, 0, *busy);
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a, 0).Closed(); }));
  auto client = Begin(b, 0);
  Respond(b, 0, *client);
  path.Adopt(policy);  // and comes back as if new
  client = Begin(a, 1);
  Respond(a, 1, *client);
}

TEST_F(UpstreamPathTest, APushKeepsTheConnectionsOfEndpointsThatStay) {
  path.Adopt(DataPath::PublicPolicy({a.address()}));
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  Policy next = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(next).response_headers = {{"x-stamp", "2"}};
  Backend(next).connect_timeout = seconds(3);
  path.Adopt(next);
  client = Begin(a, 0);
  Respond(a, 0, *client);
  EXPECT_EQ(a.connections().size(), 1u);
}

TEST_F(UpstreamPathTest, AnIdleConnectionThatTheUpstreamClosesIsForgotten) {
  ServeOne();
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  Upstream(a, 0).Close();
  path.Settle();
  EXPECT_EQ(path.clusters.Find("backend")->shared().connections(), 0u);
  client = Begin(a, 1, kPost);
  Respond(a, 1, *client);
}

TEST_F(UpstreamPathTest, WhatAnIdleConnectionSaysUnaskedIsNobodysAnswer) {
  ServeOne();
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  Upstream(a, 0).Send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged");
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a, 0).Closed(); }));
  client = Begin(a, 1);
  Respond(a, 1, *client);
  EXPECT_THAT(client->Got(), Not(HasSubstr("forged")));
}

// RFC 9112 9.3.1: the upstream closed just when the request was on its way.
TEST_F(UpstreamPathTest, ASafeRequestThatMetAClosingConnectionIsSentOnceMore) {
  ServeOne();
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  auto again = Begin(a, 0);
  Upstream(a, 0).Close();
  path.Settle();
  path.Pass(milliseconds(50));  // the same endpoint is given a moment
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 2; }));
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(Upstream(a, 1).Got(), "\r\n\r\n"); }));
  Respond(a, 1, *again);
  EXPECT_THAT(path.LogText(), HasSubstr("\"attempts\":2"));
}

TEST_F(UpstreamPathTest, ThatRetryTakesAFreshConnectionAndIsTheOnlyOne) {
  ServeOne();
  auto one = Begin(a, 0);
  auto two = Begin(a, 1);
  Respond(a, 0, *one);
  Respond(a, 1, *two);
  auto again = Begin(a, 1);
  Upstream(a, 1).Close();
  path.Settle();
  path.Pass(milliseconds(50));
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), a.connections().size() == 3; }));
  EXPECT_EQ(Upstream(a, 0).Got(), "");  // as old as the one that was lost
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(Upstream(a, 2).Got(), "\r\n\r\n"); }));
  Upstream(a, 2).Close();
  ASSERT_TRUE(path.Receives(*again, "\r\n\r\n"));
  EXPECT_THAT(again->Got(), StartsWith("HTTP/1.1 502 "));
}

TEST_F(UpstreamPathTest, AnUnsafeRequestThatMetAClosingConnectionIsNot) {
  ServeOne();
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  auto again = Begin(a, 0, kPost);
  Upstream(a, 0).Close();
  ASSERT_TRUE(path.Receives(*again, "\r\n\r\n"));
  EXPECT_THAT(again->Got(), StartsWith("HTTP/1.1 502 "));
  EXPECT_THAT(again->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
  path.Pass(seconds(1));
  a.Poll();
  EXPECT_EQ(a.connections().size(), 1u);
}

TEST_F(UpstreamPathTest, ASafeRequestLostOnAFreshConnectionIsNotSentAgainUnasked) {
  ServeOne();
  auto client = Begin(a, 0);
  Upstream(a, 0).Close();
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 502 "));
}

TEST_F(UpstreamPathTest, ASafeRequestWhoseAnswerHadBegunIsNotSentAgain) {
  ServeOne();
  auto client = Begin(a, 0);
  Respond(a, 0, *client);
  auto again = Begin(a, 0);
  Upstream(a, 0).Send("HTTP/1.1 20");
  path.Settle();
  Upstream(a, 0).Close();
  ASSERT_TRUE(path.Receives(*again, "\r\n\r\n"));
  EXPECT_THAT(again->Got(), StartsWith("HTTP/1.1 502 "));
}

// What is heard of a request that `answer` answers at whichever upstream it reached.
std::string HeardFrom(DataPath& path, const std::function<void(FakeUpstream&, Peer&)>& answer) {
  auto client = path.Connect();
  client->Send(kGet);
  path.RunUntil([&] {
    for (FakeUpstream* u : path.upstreams) {
      u->Poll();
      for (const auto& c : u->connections()) {
        if (!absl::StrContains(c->Got(), "\r\n\r\n")) continue;
        c->Forget();
        answer(*u, *c);
      }
    }
    return client->Closed() || TakeApart(client->Got()).has_value();
  });
  std::string heard = client->Got();
  client->Close();
  path.Settle();
  return heard;
}

TEST_F(UpstreamPathTest, AnEndpointThatFailsInARowIsLeftAlone) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  Backend(policy).outlier_detection.consecutive_errors = 3;
  Backend(policy).outlier_detection.base_ejection = seconds(30);
  path.Adopt(policy);
  const auto fails = [&] {
    const std::string heard = HeardFrom(path, [&](FakeUpstream& upstream, Peer& peer) {
      peer.Send(&upstream == &a ? "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                                : "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
    });
    return absl::StrContains(heard, " 500 ");
  };
  int failed = 0;
  for (int i = 0; i < 20; ++i) failed += fails();
  EXPECT_EQ(failed, 3);
  path.Pass(seconds(31));
  failed = 0;
  for (int i = 0; i < 4; ++i) failed += fails();
  EXPECT_GT(failed, 0);  // it is tried again
}

// The head says 200, and the body never gets there: as bad as no answer.
TEST_F(UpstreamPathTest, AnEndpointThatBreaksOffItsAnswersIsLeftAlone) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  Backend(policy).outlier_detection.consecutive_errors = 3;
  Backend(policy).outlier_detection.base_ejection = seconds(30);
  path.Adopt(policy);
  const auto breaks = [&] {
    const std::string heard = HeardFrom(path, [&](FakeUpstream& upstream, Peer& peer) {
      peer.Send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo");
      if (&upstream == &a) {
        peer.Send("dy");
      } else {
        peer.Close();
      }
    });
    return !absl::StrContains(heard, "body");
  };
  int broken = 0;
  for (int i = 0; i < 20; ++i) broken += breaks();
  EXPECT_EQ(broken, 3);
  path.Pass(seconds(31));
  broken = 0;
  for (int i = 0; i < 4; ++i) broken += breaks();
  EXPECT_GT(broken, 0);  // it is tried again
}

// The client's doing, not the endpoint's.
TEST_F(UpstreamPathTest, AnAnswerThatItsClientDoesNotWantWholeIsNoFailure) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  Backend(policy).outlier_detection.consecutive_errors = 3;
  path.Adopt(policy);
  for (int i = 0; i < 8; ++i) {
    auto client = path.Connect();
    client->Send(kGet);
    ASSERT_TRUE(path.RunUntil([&] {
      AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo");
      return absl::StrContains(client->Got(), "bo");
    })) << i;
    client->Close();
    path.Settle();
  }
  EXPECT_EQ(path.clusters.Find("backend")->shared().outliers().EjectedAt(path.loop().now()), 0u);
}

TEST_F(UpstreamPathTest, HintsOfTheUpstreamAreKeptFromTheClient) {
  ServeOne();
  auto client = Begin(a, 0);
  Upstream(a, 0).Send(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
      "HTTP/1.1 102 Processing\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "102"));
  EXPECT_EQ(client->Got(), "HTTP/1.1 102 Processing\r\n\r\n");
  Upstream(a, 0).Send(kOk);
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\nok"));
  EXPECT_EQ(CountOf(client->Got(), "HTTP/1.1 "), 2u);
}

TEST_F(UpstreamPathTest, AnAnswerThatComesBeforeTheBodyIsSentGoesThrough) {
  Policy policy = OneUpstream();
  DataPath::RouteOf(policy).max_body_bytes = 64 << 20;
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n");
  const std::string piece(64 << 10, 'x');
  for (int i = 0; i < 100; ++i) {
    (void)send(client->fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    path.loop().RunOnce(Duration::zero());
  }
  ASSERT_TRUE(path.RunUntil([&] { return a.Poll(), !a.connections().empty(); }));
  Upstream(a).Send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig");
  Upstream(a).Close();
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\nbig"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(CountOf(client->Got(), "HTTP/1.1 "), 1u);
}

TEST_F(UpstreamPathTest, UpgradesAreRefusedUnlessTheRouteAllowsThem) {
  ServeOne();
  const Answer answer = Get("/", "Connection: upgrade\r\nUpgrade: websocket\r\n");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(a.All(), "");
}

TEST_F(UpstreamPathTest, AnInstanceWhoseSidecarShedsIsNotSick) {
  Policy policy = OneUpstream();
  Backend(policy).outlier_detection.consecutive_errors = 3;
  Backend(policy).outlier_detection.max_ejected_percent = 100;
  path.Adopt(policy);
  const auto ejected = [&] {
    return path.clusters.Find("backend")->shared().outliers().EjectedAt(path.loop().now());
  };
  constexpr absl::string_view kShed =
      "HTTP/1.1 503 No\r\ntollgate-outcome: refused\r\ncontent-length: 0\r\n\r\n";
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Ask(kGet, "192.0.2.7:4711", kShed).status, 503);
  EXPECT_EQ(ejected(), 0u);
  constexpr absl::string_view kSick = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(kGet, "192.0.2.7:4711", kSick).status, 503);
  EXPECT_EQ(ejected(), 1u);
}

class TunnelTest : public UpstreamPathTest {
 protected:
  void Open(absl::string_view more = "") {
    Policy policy = OneUpstream();
    RoutePolicy& route = DataPath::RouteOf(policy);
    route.allow_upgrade = true;
    route.max_body_bytes = 100;
    policy.listeners["in"].body_timeout = seconds(5);
    policy.listeners["in"].idle_timeout = seconds(60);
    path.Adopt(policy);
    client = path.Connect();
    client->Send(absl::StrCat(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", more));
    ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
    Upstream(a).Send(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
    EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 101 "));
    EXPECT_THAT(client->Got(), HasSubstr("upgrade: websocket\r\n"));
    client->Forget();
  }
  std::unique_ptr<Peer> client;
};

TEST_F(TunnelTest, CarriesBytesBothWays) {
  Open();
  client->Send("ping");
  ASSERT_TRUE(UpstreamHas(a, "ping"));
  Upstream(a).Send("pong");
  ASSERT_TRUE(path.Receives(*client, "pong"));
}

TEST_F(TunnelTest, CarriesWhatWasSentBeforeItWasOpen) {
  Open("early");
  ASSERT_TRUE(UpstreamHas(a, "early"));
}

TEST_F(TunnelTest, IsNotABodyWithAMaximum) {
  Open();
  client->Send(std::string(1000, 'x'));
  ASSERT_TRUE(path.RunUntil([&] { return CountOf(a.All(), "x") >= 1000; }));
  EXPECT_FALSE(client->Closed());
}

TEST_F(TunnelTest, OutlivesTheRoutesTimeAndTheBodysAndEndsWhenIdle) {
  Open();
  client->Send("ping");
  ASSERT_TRUE(UpstreamHas(a, "ping"));
  path.Pass(seconds(50));
  EXPECT_FALSE(client->Closed());
  Upstream(a).Send("pong");
  ASSERT_TRUE(path.Receives(*client, "pong"));
  path.Pass(seconds(50));
  EXPECT_FALSE(client->Closed());
  path.Pass(seconds(12));
  EXPECT_TRUE(path.RunUntil([&] { return client->Closed() && Upstream(a).Closed(); }));
}

TEST_F(TunnelTest, EndsWithTheClient) {
  Open();
  client->Send("bye");
  shutdown(client->fd(), SHUT_WR);
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
  EXPECT_THAT(a.All(), EndsWith("bye"));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(TunnelTest, EndsWithTheUpstream) {
  Open();
  Upstream(a).Send("bye");
  Upstream(a).Close();
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_EQ(client->Got(), "bye");
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(TunnelTest, IsNeverOneForMoreHttp) {
  Policy policy = OneUpstream();
  DataPath::RouteOf(policy).allow_upgrade = true;
  path.Adopt(policy);
  for (const char* protocol : {"h2c", "H2C", "HTTP/2.0", "TLS/1.2"}) {
    const Answer answer =
        Get("/", absl::StrCat("Connection: upgrade\r\nUpgrade: ", protocol, "\r\n"));
    EXPECT_EQ(answer.status, 403) << protocol;
  }
  EXPECT_EQ(a.All(), "");
}

TEST_F(TunnelTest, AnUpgradeThatTheUpstreamDeclinesIsAnOrdinaryAnswer) {
  Policy policy = OneUpstream();
  DataPath::RouteOf(policy).allow_upgrade = true;
  path.Adopt(policy);
  auto one = path.Connect();
  one->Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send(kOk);
  ASSERT_TRUE(path.Receives(*one, "\r\n\r\nok"));
  one->Send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "GET /next"));
}

TEST_F(UpstreamPathTest, AnUpstreamThatSwitchesUnaskedIsBroken) {
  ServeOne();
  auto client = Begin(a, 0);
  Upstream(a, 0).Send(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 502 "));
}

// A response whose end is only the end of the connection must not end in order when it is cut.
TEST_F(UpstreamPathTest, AnOldClientSeesThatAResponseWasCut) {
  ServeOne();
  auto client = path.ConnectTcp();
  client->Send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  ASSERT_TRUE(path.Receives(*client, "half"));
  Upstream(a).Close();
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_TRUE(client->WasReset());
}

class NamesTest : public PathTest {
 protected:
  NamesTest()
      : PathTest(&MakeHttp1, [this](const Address& name) {
          return absl::StatusOr<Resolver::Addresses>(Lookup(name));
        }) {}
  absl::StatusOr<Resolver::Addresses> Lookup(const Address& name) {
    if (fails) return absl::UnavailableError("no such host");
    return Resolver::Addresses{*Address::Parse(absl::StrCat("127.0.0.1:", name.port()))};
  }
  std::atomic<bool> fails{false};
};

TEST_F(NamesTest, AreResolvedWithoutBlockingAndThenServed) {
  path.Adopt(DataPath::PublicPolicy(
      {*Address::Parse(absl::StrCat("payments.internal:", a.address().port()))}));
  ASSERT_TRUE(path.RunUntil([&] {
    poll(nullptr, 0, 1);
    return !path.clusters.Find("backend")->endpoints().empty();
  }));
  EXPECT_EQ(Get("/").status, 200);
}

TEST_F(NamesTest, ThatCannotBeResolvedMakeA503) {
  fails = true;
  path.Adopt(DataPath::PublicPolicy({*Address::Parse("payments.internal:80")}));
  const Answer answer = Get("/");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("no_endpoint"));
}

}  // namespace
}  // namespace tollgate::proxy
