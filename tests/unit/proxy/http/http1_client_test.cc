#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/codec_recorder.h"

namespace tollgate::proxy {
namespace {

class Http1Client : public testing::Test {
 protected:
  class Events final : public ClientRecorder {};

  static RequestHead Request(absl::string_view method = "GET") {
    RequestHead head;
    head.method_name = std::string(method);
    head.method = MethodOf(method);
    head.authority = "a";
    head.path = "/";
    return head;
  }
  StreamId Ask(absl::string_view method = "GET") {
    return codec->EncodeHead(Request(method), true, wire.queue());
  }
  std::string Events() {
    std::string text = events.log.text();
    events.log.Clear();
    return text;
  }
  void Renew() {
    codec = MakeHttp1ClientCodec(events, CodecLimits{});
    Events();
    wire.Take();
  }

  class Events events;
  Wire wire;
  std::unique_ptr<ClientCodec> codec = MakeHttp1ClientCodec(events, CodecLimits{});
};

TEST_F(Http1Client, EncodesExactlyWhatTheHeadSays) {
  RequestHead head = Request();
  head.authority = "pay.example.com:80";
  head.path = "/v1/x";
  head.query = "a=b";
  head.has_query = true;
  head.headers.Add("X-One", "1");
  head.headers.Add("Connection", "x");
  head.headers.Add("Host", "evil");
  EXPECT_EQ(codec->EncodeHead(head, true, wire.queue()), 1u);
  EXPECT_EQ(wire.Take(), "GET /v1/x?a=b HTTP/1.1\r\nhost: pay.example.com:80\r\nx-one: 1\r\n\r\n");
  EXPECT_FALSE(codec->idle());
}

TEST_F(Http1Client, SaysALengthOfZeroWhereABodyIsUsual) {
  Ask("POST");
  EXPECT_EQ(wire.Take(), "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
  Renew();
  RequestHead head = Request("DELETE");
  head.body.kind = BodySize::Kind::kLength;
  codec->EncodeHead(head, true, wire.queue());
  EXPECT_EQ(wire.Take(), "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
  Renew();
  Ask("DELETE");
  EXPECT_EQ(wire.Take(), "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n");
}

TEST_F(Http1Client, EncodesBodiesByLengthAndInChunks) {
  RequestHead head = Request("POST");
  head.body = {BodySize::Kind::kLength, 5};
  StreamId id = codec->EncodeHead(head, false, wire.queue());
  codec->EncodeData(id, "hello", true, wire.queue());
  EXPECT_EQ(wire.Take(), "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
  Renew();
  head.body.kind = BodySize::Kind::kUnknown;
  id = codec->EncodeHead(head, false, wire.queue());
  codec->EncodeData(id, "hello", false, wire.queue());
  HeaderMap trailers;
  trailers.Add("x-sum", "1");
  codec->EncodeTrailers(id, trailers, wire.queue());
  EXPECT_EQ(wire.Take(),
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
            "x-sum: 1\r\n\r\n");
}

TEST_F(Http1Client, RefusesToWriteWhatWouldNotBeOneRequest) {
  for (int part = 0; part < 5; ++part) {
    RequestHead head = Request();
    if (part == 0) head.path = "/a b";
    if (part == 1) head.query = "a\r\nx: y";
    if (part == 2) head.authority = "a\r\nx: y";
    if (part == 3) head.method_name = "GET /";
    if (part == 4) head.path = "";
    EXPECT_EQ(codec->EncodeHead(head, true, wire.queue()), 0u) << part;
    EXPECT_EQ(wire.Take(), "") << part;
    EXPECT_TRUE(codec->closing());
    Renew();
  }
}

TEST_F(Http1Client, DeliversAResponseAndIsIdleAgain) {
  Ask();
  codec->Feed(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX_One: a\r\nConnection: keep-alive, x-hop\r\n"
      "X-Hop: b\r\nKeep-Alive: timeout=5\r\n\r\nhello");
  EXPECT_EQ(Events(), "head 200 x_one=a body=5\ndata hello\nend\n");
  EXPECT_TRUE(codec->idle());
  EXPECT_FALSE(codec->closing());
  EXPECT_EQ(Ask(), 2u);
}

TEST_F(Http1Client, DeliversChunksAndTrailers) {
  Ask();
  codec->Feed(
      "HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX-Sum: 1\r\n"
      "Set-Cookie: a\r\n\r\n");
  EXPECT_EQ(Events(), "head 200 body=unknown\ndata hello\ntrailers x-sum=1\nend\n");
  EXPECT_FALSE(codec->closing());
}

TEST_F(Http1Client, ABodyMayEndWithTheConnection) {
  Ask();
  codec->Feed("HTTP/1.0 200 OK\r\n\r\nhel");
  EXPECT_TRUE(codec->closing());
  codec->Feed("lo");
  EXPECT_EQ(Events(), "head 200 body=unknown\ndata hello\n");
  EXPECT_FALSE(codec->FeedEof().failed);
  EXPECT_EQ(Events(), "end\n");
}

TEST_F(Http1Client, AResponseWithoutBodyEndsWithItsHead) {
  for (const auto& [method, head, events_expected] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "head 200 body=5\nend\n"},
           {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "head 200 body=unknown\nend\n"},
           {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "head 204 body=none\nend\n"},
           {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "head 304 body=5\nend\n"},
           {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "head 200 body=0\nend\n"}}) {
    Ask(method);
    codec->Feed(head);
    EXPECT_EQ(Events(), events_expected);
    EXPECT_TRUE(codec->idle());
    EXPECT_FALSE(codec->closing());
  }
}

TEST_F(Http1Client, A204ThatAnnouncesABodyIsTheLast) {
  Ask();
  codec->Feed("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(Events(), "head 204 body=none\nend\n");
  EXPECT_TRUE(codec->closing());
}

// Response splitting: what follows must not answer the next request.
TEST_F(Http1Client, BytesBehindAResponseEndTheConnectionsUse) {
  Ask("HEAD");
  codec->Feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(Events(), "head 200 body=5\nend\n");
  EXPECT_TRUE(codec->closing());
  EXPECT_EQ(Ask(), 0u);
}

TEST_F(Http1Client, ClosingIsKnownInsideOfTheLastEvent) {
  struct Asker final : ClientRecorder {
    void OnEnd(StreamId) override { closing_at_end = codec->closing(); }
    ClientCodec* codec = nullptr;
    bool closing_at_end = false;
  } asker;
  auto own = MakeHttp1ClientCodec(asker, CodecLimits{});
  asker.codec = own.get();
  own->EncodeHead(Request(), true, wire.queue());
  own->Feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
  EXPECT_TRUE(asker.closing_at_end);
}

TEST_F(Http1Client, BytesThatNobodyAskedForEndTheConnectionsUse) {
  EXPECT_FALSE(codec->Feed("HTTP/1.1 408 Request Timeout\r\n\r\n").failed);
  EXPECT_TRUE(codec->closing());
  EXPECT_EQ(Events(), "");
}

TEST_F(Http1Client, AnAnswerBeforeTheRequestWasSentEndsTheConnectionsUse) {
  RequestHead head = Request("POST");
  head.body = {BodySize::Kind::kLength, 5};
  const StreamId id = codec->EncodeHead(head, false, wire.queue());
  codec->EncodeData(id, "he", false, wire.queue());
  codec->Feed("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Events(), "head 413 body=0\nend\n");
  EXPECT_TRUE(codec->closing());
  wire.Take();
  codec->EncodeData(id, "llo", true, wire.queue());
  EXPECT_EQ(wire.Take(), "");
}

TEST_F(Http1Client, KeepsOrClosesAsThePeerSays) {
  for (const auto& [head, closing] : std::vector<std::pair<std::string, bool>>{
           {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
           {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", true},
           {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
           {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", false}}) {
    Ask();
    codec->Feed(head);
    EXPECT_EQ(codec->closing(), closing) << head;
    Renew();
  }
}

TEST_F(Http1Client, DeliversInformationalResponses) {
  Ask();
  codec->Feed(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Events(), "informational 100\ninformational 103 link=</a>\nhead 200 body=0\nend\n");
}

TEST_F(Http1Client, PausedStreamsLeaveTheBodyToTheOwner) {
  const StreamId id = Ask();
  codec->Feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  codec->Pause(id);
  EXPECT_EQ(codec->Feed("hello").consumed, 0u);
  codec->Resume(id);
  EXPECT_EQ(codec->Feed("hello").consumed, 5u);
  EXPECT_EQ(Events(), "head 200 body=5\ndata hello\nend\n");
}

TEST_F(Http1Client, SwitchesToTheProtocolThatWasAskedFor) {
  RequestHead head = Request();
  head.upgrade = "websocket";
  const StreamId id = codec->EncodeHead(head, true, wire.queue());
  EXPECT_EQ(wire.Take(),
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  codec->Feed(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nraw");
  EXPECT_EQ(Events(), "head 101 body=unknown\ndata raw\n");
  codec->EncodeData(id, "there", false, wire.queue());
  EXPECT_EQ(wire.Take(), "there");
  EXPECT_TRUE(codec->closing());
  EXPECT_FALSE(codec->idle());
  EXPECT_FALSE(codec->FeedEof().failed);
  EXPECT_EQ(Events(), "end\n");
  codec->EncodeData(id, "bye", true, wire.queue());
  EXPECT_EQ(wire.Take(), "bye");
  EXPECT_TRUE(codec->idle());
}

TEST_F(Http1Client, ResetEndsTheConnectionsUse) {
  const StreamId id = Ask();
  codec->Reset(id, ResetReason::kTimeout, wire.queue());
  EXPECT_TRUE(codec->closing());
  EXPECT_TRUE(codec->idle());
  EXPECT_FALSE(codec->Feed("HTTP/1.1 200 OK\r\n\r\n").failed);
  EXPECT_EQ(Events(), "");
}

TEST_F(Http1Client, EndOfFileInsideOfAResponseIsAnError) {
  for (const std::string part : {"", "HTTP/1.1 2", "HTTP/1.1 100 Continue\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"}) {
    const StreamId id = Ask();
    codec->Feed(part);
    const FeedResult result = codec->FeedEof();
    EXPECT_TRUE(result.failed) << part;
    EXPECT_EQ(result.error.status, 502) << part;
    EXPECT_EQ(result.stream, id) << part;
    EXPECT_TRUE(codec->closing());
    EXPECT_EQ(Events().find("end"), std::string::npos) << part;
    Renew();
  }
  EXPECT_FALSE(codec->FeedEof().failed);
  EXPECT_TRUE(codec->closing());
}

struct Fault {
  const char* name;
  std::string response;
  const char* reason;
};

void PrintTo(const Fault& fault, std::ostream* os) { *os << fault.name; }

class Upstream : public testing::TestWithParam<Fault> {};

std::string Outcome(const std::string& response, const std::vector<size_t>& cuts) {
  struct Events final : ClientRecorder {
  } events;
  Wire wire;
  const auto codec = MakeHttp1ClientCodec(events, CodecLimits{});
  RequestHead head;
  head.method_name = "GET";
  head.authority = "a";
  head.path = "/";
  codec->EncodeHead(head, true, wire.queue());
  Feeder feeder(*codec);
  size_t from = 0;
  for (size_t cut : cuts) {
    feeder.Feed(absl::string_view(response).substr(from, cut - from));
    from = cut;
  }
  feeder.Feed(absl::string_view(response).substr(from));
  return absl::StrCat(feeder.error(), codec->closing() ? " closing\n" : "\n", events.log.text());
}

TEST_P(Upstream, IsABadGatewayWhenItBreaksTheProtocol) {
  const Fault& fault = GetParam();
  const std::string expected = Outcome(fault.response, {});
  EXPECT_EQ(expected.substr(0, expected.find('\n')),
            absl::StrCat("502 ", fault.reason, " stream 1 closing"));
  EXPECT_EQ(expected.find("end"), std::string::npos);
  std::vector<size_t> all;
  for (size_t cut = 1; cut < fault.response.size(); ++cut) {
    all.push_back(cut);
    ASSERT_EQ(Outcome(fault.response, {cut}), expected) << "cut at " << cut;
  }
  ASSERT_EQ(Outcome(fault.response, all), expected);
}

std::string Ok(const std::string& fields, const std::string& body = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body;
}

std::string Name(const testing::TestParamInfo<Fault>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Faults, Upstream,
    testing::ValuesIn(std::vector<Fault>{
        {"LengthAndCoding", Ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "te_and_cl"},
        {"DifferentLengths", Ok("Content-Length: 5\r\nContent-Length: 6\r\n"),
         "duplicate_content_length"},
        {"LengthList", Ok("Content-Length: 5, 6\r\n"), "bad_content_length"},
        {"UnknownCoding", Ok("Transfer-Encoding: x\r\n"), "unknown_transfer_coding"},
        {"CodingThatWasNotAskedFor", Ok("Transfer-Encoding: gzip, chunked\r\n"),
         "unknown_transfer_coding"},
        {"ChunkedNotLast", Ok("Transfer-Encoding: chunked, gzip\r\n"), "bad_transfer_encoding"},
        {"CodingOnHttp10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         "te_on_http_1_0"},
        {"BadChunk", Ok("Transfer-Encoding: chunked\r\n", "5\r\nhelloX"), "chunk_overrun"},
        {"BadChunkSize", Ok("Transfer-Encoding: chunked\r\n", "x\r\n"), "bad_chunk_size"},
        {"FoldedField", Ok("X: a\r\n b\r\n"), "obs_fold"},
        {"BadName", Ok("X Y: a\r\n"), "bad_field_name"},
        {"SpaceBeforeColon", Ok("X : a\r\n"), "bad_field_name"},
        {"ControlInValue", Ok("X: a\x01\r\n"), "bad_field"},
        {"BareLf", "HTTP/1.1 200 OK\nX: a\n\n", "bare_lf"},
        {"StatusTooLow", "HTTP/1.1 099 OK\r\n\r\n", "bad_status"},
        {"StatusTooHigh", "HTTP/1.1 600 OK\r\n\r\n", "bad_status"},
        {"StatusTooLong", "HTTP/1.1 2000 OK\r\n\r\n", "bad_status_line"},
        {"NoStatus", "HTTP/1.1 OK\r\n\r\n", "bad_status_line"},
        {"Http09", "hello\r\n", "bad_status_line"},
        {"Http2", "HTTP/2.0 200 OK\r\n\r\n", "unsupported_version"},
        {"UnaskedUpgrade",
         "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
         "unasked_upgrade"},
        {"TooManyInformational",
         [] {
           std::string all;
           for (int i = 0; i < 33; ++i) all += "HTTP/1.1 103 x\r\n\r\n";
           return all;
         }(),
         "too_many_informational"},
        {"TooManyFields",
         [] {
           std::string fields;
           for (int i = 0; i < 101; ++i) fields += "X: a\r\n";
           return Ok(fields);
         }(),
         "too_many_fields"},
    }),
    Name);

}  // namespace
}  // namespace tollgate::proxy
