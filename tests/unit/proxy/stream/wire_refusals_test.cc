// Messages that two parsers might read differently (RFC 9112 sections 2.2, 3.2, 5, 6 and 7; the
// cases of Http11Probe), through the whole data path with an upstream that records. N01, N02 ...
// name the kind: length and coding, two lengths, and so on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct BadRequest {
  const char* name;
  int status;
  std::string bytes;
};
std::string NameOfCase(const testing::TestParamInfo<BadRequest>& info) { return info.param.name; }
void PrintTo(const BadRequest& r, std::ostream* os) { *os << r.name; }

// A request with these lines behind Host, and a body that would be there for the taking.
std::string With(absl::string_view lines) {
  return absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\n", lines, "\r\n\r\nhello");
}

std::vector<BadRequest> BadHeads() {
  using namespace std::string_literals;
  return {
      {"N01LengthAndChunked", 400, With("Content-Length: 5\r\nTransfer-Encoding: chunked")},
      {"N01ChunkedAndLength", 400, With("Transfer-Encoding: chunked\r\nContent-Length: 5")},
      {"N02TwoLengths", 400, With("Content-Length: 5\r\nContent-Length: 6")},
      {"N03SameLengthTwice", 400, With("Content-Length: 5, 5")},
      {"N03SameLengthInTwoFields", 400, With("Content-Length: 5\r\nContent-Length: 5")},
      {"N04PlusLength", 400, With("Content-Length: +5")},
      {"N04MinusZero", 400, With("Content-Length: -0")},
      {"N04HexLength", 400, With("Content-Length: 0x5")},
      {"N04UnderscoreLength", 400, With("Content-Length: 5_0")},
      {"N04SpacedLength", 400, With("Content-Length: 1 0")},
      {"N05EmptyLength", 400, With("Content-Length: ")},
      {"N06HugeLength", 400, With("Content-Length: 9223372036854775808")},
      {"N07ChunkedOnHttp10", 400,
       "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
      {"N08ChunkedNotLast", 400, With("Transfer-Encoding: chunked, gzip")},
      {"N09UnknownCoding", 501, With("Transfer-Encoding: xchunked")},
      {"N10VerticalTab", 400, With("Transfer-Encoding: \vchunked")},
      {"N10FormFeed", 400, With("Transfer-Encoding: \fchunked")},
      {"N10Nul", 400, With("Transfer-Encoding: chunked\0"s)},
      {"N10SpaceBeforeColon", 400, With("Transfer-Encoding : chunked")},
      {"N11ChunkedTwice", 400, With("Transfer-Encoding: chunked, chunked")},
      {"N11ChunkedInTwoFields", 400,
       With("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"N12ObsoleteFold", 400, With("Transfer-Encoding:\r\n chunked")},
      {"N13BareCr", 400, With("X-A: a\rb")},
      {"N19NoHost", 400, "GET / HTTP/1.1\r\n\r\n"},
      {"N19TwoHosts", 400, "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"},
      {"N19CommaHost", 400, "GET / HTTP/1.1\r\nHost: x,y\r\n\r\n"},
      {"N20OtherTarget", 400, "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"N21EmptyName", 400, With(": empty")},
      {"N21NameWithSpace", 400, With("X A: b")},
      {"N21NameWithBracket", 400, With("X(A): b")},
      {"N21SpaceBeforeFirstField", 400, "GET / HTTP/1.1\r\n Host: x\r\n\r\n"},
      {"N22Underscore", 400, With("Transfer_Encoding: chunked")},
      {"N22UnderscoreIdentity", 400, With("X_Tollgate_Consumer: root")},
      {"N23UnknownExpect", 417, With("Content-Length: 5\r\nExpect: 200-ok")},
  };
}

class WireTest : public PathTest {
 protected:
  // One that was made for a request of which no byte was sent may serve another.
  bool EveryUsedConnectionIsClosed() {
    a.Poll();
    for (const auto& c : a.connections()) {
      if (!c->Got().empty() && !c->Closed()) return false;
    }
    return true;
  }
};

class BadHead : public PathTest, public testing::WithParamInterface<BadRequest> {};

TEST_P(BadHead, IsRefusedAndTheUpstreamSeesNoByte) {
  ServeOne();
  auto client = path.Connect();
  client->Send(GetParam().bytes);
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith(absl::StrCat("HTTP/1.1 ", GetParam().status, " ")));
  EXPECT_THAT(client->Got(), HasSubstr("content-type: application/problem+json\r\n"));
  EXPECT_THAT(client->Got(), HasSubstr("connection: close\r\n"));
  EXPECT_THAT(client->Got(), HasSubstr("\"request_id\":\""));
  EXPECT_EQ(CountOf(client->Got(), "HTTP/1.1 "), 1u);
  client->Close();
  path.Settle();
  EXPECT_EQ(a.All(), "");
  EXPECT_EQ(path.open_connections(), 0u);
}

// The same behind a good request on one connection, which must not open a way for it.
TEST_P(BadHead, IsRefusedBehindAGoodRequest) {
  ServeOne();
  auto client = path.Connect();
  client->Send(absl::StrCat("GET /good HTTP/1.1\r\nHost: x\r\n\r\n", GetParam().bytes));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), HasSubstr(absl::StrCat("HTTP/1.1 ", GetParam().status, " ")));
  EXPECT_EQ(CountOf(a.All(), "HTTP/1.1\r\n"), 1u);
  EXPECT_THAT(a.All(), EndsWith("\r\n\r\n"));
  EXPECT_THAT(a.All(), Not(HasSubstr("hello")));
}

INSTANTIATE_TEST_SUITE_P(Rules, BadHead, testing::ValuesIn(BadHeads()), NameOfCase);

std::vector<BadRequest> BadBodies() {
  using namespace std::string_literals;
  return {
      {"N14LfAfterSize", 400, "5\nhello\r\n0\r\n\r\n"},
      {"N15HexPrefix", 400, "0x5\r\nhello\r\n0\r\n\r\n"},
      {"N15Plus", 400, "+5\r\nhello\r\n0\r\n\r\n"},
      {"N15Minus", 400, "-1\r\nhello\r\n0\r\n\r\n"},
      {"N15Underscore", 400, "5_0\r\nhello\r\n0\r\n\r\n"},
      {"N15TooLong", 400, "00000000000000005\r\nhello\r\n0\r\n\r\n"},
      {"N17CrInExtension", 400, "5;a\rb\r\nhello\r\n0\r\n\r\n"},
      {"N17LfInExtension", 400, "5;a\nb\r\nhello\r\n0\r\n\r\n"},
      {"N17NulInExtension", 400, "5;a\0b\r\nhello\r\n0\r\n\r\n"s},
  };
}

class BadBody : public WireTest, public testing::WithParamInterface<BadRequest> {
 protected:
  static constexpr absl::string_view kHead =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  void ExpectRefused(Peer& client) {
    ASSERT_TRUE(path.RunUntil([&] { return client.Closed(); }));
    EXPECT_THAT(client.Got(), StartsWith("HTTP/1.1 400 "));
    EXPECT_EQ(CountOf(client.Got(), "HTTP/1.1 "), 1u);
    EXPECT_TRUE(path.RunUntil([&] { return EveryUsedConnectionIsClosed(); }));
    EXPECT_THAT(a.All(), Not(HasSubstr("0\r\n\r\n")));
    EXPECT_EQ(path.active_streams(), 0);
  }
};

TEST_P(BadBody, EndsTheUpstreamRequestBeforeTheFault) {
  ServeOne();
  auto client = path.Connect();
  client->Send(absl::StrCat(kHead, "3\r\nabc\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "3\r\nabc\r\n"));
  client->Send(GetParam().bytes);
  ExpectRefused(*client);
  EXPECT_THAT(a.All(), EndsWith("\r\n\r\n3\r\nabc\r\n"));
}

TEST_P(BadBody, IsRefusedInTheSameSegmentAsItsHead) {
  ServeOne();
  auto client = path.Connect();
  client->Send(absl::StrCat(kHead, GetParam().bytes));
  ExpectRefused(*client);
  EXPECT_THAT(a.All(), Not(HasSubstr("hello")));
}

INSTANTIATE_TEST_SUITE_P(Rules, BadBody, testing::ValuesIn(BadBodies()), NameOfCase);

// These show only behind the chunk that they follow.
TEST_F(WireTest, N14AndN16NothingBehindAChunkThatOverrunsIsForwarded) {
  for (const char* rest : {"hello\n0\r\n\r\n", "helloworld\r\n0\r\n\r\n", "hello\r0\r\n\r\n"}) {
    ServeOne();
    auto client = path.Connect();
    client->Send(absl::StrCat(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", rest));
    ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); })) << rest;
    EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 400 "));
    EXPECT_TRUE(path.RunUntil([&] { return EveryUsedConnectionIsClosed(); }));
    EXPECT_THAT(a.All(), Not(HasSubstr("world")));
    EXPECT_THAT(a.All(), Not(HasSubstr("0\r\n\r\n")));
  }
}

TEST_F(WireTest, N17LegalExtensionsAreDropped) {
  ServeOne();
  auto client = path.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;name=value;q=\"x\"\r\nhello\r\n0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "0\r\n\r\n"));
  EXPECT_THAT(a.All(), EndsWith("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
}

TEST_F(WireTest, N18ForbiddenTrailersAreDroppedAndTheRequestArrives) {
  ServeOne();
  auto client = path.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: Bearer x\r\n"
      "X-Checksum: 7\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "x-checksum: 7\r\n\r\n"));
  EXPECT_THAT(a.All(), EndsWith("5\r\nhello\r\n0\r\nx-checksum: 7\r\n\r\n"));
}

TEST_F(WireTest, N18TrailersCarryNoIdentity) {
  ServeOne();
  auto client = path.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
      "X-Tollgate-Consumer: root\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Port: 1\r\n"
      "X-Real-Ip: 9.9.9.9\r\nX-Envoy-Original-Path: /admin\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "0\r\n"));
  path.Settle();
  EXPECT_THAT(a.All(), EndsWith("5\r\nhello\r\n0\r\n\r\n"));
}

TEST_F(WireTest, N23AnEarlyAnswerClosesWhenTheBodyIsUnread) {
  ServeOne();
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf");
  ASSERT_TRUE(UpstreamHas(a, "half"));
  Upstream(a).Send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(client->Got(), HasSubstr("connection: close\r\n"));
  EXPECT_THAT(client->Got(), EndsWith("\r\n\r\nno"));
  EXPECT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(WireTest, HoldsWhatFollowsAnUpgradeUntilItIsAccepted) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).allow_upgrade = true;
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes");
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  path.Settle();
  EXPECT_THAT(a.All(), HasSubstr("connection: upgrade\r\nupgrade: websocket\r\n"));
  EXPECT_THAT(a.All(), Not(HasSubstr("frames")));
  Upstream(a).Send(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nback");
  ASSERT_TRUE(UpstreamHas(a, "frames"));
  ASSERT_TRUE(path.Receives(*client, "back"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 101 "));
}

}  // namespace
}  // namespace tollgate::proxy
