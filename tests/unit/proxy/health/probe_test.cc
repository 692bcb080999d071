#include "proxy/health/probe.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/unit/proxy/health/health_check_fixture.h"

namespace tollgate::proxy {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ProbeTest : public HealthCheckTest {
 protected:
  ProbeTest() {
    policy_.kind = HealthCheckPolicy::Kind::kHttp;
    policy_.path = "/healthz";
  }
  void Start(const Address& address) {
    result_.reset();
    probe_ = std::make_unique<Probe>(*loop_, buffers_, policy_, address, [this](const char* f) {
      result_ = f == nullptr ? "healthy" : f;
      probe_.reset();  // as its owner does
    });
  }
  void Start() { Start(upstream_.address()); }
  // The connection of the probe, when its request is there.
  Peer& Asked() {
    Until([this] { return upstream_.All().find("\r\n\r\n") != std::string::npos; });
    return *upstream_.connections().back();
  }
  std::string Answered(const std::string& response) {
    Start();
    Asked().Send(response);
    return Result();
  }
  std::string Result() {
    Until([this] { return result_.has_value(); });
    return result_.value_or("");
  }

  HealthCheckPolicy policy_;
  BufferPool buffers_;
  FakeUpstream upstream_;
  std::unique_ptr<Probe> probe_;
  std::optional<std::string> result_;
};

TEST_F(ProbeTest, AsksForThePathAndIsContentWithAnExpectedStatus) {
  Start();
  Peer& peer = Asked();
  EXPECT_THAT(peer.Got(), StartsWith("GET /healthz HTTP/1.1\r\n"));
  EXPECT_THAT(peer.Got(), HasSubstr("ost: " + upstream_.address().ToString() + "\r\n"));
  EXPECT_THAT(peer.Got(), HasSubstr("tollgate-health-check"));
  peer.Send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(Result(), "healthy");
  EXPECT_TRUE(peer.Closed()) << "a probe leaves no connection behind";
}

TEST_F(ProbeTest, SaysTheHostAndQueryOfThePolicy) {
  policy_.path = "/healthz?deep=1";
  policy_.host = "pay.example.com";
  Start();
  EXPECT_THAT(Asked().Got(), StartsWith("GET /healthz?deep=1 HTTP/1.1\r\n"));
  EXPECT_THAT(Asked().Got(), HasSubstr("ost: pay.example.com\r\n"));
}

TEST_F(ProbeTest, AnotherStatusIsAFailureARedirectToo) {
  EXPECT_EQ(Answered("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), "unexpected_status");
  EXPECT_EQ(Answered("HTTP/1.1 302 Found\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n"),
            "unexpected_status");
  EXPECT_EQ(upstream_.connections().size(), 2u) << "nobody followed";
  policy_.expect = {{200, 200}, {300, 399}};
  EXPECT_EQ(Answered("HTTP/1.1 302 Found\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n"),
            "healthy");
  EXPECT_EQ(Answered("HTTP/1.1 204 No Content\r\n\r\n"), "unexpected_status");
}

TEST_F(ProbeTest, TheHeadIsEnough) {
  EXPECT_EQ(Answered("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nonly this"), "healthy");
}

TEST_F(ProbeTest, WaitsForTheFinalStatus) {
  EXPECT_EQ(Answered("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\n\r\n"),
            "unexpected_status");
}

TEST_F(ProbeTest, WhatIsNotHttpOrHasNoEndIsAFailure) {
  EXPECT_EQ(Answered("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol_error");
  Start();
  Peer& peer = Asked();
  const std::string hint =
      absl::StrCat("HTTP/1.1 103 Early Hints\r\nlink: ", std::string(20'000, 'a'), "\r\n\r\n");
  for (int i = 0; i < 10 && !result_.has_value(); ++i) {
    peer.Send(hint);
    loop_->RunOnce(Duration::zero());
  }
  // Whoever sees it first: the bound of a head, or that of all bytes.
  EXPECT_THAT(Result(), testing::AnyOf("response_too_long", "protocol_error"));
}

TEST_F(ProbeTest, AConnectionThatEndsIsAFailure) {
  Start();
  Asked().Close();
  EXPECT_EQ(Result(), "closed");
}

TEST_F(ProbeTest, NobodyThereIsAFailure) {
  const Address address = upstream_.address();
  upstream_.StopListening();
  Start(address);
  EXPECT_EQ(Result(), "connect_failed");
  Start(*Address::Parse("unix:/nowhere/at/all.sock"));
  EXPECT_EQ(Result(), "connect_failed");
}

TEST_F(ProbeTest, SilenceIsAFailureAfterTheTimeout) {
  policy_.timeout = seconds(2);
  Start();
  Asked();
  Advance(seconds(2) - Duration(1));
  EXPECT_FALSE(result_.has_value());
  Advance(std::chrono::milliseconds(2));
  EXPECT_EQ(Result(), "timeout");
  EXPECT_TRUE(upstream_.connections().back()->Closed());
}

TEST_F(ProbeTest, ToAcceptIsEnoughForTcp) {
  policy_.kind = HealthCheckPolicy::Kind::kTcp;
  Start();
  EXPECT_EQ(Result(), "healthy");
  upstream_.Poll();
  EXPECT_EQ(upstream_.All(), "") << "nothing is sent";
}

TEST_F(ProbeTest, OneThatIsGivenUpClosesAndSaysNothing) {
  Start();
  Peer& peer = Asked();
  probe_.reset();
  Until([&peer] { return peer.Closed(); });
  EXPECT_FALSE(result_.has_value());
}

TEST_F(ProbeTest, SpeaksHttp2ToAGrpcServer) {
  policy_.kind = HealthCheckPolicy::Kind::kGrpc;
  policy_.service = "payments";
  Start();
  Until([this] { return upstream_.All().size() > 24; });
  EXPECT_THAT(upstream_.All(), StartsWith("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  upstream_.connections().back()->Send("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(Result(), "protocol_error");
}

}  // namespace
}  // namespace tollgate::proxy
