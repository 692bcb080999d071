#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/fakes/codec_recorder.h"

namespace tollgate::proxy {
namespace {

class Http1Server : public testing::Test {
 protected:
  class Events final : public ServerRecorder {};

  void Answer(int status, absl::string_view body = {}) {
    ResponseHead head;
    head.status = status;
    if (!body.empty()) head.body = {BodySize::Kind::kLength, body.size()};
    codec->EncodeHead(events.last, head, body.empty(), wire.queue());
    if (!body.empty()) codec->EncodeData(events.last, body, true, wire.queue());
  }
  std::string Events() {
    std::string text = events.log.text();
    events.log.Clear();
    return text;
  }

  class Events events;
  Wire wire;
  std::unique_ptr<ServerCodec> codec = MakeHttp1ServerCodec(events, CodecLimits{});
  Feeder<ServerCodec> feeder{*codec};
};

TEST_F(Http1Server, DeliversAHeadWithoutWhatConcernsOnlyTheConnection) {
  feeder.Feed(
      "GET /v1/payments?limit=2 HTTP/1.1\r\nHost: Pay.Example.com:8080\r\nAccept:  a, b \r\n"
      "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
      "Proxy-Connection: close\r\nX-Empty:\r\n\r\n");
  EXPECT_EQ(Events(),
            "head GET pay.example.com:8080 /v1/payments?limit=2 accept=a, b x-empty= body=none "
            "1.1\nend\n");
  EXPECT_EQ(events.last_head.path, "/v1/payments");
  EXPECT_EQ(events.last_head.query, "limit=2");
  EXPECT_EQ(events.last_head.method, Method::kGet);
  EXPECT_FALSE(codec->idle());
}

TEST_F(Http1Server, TellsAnEmptyQueryFromNone) {
  feeder.Feed("GET /? HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(events.last_head.has_query);
  Answer(200);
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(events.last_head.has_query);
  EXPECT_EQ(events.heads, 2);
}

TEST_F(Http1Server, AcceptsEveryFormOfTarget) {
  for (const auto& [line, path] :
       std::vector<std::pair<std::string, std::string>>{{"GET http://A:80 HTTP/1.1", "/"},
                                                        {"GET HTTPS://a:80/x HTTP/1.1", "/x"},
                                                        {"GET http://a:80?q HTTP/1.1", "/"},
                                                        {"OPTIONS * HTTP/1.1", "*"},
                                                        {"OPTIONS http://a:80 HTTP/1.1", "*"},
                                                        {"OPTIONS /x HTTP/1.1", "/x"},
                                                        {"M-SEARCH //x//y HTTP/1.1", "//x//y"}}) {
    feeder.Feed(line + "\r\nHost: a:80\r\n\r\n");
    ASSERT_EQ(feeder.error(), "") << line;
    EXPECT_EQ(events.last_head.path, path) << line;
    EXPECT_EQ(events.last_head.authority, "a:80");
    Answer(204);
  }
}

TEST_F(Http1Server, AcceptsAddressesAsHost) {
  for (const std::string host : {"127.0.0.1", "[::1]", "[::1]:8080", "a_b.c-d:1", "a:65535"}) {
    feeder.Feed("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    ASSERT_EQ(feeder.error(), "") << host;
    EXPECT_EQ(events.last_head.authority, host);
    Answer(204);
  }
}

TEST_F(Http1Server, StreamsABodyOfKnownLength) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  EXPECT_EQ(Events(), "head POST a / body=10 1.1\ndata hello\n");
  feeder.Feed("world");
  EXPECT_EQ(Events(), "data world\nend\n");
  Answer(200, "ok");
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_TRUE(codec->idle());
  EXPECT_FALSE(codec->closing());
}

TEST_F(Http1Server, AnExplicitLengthOfZeroIsNoBody) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Events(), "head POST a / body=0 1.1\nend\n");
}

TEST_F(Http1Server, SkipsOneEmptyLineBeforeARequest) {
  feeder.Feed("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(feeder.error(), "");
  Answer(204);
  feeder.Feed("\r\n");
  EXPECT_TRUE(codec->idle());
  EXPECT_FALSE(codec->in_head());
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(events.heads, 2);
}

TEST_F(Http1Server, PipelinedRequestsWaitForTheResponse) {
  feeder.Feed("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTT");
  EXPECT_EQ(events.heads, 1);
  Answer(200);
  feeder.Feed("P/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(events.last_head.path, "/2");
  EXPECT_EQ(events.last, 2u);
  Answer(200);
  feeder.Feed("");
  EXPECT_EQ(events.last_head.path, "/3");
  Answer(200);
  EXPECT_TRUE(feeder.held().empty());
  EXPECT_TRUE(codec->idle());
}

TEST_F(Http1Server, KnowsWhenItIsInsideOfAHead) {
  EXPECT_FALSE(codec->in_head());
  feeder.Feed("GET");
  EXPECT_TRUE(codec->in_head());
  EXPECT_FALSE(codec->idle());
  feeder.Feed(" / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(codec->in_head());
}

TEST_F(Http1Server, APausedStreamLeavesTheBodyToTheOwner) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  codec->Pause(events.last);
  feeder.Feed("hello");
  EXPECT_EQ(feeder.held(), "hello");
  codec->Resume(events.last);
  feeder.Feed("world");
  EXPECT_EQ(Events(), "head POST a / body=10 1.1\ndata helloworld\nend\n");
}

TEST_F(Http1Server, FlagsExpectContinueAndEncodesTheInterimResponse) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(Events(), "head POST a / body=2 expect 1.1\n");
  codec->EncodeInformational(events.last, 100, wire.queue());
  EXPECT_EQ(wire.Take(), "HTTP/1.1 100 Continue\r\n\r\n");
  feeder.Feed("hi");
  Answer(201);
  EXPECT_EQ(wire.Take(), "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(Http1Server, AnExpectationWithoutBodyOrFromHttp10IsNotFlagged) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(events.last_head.expect_continue);
  Answer(200);
  feeder.Feed("POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na");
  EXPECT_FALSE(events.last_head.expect_continue);
  wire.Take();
  codec->EncodeInformational(events.last, 100, wire.queue());
  EXPECT_EQ(wire.Take(), "");
}

// Number 23: an early final reply.
TEST_F(Http1Server, AnAnswerBeforeTheBodyWasReadClosesTheConnection) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhel");
  Answer(413, "no");
  EXPECT_EQ(wire.Take(),
            "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
  EXPECT_TRUE(codec->closing());
  EXPECT_TRUE(codec->idle());
  Events();
  feeder.Feed("loworldGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(Events(), "");
  EXPECT_TRUE(feeder.held().empty());
}

TEST_F(Http1Server, AResponseThatEndsBeforeTheRequestClosesTheConnection) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  ResponseHead head;
  head.status = 200;
  head.body.kind = BodySize::Kind::kUnknown;
  codec->EncodeHead(events.last, head, false, wire.queue());
  codec->EncodeData(events.last, "ab", false, wire.queue());
  EXPECT_FALSE(codec->closing());
  codec->EncodeData(events.last, "", true, wire.queue());
  EXPECT_TRUE(codec->closing());
  EXPECT_EQ(wire.Take(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            "2\r\nab\r\n0\r\n\r\n");
}

TEST_F(Http1Server, AnErrorBeforeAnyStreamIsAnsweredOnStreamZero) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n");
  ASSERT_EQ(feeder.error(), "400 bad_host stream 0");
  ResponseHead head;
  head.status = 400;
  head.body = {BodySize::Kind::kLength, 3};
  codec->EncodeHead(0, head, false, wire.queue());
  codec->EncodeData(0, "bad", true, wire.queue());
  EXPECT_EQ(wire.Take(),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad");
  EXPECT_TRUE(codec->closing());
  EXPECT_TRUE(codec->Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n").failed);
}

TEST_F(Http1Server, AnErrorInABodyIsAnsweredOnItsStream) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n");
  ASSERT_EQ(feeder.error(), "400 bad_chunk_size stream 1");
  Answer(400);
  EXPECT_EQ(wire.Take(),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

TEST_F(Http1Server, KeepsAnHttp10ConnectionOnlyIfAsked) {
  feeder.Feed("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  Answer(200, "x");
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx");
  EXPECT_FALSE(codec->closing());
  feeder.Feed("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  Answer(200, "x");
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, AnHttp10ClientGetsNoChunks) {
  feeder.Feed("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  head.body.kind = BodySize::Kind::kUnknown;
  codec->EncodeHead(events.last, head, false, wire.queue());
  codec->EncodeData(events.last, "abc", false, wire.queue());
  HeaderMap trailers;
  trailers.Add("x-sum", "1");
  codec->EncodeTrailers(events.last, trailers, wire.queue());
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, ObeysConnectionClose) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n");
  Answer(204);
  EXPECT_EQ(wire.Take(), "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, GoingAwayIsSaidOnTheResponseInFlightOrTheNext) {
  codec->GoAway(wire.queue());
  EXPECT_FALSE(codec->closing());
  EXPECT_TRUE(codec->idle());
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Answer(200);
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, SendsNoBodyWhereNoneIsAllowed) {
  ResponseHead head;
  head.body = {BodySize::Kind::kLength, 4};
  for (const auto& [method, status, expected] :
       std::vector<std::tuple<std::string, int, std::string>>{
           {"HEAD", 200, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"},
           {"GET", 204, "HTTP/1.1 204 No Content\r\n\r\n"},
           {"GET", 304, "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n"}}) {
    feeder.Feed(method + " / HTTP/1.1\r\nHost: a\r\n\r\n");
    head.status = status;
    codec->EncodeHead(events.last, head, false, wire.queue());
    codec->EncodeData(events.last, "body", true, wire.queue());
    EXPECT_EQ(wire.Take(), expected);
    EXPECT_TRUE(codec->idle());
    EXPECT_FALSE(codec->closing());
  }
}

TEST_F(Http1Server, ChunksABodyOfUnknownLengthWithItsTrailers) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  head.body.kind = BodySize::Kind::kUnknown;
  codec->EncodeHead(events.last, head, false, wire.queue());
  const std::string large(5000, 'x');
  codec->EncodeData(events.last, large, false, wire.queue());
  HeaderMap trailers;
  trailers.Add("X-Sum", "1");
  trailers.Add("Content-Length", "7");
  codec->EncodeTrailers(events.last, trailers, wire.queue());
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n" + large +
                             "\r\n0\r\nx-sum: 1\r\n\r\n");
  EXPECT_TRUE(codec->idle());
}

TEST_F(Http1Server, NeverSendsMoreThanThePromisedLength) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  head.body = {BodySize::Kind::kLength, 2};
  codec->EncodeHead(events.last, head, false, wire.queue());
  codec->EncodeData(events.last, "abHTTP/1.1 200 OK", false, wire.queue());
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, ABodyThatFellShortClosesTheConnection) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  head.body = {BodySize::Kind::kLength, 4};
  codec->EncodeHead(events.last, head, false, wire.queue());
  codec->EncodeData(events.last, "ab", true, wire.queue());
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, FieldsCannotSplitAResponse) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  head.headers.Add("x-one", absl::string_view("a\r\nx: b\0c\td", 11));
  head.headers.Add("x two", "dropped");
  head.headers.Add("x\r\n", "dropped");
  head.headers.Add("content-length", "77");
  head.headers.Add("transfer-encoding", "chunked");
  head.headers.Add("connection", "x");
  codec->EncodeHead(events.last, head, true, wire.queue());
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\nx-one: a  x: b c\td\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(Http1Server, ResetClosesTheConnection) {
  feeder.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  codec->Reset(events.last, ResetReason::kTimeout, wire.queue());
  EXPECT_TRUE(codec->closing());
  EXPECT_TRUE(codec->idle());
  Events();
  feeder.Feed("helloworld");
  EXPECT_EQ(Events(), "");
  Answer(200);
  EXPECT_EQ(wire.Take(), "");
}

TEST_F(Http1Server, EndOfFileIsAnErrorOnlyInsideOfARequest) {
  EXPECT_FALSE(codec->FeedEof().failed);
  EXPECT_TRUE(codec->closing());

  codec = MakeHttp1ServerCodec(events, CodecLimits{});
  codec->Feed("GET / HT");
  FeedResult result = codec->FeedEof();
  EXPECT_TRUE(result.failed);
  EXPECT_EQ(result.stream, 0u);

  codec = MakeHttp1ServerCodec(events, CodecLimits{});
  codec->Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  result = codec->FeedEof();
  EXPECT_TRUE(result.failed);
  EXPECT_EQ(result.stream, events.last);
}

TEST_F(Http1Server, AHalfClosedClientStillGetsItsAnswer) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(codec->FeedEof().failed);
  EXPECT_FALSE(codec->closing());
  Answer(200);
  EXPECT_EQ(wire.Take(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, HoldsBytesBehindAnUpgradeUntilItIsAccepted) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw1");
  EXPECT_EQ(Events(), "head GET a / body=none upgrade=websocket 1.1\nend\n");
  EXPECT_EQ(feeder.held(), "raw1");
  ResponseHead head;
  head.status = 101;
  head.headers.Add("sec-websocket-accept", "x");
  codec->EncodeHead(events.last, head, false, wire.queue());
  EXPECT_EQ(wire.Take(),
            "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: x\r\n"
            "connection: upgrade\r\nupgrade: websocket\r\n\r\n");
  feeder.Feed("raw2");
  EXPECT_EQ(Events(), "data raw1raw2\n");
  codec->EncodeData(events.last, "back", false, wire.queue());
  EXPECT_EQ(wire.Take(), "back");
  EXPECT_FALSE(codec->FeedEof().failed);
  EXPECT_EQ(Events(), "end\n");
  EXPECT_FALSE(codec->closing());
  codec->EncodeData(events.last, "bye", true, wire.queue());
  EXPECT_EQ(wire.Take(), "bye");
  EXPECT_TRUE(codec->closing());
}

TEST_F(Http1Server, ARefusedUpgradeGoesOnAsHttp) {
  feeder.Feed(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, x\r\n\r\n"
      "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(events.last_head.upgrade, "h2c");
  Answer(200);
  feeder.Feed("");
  EXPECT_EQ(events.last_head.path, "/2");
  EXPECT_EQ(events.last_head.upgrade, "");
}

TEST_F(Http1Server, AnUpgradeThatConnectionDoesNotNameIsIgnored) {
  feeder.Feed("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(events.last_head.upgrade, "");
  ResponseHead head;
  head.status = 101;
  codec->EncodeHead(events.last, head, false, wire.queue());
  EXPECT_EQ(wire.Take(), "");
  EXPECT_TRUE(codec->closing());
}

}  // namespace
}  // namespace tollgate::proxy
