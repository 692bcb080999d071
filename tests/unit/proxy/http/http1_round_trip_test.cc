// Client codec and server codec of ours, wired to one another in memory.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/fakes/codec_recorder.h"

namespace tollgate::proxy {
namespace {

class Http1RoundTrip : public testing::Test {
 protected:
  class Requests final : public ServerRecorder {};
  class Responses final : public ClientRecorder {};

  void SendUp() { up_feeder.Feed(up.Take()); }
  void SendDown() { down_feeder.Feed(down.Take()); }

  Requests requests;
  Responses responses;
  Wire up;
  Wire down;
  std::unique_ptr<ServerCodec> server = MakeHttp1ServerCodec(requests, CodecLimits{});
  std::unique_ptr<ClientCodec> client = MakeHttp1ClientCodec(responses, CodecLimits{});
  Feeder<ServerCodec> up_feeder{*server};
  Feeder<ClientCodec> down_feeder{*client};
};

TEST_F(Http1RoundTrip, ManyRequestsOnOneConnectionArriveAsTheyWereSent) {
  for (int i = 0; i < 5; ++i) {
    RequestHead request;
    request.method = Method::kPost;
    request.method_name = "POST";
    request.authority = "a:80";
    request.path = absl::StrCat("/", i);
    request.query = "q=1";
    request.has_query = true;
    request.headers.Add("x-one", "1");
    request.headers.Add("x-one", "2");
    const std::string body(3000 * i + 1, 'b');
    if (i % 2 == 0) {
      request.body = {BodySize::Kind::kLength, body.size()};
    } else {
      request.body.kind = BodySize::Kind::kUnknown;
    }
    const StreamId id = client->EncodeHead(request, false, up.queue());
    client->EncodeData(id, body, true, up.queue());
    SendUp();
    EXPECT_EQ(requests.log.text(),
              absl::StrCat("head POST a:80 /", i, "?q=1 x-one=1 x-one=2",
                           EventLog::Body(request.body), " 1.1\ndata ", body, "\nend\n"));
    ResponseHead response;
    response.status = 201;
    response.headers.Add("location", "/x");
    response.body.kind = BodySize::Kind::kUnknown;
    HeaderMap trailers;
    trailers.Add("x-sum", "7");
    server->EncodeInformational(requests.last, 103, down.queue());
    server->EncodeHead(requests.last, response, false, down.queue());
    server->EncodeData(requests.last, body, false, down.queue());
    server->EncodeTrailers(requests.last, trailers, down.queue());
    SendDown();
    EXPECT_EQ(responses.log.text(),
              absl::StrCat("informational 103\nhead 201 location=/x body=unknown\ndata ", body,
                           "\ntrailers x-sum=7\nend\n"));
    EXPECT_TRUE(client->idle());
    EXPECT_TRUE(server->idle());
    requests.log.Clear();
    responses.log.Clear();
  }
  EXPECT_FALSE(client->closing());
  EXPECT_FALSE(server->closing());
}

TEST_F(Http1RoundTrip, ATunnelCarriesBytesBothWaysUntilBothEnd) {
  RequestHead request;
  request.method_name = "GET";
  request.authority = "a";
  request.path = "/";
  request.upgrade = "websocket";
  const StreamId id = client->EncodeHead(request, true, up.queue());
  SendUp();
  ResponseHead response;
  response.status = 101;
  server->EncodeHead(requests.last, response, false, down.queue());
  server->EncodeData(requests.last, "HTTP/1.1 200 OK\r\n\r\n", false, down.queue());
  SendDown();
  client->EncodeData(id, "GET / HTTP/1.1\r\n\r\n", false, up.queue());
  SendUp();
  EXPECT_EQ(responses.log.text(), "head 101 body=unknown\ndata HTTP/1.1 200 OK\r\n\r\n\n");
  EXPECT_EQ(requests.log.text(),
            "head GET a / body=none upgrade=websocket 1.1\nend\ndata GET / HTTP/1.1\r\n\r\n\n");
  client->EncodeData(id, "", true, up.queue());
  EXPECT_FALSE(server->FeedEof().failed);
  EXPECT_FALSE(server->closing());
  server->EncodeData(requests.last, "", true, down.queue());
  EXPECT_TRUE(server->closing());
  EXPECT_FALSE(client->FeedEof().failed);
  EXPECT_TRUE(client->idle());
}

TEST_F(Http1RoundTrip, AServerThatGoesAwayTellsTheClient) {
  RequestHead request;
  request.method_name = "GET";
  request.authority = "a";
  request.path = "/";
  client->EncodeHead(request, true, up.queue());
  SendUp();
  server->GoAway(down.queue());
  ResponseHead response;
  response.status = 200;
  server->EncodeHead(requests.last, response, true, down.queue());
  SendDown();
  EXPECT_EQ(responses.log.text(), "head 200 body=0\nend\n");
  EXPECT_TRUE(server->closing());
  EXPECT_TRUE(client->closing());
}

}  // namespace
}  // namespace tollgate::proxy
