#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/data_path.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

size_t Count(const std::string& text, absl::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what.data(), 0, what.size()); at != std::string::npos;
       at = text.find(what.data(), at + 1, what.size())) {
    ++n;
  }
  return n;
}

class StreamTest : public testing::Test {
 protected:
  StreamTest() { path.upstreams = {&a, &b}; }
  void ServeOne() { path.Adopt(DataPath::PublicPolicy({a.address()})); }
  Peer& Upstream(FakeUpstream& u, size_t i = 0) { return *u.connections().at(i); }
  bool UpstreamHas(FakeUpstream& u, absl::string_view text) {
    return path.RunUntil([&] { return absl::StrContains(u.All(), text); });
  }

  FakeUpstream a, b;
  DataPath path;
};

TEST_F(StreamTest, CarriesARequestAndItsResponse) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET /payments/7?x=1 HTTP/1.1\r\nHost: pay.example\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_THAT(a.All(), StartsWith("GET /payments/7?x=1 HTTP/1.1\r\nhost: pay.example\r\n"));
  EXPECT_THAT(a.All(), HasSubstr("\r\nvia: 1.1 tollgate\r\n"));
  EXPECT_THAT(a.All(), HasSubstr("\r\nx-forwarded-for: 192.0.2.7\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: 1\r\n\r\nhello");
  ASSERT_TRUE(path.Receives(*client, "hello"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(client->Got(), HasSubstr("x-a: 1\r\n"));
  EXPECT_THAT(client->Got(), HasSubstr("x-request-id: "));
  EXPECT_THAT(client->Got(), HasSubstr("date: "));
  path.Settle();
  EXPECT_EQ(path.active_streams(), 0);
  EXPECT_THAT(path.LogText(), HasSubstr("\"status\":200"));
}

// An event after the end of the client's input must not make its connection read, and defer itself,
// for ever: the worker would never see the response that it waits for.
TEST_F(StreamTest, ClosesAtOnceWhenAllWasSaid) {
  ServeOne();
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(UpstreamHas(a, "hi"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  // Nothing is under way that a reset could reach before the answer: it waits for no FIN.
  EXPECT_TRUE(path.RunUntil([&] { return path.open_connections() == 0; }));
}

TEST_F(StreamTest, OutlivesAClientThatEndsItsInputAndThenGoes) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  ASSERT_EQ(shutdown(client->fd(), SHUT_WR), 0);
  path.Settle();
  client->Close();
  path.Settle();
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return path.open_connections() == 0; }));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(StreamTest, KeepsConnectionsOnBothSides) {
  ServeOne();
  auto client = path.Connect();
  for (int i = 0; i < 5; ++i) {
    client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(path.RunUntil([&] { return Count(a.All(), "GET / ") == size_t(i + 1); }));
    Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    ASSERT_TRUE(path.RunUntil([&] { return Count(client->Got(), "200 OK") == size_t(i + 1); }));
    path.Settle();
  }
  EXPECT_EQ(a.connections().size(), 1u);
  EXPECT_FALSE(client->Closed());
}

TEST_F(StreamTest, AnswersPipelinedRequestsInOrder) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "GET /1"));
  path.Settle();
  EXPECT_THAT(a.All(), Not(HasSubstr("GET /2")));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none");
  ASSERT_TRUE(UpstreamHas(a, "GET /2"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo");
  ASSERT_TRUE(path.Receives(*client, "two"));
  EXPECT_LT(client->Got().find("one"), client->Got().find("two"));
}

TEST_F(StreamTest, StreamsBodiesBothWaysAtOnce) {
  ServeOne();
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  ASSERT_TRUE(UpstreamHas(a, "3\r\nabc\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n");
  ASSERT_TRUE(path.Receives(*client, "2\r\nhi\r\n"));
  client->Send("2\r\nde\r\n0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "0\r\n\r\n"));
  Upstream(a).Send("0\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "0\r\n\r\n"));
  path.Settle();
  EXPECT_EQ(path.active_streams(), 0);
  // The response began before the request was whole: it had to announce that it closes.
  EXPECT_THAT(client->Got(), HasSubstr("connection: close\r\n"));
  EXPECT_TRUE(client->Closed());
}

TEST_F(StreamTest, HoldsBoundedMemoryForASlowClient) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "GET /big"));
  const size_t size = 32 << 20;
  Upstream(a).Send(absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", size, "\r\n\r\n"));
  const std::string piece(64 << 10, 'x');
  size_t sent = 0;
  for (int i = 0; i < 500; ++i) {
    const ssize_t n = send(Upstream(a).fd(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    path.loop().RunOnce(Duration::zero());
  }
  EXPECT_LT(sent, size);  // the upstream was held back
  EXPECT_LT(path.buffers.in_use(), size_t{2} << 20);
}

TEST_F(StreamTest, HoldsBoundedMemoryForASlowUpstream) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).max_body_bytes = 64 << 20;
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n");
  const std::string piece(64 << 10, 'x');
  size_t sent = 0;
  for (int i = 0; i < 500; ++i) {
    const ssize_t n = send(client->fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    path.loop().RunOnce(Duration::zero());
  }
  EXPECT_LT(sent, size_t{32} << 20);
  EXPECT_LT(path.buffers.in_use(), size_t{2} << 20);
}

TEST_F(StreamTest, Says100OnceARequestIsPermitted) {
  ServeOne();
  auto client = path.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "HTTP/1.1 100 Continue\r\n\r\n"));
  client->Send("hi");
  ASSERT_TRUE(UpstreamHas(a, "hi"));
  EXPECT_THAT(a.All(), Not(HasSubstr("expect")));
}

TEST_F(StreamTest, WithoutAPolicyAnswers503) {
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "no_policy"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(StreamTest, RefusesTwoFramingsAndForwardsNothing) {
  ServeOne();
  auto client = path.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(client->Got(), HasSubstr("application/problem+json"));
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamTest, ABodyThatBreaksItsFramingNeverCompletesUpstream) {
  ServeOne();
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  ASSERT_TRUE(UpstreamHas(a, "3\r\nabc\r\n"));
  client->Send("0x5\r\nhello\r\n0\r\n\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed() && Upstream(a).Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(a.All(), Not(HasSubstr("hello")));
  EXPECT_THAT(a.All(), Not(HasSubstr("0\r\n\r\n")));
}

TEST_F(StreamTest, CapsTheBodyOfARoute) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).max_body_bytes = 4;
  path.Adopt(policy);
  auto declared = path.Connect();
  declared->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_TRUE(path.RunUntil([&] { return declared->Closed(); }));
  EXPECT_THAT(declared->Got(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(a.All(), "");
  auto chunked = path.Connect();
  chunked->Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return chunked->Closed(); }));
  EXPECT_THAT(chunked->Got(), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(a.All(), Not(HasSubstr("hello")));
}

TEST_F(StreamTest, TriesAnotherEndpointWhenOneRefuses) {
  path.Adopt(DataPath::PublicPolicy({a.address(), b.address()}));
  a.StopListening();
  auto client = path.Connect();
  for (int i = 0; i < 4; ++i) {
    client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    ASSERT_TRUE(path.RunUntil([&] { return Count(b.All(), "\r\n\r\nhi") == size_t(i + 1); }));
    Upstream(b).Send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    ASSERT_TRUE(path.RunUntil([&] { return Count(client->Got(), "201 C") == size_t(i + 1); }));
    path.Settle();
  }
}

TEST_F(StreamTest, NeverSendsAPostTwiceOnceABytesWasSent) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  DataPath::RouteOf(policy).retry = {
      .max_retries = 4,
      .when = {RetryCondition::kNotSent, RetryCondition::kConnectionLost,
               RetryCondition::kStatus503},
      .other_endpoint = true};
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "hi"); }));
  FakeUpstream& used = a.connections().empty() ? b : a;
  Upstream(used).Close();
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 502 "));
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
  EXPECT_EQ(Count(a.All() + b.All(), "POST / "), 1u);
}

TEST_F(StreamTest, SendsASafeRequestAgainWhenTheConnectionIsLost) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  DataPath::RouteOf(policy).retry = {.max_retries = 1,
                                     .when = {RetryCondition::kConnectionLost},
                                     .other_endpoint = true};
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "\r\n\r\n"); }));
  FakeUpstream& first = a.connections().empty() ? b : a;
  FakeUpstream& second = a.connections().empty() ? a : b;
  Upstream(first).Close();
  ASSERT_TRUE(UpstreamHas(second, "GET /x"));
  Upstream(second).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(path.LogText(), HasSubstr("\"attempts\":2"));
}

TEST_F(StreamTest, SendsAPostAgainWhenTheServiceHonoursItsKey) {
  Policy policy = DataPath::PublicPolicy({a.address(), b.address()});
  RoutePolicy& route = DataPath::RouteOf(policy);
  route.retry = {.max_retries = 1,
                 .when = {RetryCondition::kConnectionLost},
                 .other_endpoint = true};
  route.idempotency = {.header = "idempotency-key", .required = true, .honoured_by_service = true};
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(
      "POST /x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(path.RunUntil([&] { return absl::StrContains(a.All() + b.All(), "\r\n\r\nhi"); }));
  FakeUpstream& first = a.connections().empty() ? b : a;
  FakeUpstream& second = a.connections().empty() ? a : b;
  Upstream(first).Close();
  ASSERT_TRUE(UpstreamHas(second, "\r\n\r\nhi"));
  Upstream(second).Send("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
}

TEST_F(StreamTest, AnswersOnceTheRoutesTimeIsUp) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).timeout = seconds(2);
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  path.Pass(milliseconds(1990));
  EXPECT_EQ(client->Got(), "");
  path.Pass(milliseconds(20));
  ASSERT_TRUE(path.Receives(*client, "route_timeout"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 504 "));
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
}

TEST_F(StreamTest, BreaksTheConnectionWhenHalfAResponseIsLost) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
  ASSERT_TRUE(path.Receives(*client, "half"));
  Upstream(a).Close();
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
}

TEST_F(StreamTest, RefusesAnUpstreamThatBreaksHttp) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send(
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n");
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 502 "));
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
}

TEST_F(StreamTest, GivesTheUpstreamUpWhenTheClientResets) {
  ServeOne();
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  ASSERT_TRUE(UpstreamHas(a, "half"));
  client->Close();
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
  EXPECT_EQ(path.open_connections(), 0u);
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(StreamTest, ClosesAClientThatIsSlowWithItsHead) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET / HTT");
  path.Pass(seconds(9));
  EXPECT_FALSE(client->Closed());
  client->Send("P/1.1\r\n");
  path.Pass(seconds(2));
  EXPECT_TRUE(path.RunUntil([&] { return client->Closed(); }));
}

TEST_F(StreamTest, Answers408ToABodyThatStops) {
  ServeOne();
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  ASSERT_TRUE(UpstreamHas(a, "half"));
  Policy unused;
  path.Pass(seconds(14));
  EXPECT_EQ(client->Got(), "");
  path.Pass(seconds(2));
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
}

TEST_F(StreamTest, AnIdleConnectionHoldsNoBuffer) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  path.Settle();
  EXPECT_EQ(path.buffers.in_use(), 0u);
  path.Pass(seconds(74));
  EXPECT_FALSE(client->Closed());
  path.Pass(seconds(2));
  EXPECT_TRUE(path.RunUntil([&] { return client->Closed(); }));
}

TEST_F(StreamTest, ARequestEndsOnTheSnapshotThatItBeganOn) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).response_headers = {{"x-stamp", "1"}};
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  DataPath::RouteOf(policy).response_headers = {{"x-stamp", "2"}};
  path.Adopt(policy);
  EXPECT_EQ(path.retired, 0);
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(client->Got(), HasSubstr("x-stamp: 1\r\n"));
  path.Settle();
  EXPECT_EQ(path.retired, 1);
}

TEST_F(StreamTest, DrainAnswersOneMoreRequestOnAnIdleConnection) {
  ServeOne();
  auto client = path.Connect();
  path.Settle();
  for (auto& c : path.connections()) c->Drain();
  path.Settle();
  EXPECT_FALSE(client->Closed()) << "its request may be on the way";
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), HasSubstr("connection: close\r\n"));
}

TEST_F(StreamTest, DrainClosesIdleConnectionsAfterAMomentAndFinishesTheOthers) {
  ServeOne();
  auto idle = path.Connect();
  auto busy = path.Connect();
  busy->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  for (auto& c : path.connections()) c->Drain();
  path.Pass(std::chrono::milliseconds(999));
  EXPECT_FALSE(idle->Closed());
  path.Pass(std::chrono::milliseconds(10));
  ASSERT_TRUE(path.RunUntil([&] { return idle->Closed(); }));
  EXPECT_FALSE(busy->Closed());
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.RunUntil([&] { return busy->Closed(); }));
  EXPECT_THAT(busy->Got(), HasSubstr("connection: close\r\n"));
  EXPECT_THAT(busy->Got(), HasSubstr("ok"));
}

TEST_F(StreamTest, StripsIdentityThatAClientMadeUp) {
  ServeOne();
  auto client = path.Connect();
  client->Send(
      "GET / HTTP/1.1\r\nHost: x\r\nX-Tollgate-Consumer: root\r\nX-Forwarded-For: 1.1.1.1\r\n"
      "X-Envoy-Original-Path: /admin\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_THAT(a.All(), Not(HasSubstr("root")));
  EXPECT_THAT(a.All(), Not(HasSubstr("1.1.1.1")));
  EXPECT_THAT(a.All(), Not(HasSubstr("/admin")));
}

TEST_F(StreamTest, ForwardsThePathThatItAuthorised) {
  ServeOne();
  auto client = path.Connect();
  client->Send("GET /a/../b//c/%7euser HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  EXPECT_THAT(a.All(), StartsWith("GET /b/c/~user HTTP/1.1\r\n"));
  auto bad = path.Connect();
  bad->Send("GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(path.Receives(*bad, "bad_path"));
  EXPECT_THAT(bad->Got(), StartsWith("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace tollgate::proxy
