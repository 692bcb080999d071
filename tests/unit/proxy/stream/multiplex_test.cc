// Streams on a multiplexing codec: what HTTP/2 will ask of them.
#include "tests/fakes/multiplex_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_steps.h"
#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A client's end: frames taken apart, by stream.
class MuxClient {
 public:
  explicit MuxClient(std::unique_ptr<Peer> peer) : peer_(std::move(peer)) {}
  void Send(char type, StreamId id, absl::string_view payload = "") {
    peer_->Send(MuxFrame(type, id, payload));
  }
  // Takes in what has arrived.
  void Read() {
    absl::string_view rest = peer_->Got();
    rest.remove_prefix(read_);
    char type = 0;
    StreamId id = 0;
    absl::string_view payload;
    while (TakeMuxFrame(&rest, &type, &id, &payload)) {
      ASSERT_NE(type, '?');
      types[id] += type;
      if (absl::ascii_toupper(type) == 'H') heads[id] = std::string(payload);
      if (absl::ascii_toupper(type) == 'D') data[id] += std::string(payload);
      size_t more = 0;
      if (type == 'W' && absl::SimpleAtoi(payload, &more)) credit[id] += more;
      read_ = peer_->Got().size() - rest.size();
    }
  }
  bool Ended(StreamId id) {
    Read();
    return absl::StrContains(types[id], "d") || absl::StrContains(types[id], "h");
  }
  bool WasReset(StreamId id) {
    Read();
    return absl::StrContains(types[id], "R");
  }
  Peer& peer() { return *peer_; }

  std::map<StreamId, std::string> types, heads, data;
  std::map<StreamId, size_t> credit;

 private:
  std::unique_ptr<Peer> peer_;
  size_t read_ = 0;
};

class MultiplexTest : public PathTest {
 protected:
  MultiplexTest() : PathTest(&MultiplexCodec::Make) { MultiplexCodec::most_waiting = 0; }
  MuxClient Client() { return MuxClient(path.Connect()); }
  bool Until(std::function<bool()> done) { return path.RunUntil(std::move(done)); }
  // The upstream's connection that carries the request for `target`.
  Peer* Carrying(absl::string_view target) {
    for (int i = 0; i < 200; ++i) {
      path.Settle();
      for (const auto& c : a.connections()) {
        if (absl::StrContains(c->Got(), absl::StrCat(" ", target, " HTTP/1.1\r\n"))) return c.get();
      }
    }
    return nullptr;
  }
  static constexpr absl::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
};

TEST_F(MultiplexTest, AnswersStreamsInWhateverOrderTheyAreReady) {
  ServeOne();
  MuxClient client = Client();
  client.Send('h', 1, "GET /one");
  client.Send('h', 3, "GET /two");
  Peer* one = Carrying("/one");
  Peer* two = Carrying("/two");
  ASSERT_TRUE(one != nullptr && two != nullptr && one != two);
  two->Send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo");
  ASSERT_TRUE(Until([&] { return client.Ended(3); }));
  EXPECT_EQ(client.data[3], "two");
  EXPECT_FALSE(client.Ended(1));
  one->Send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none");
  ASSERT_TRUE(Until([&] { return client.Ended(1); }));
  EXPECT_EQ(client.data[1], "one");
  EXPECT_THAT(client.heads[1], StartsWith("200\n"));
  EXPECT_FALSE(client.peer().Closed());
}

TEST_F(MultiplexTest, InterleavesBodies) {
  ServeOne();
  MuxClient client = Client();
  client.Send('H', 1, "POST /one");
  client.Send('H', 3, "POST /two");
  for (int i = 0; i < 3; ++i) {
    client.Send('D', 1, "<one>");
    client.Send('D', 3, "<two>");
  }
  client.Send('d', 3);
  client.Send('d', 1);
  Peer* one = Carrying("/one");
  Peer* two = Carrying("/two");
  ASSERT_TRUE(one != nullptr && two != nullptr);
  ASSERT_TRUE(Until([&] {
    return absl::StrContains(one->Got(), "\r\n0\r\n\r\n") &&
           absl::StrContains(two->Got(), "\r\n0\r\n\r\n");
  }));
  EXPECT_EQ(CountOf(one->Got(), "<one>"), 3u);
  EXPECT_THAT(one->Got(), Not(HasSubstr("<two>")));
  EXPECT_EQ(CountOf(two->Got(), "<two>"), 3u);
}

TEST_F(MultiplexTest, AResetGivesUpOnlyItsOwnAttempt) {
  ServeOne();
  MuxClient client = Client();
  client.Send('h', 1, "GET /one");
  client.Send('h', 3, "GET /two");
  Peer* one = Carrying("/one");
  Peer* two = Carrying("/two");
  ASSERT_TRUE(one != nullptr && two != nullptr);
  client.Send('R', 1);
  ASSERT_TRUE(Until([&] { return one->Closed(); }));
  EXPECT_FALSE(two->Closed());
  EXPECT_EQ(path.active_streams(), 1);
  two->Send(kOk);
  ASSERT_TRUE(Until([&] { return client.Ended(3); }));
  EXPECT_EQ(client.data[3], "ok");
}

TEST_F(MultiplexTest, AStreamThatIsNotReadIsHeldBackAndStallsNoOther) {
  ServeOne();
  MuxClient client = Client();
  client.Send('h', 1, "GET /big");
  Peer* big = Carrying("/big");
  ASSERT_NE(big, nullptr);
  const size_t size = 16 << 20;
  big->Send(absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", size, "\r\n\r\n"));
  const std::string piece(64 << 10, 'x');
  size_t sent = 0;
  for (int i = 0; i < 300; ++i) {
    const ssize_t n =
        send(big->fd(), piece.data(), std::min(piece.size(), size - sent), MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    path.loop().RunOnce(Duration::zero());
    client.Read();
  }
  EXPECT_EQ(client.data[1].size(), MultiplexCodec::kWindow);
  EXPECT_LT(sent, size);
  EXPECT_LT(path.buffers.in_use(), size_t{512} << 10);
  EXPECT_LE(MultiplexCodec::most_waiting, size_t{256} << 10);
  // Another one on the same connection goes on.
  client.Send('h', 3, "GET /small");
  Peer* small = Carrying("/small");
  ASSERT_NE(small, nullptr);
  small->Send(kOk);
  ASSERT_TRUE(Until([&] { return client.Ended(3); }));
  // And the first one too, once it is read.
  client.Send('W', 1, absl::StrCat(size));
  ASSERT_TRUE(Until([&] {
    const ssize_t n =
        send(big->fd(), piece.data(), std::min(piece.size(), size - sent), MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    client.Read();
    return client.data[1].size() > (2 << 20);
  }));
}

TEST_F(MultiplexTest, ASlowUpstreamHoldsBackItsOwnStreamOnly) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).max_body_bytes = 64 << 20;
  path.Adopt(policy);
  MuxClient client = Client();
  client.Send('H', 1, "POST /slow");
  client.Send('H', 3, "POST /fast");
  ASSERT_NE(Carrying("/slow"), nullptr);
  // FakeUpstream::Poll reads everything; leave it out from here on.
  path.upstreams.clear();
  const std::string piece(16 << 10, 'x');
  size_t allowed = MultiplexCodec::kWindow, sent = 0;
  for (int i = 0; i < 2000 && sent < (16 << 20); ++i) {
    client.Read();
    if (allowed + client.credit[1] - sent >= piece.size()) {
      client.Send('D', 1, piece);
      sent += piece.size();
    }
    path.loop().RunOnce(Duration::zero());
  }
  EXPECT_LT(sent, size_t{16} << 20);  // no more credit came
  EXPECT_LT(path.buffers.in_use(), size_t{2} << 20);
  client.Send('d', 3, "hello");
  path.upstreams = {&a};
  Peer* fast = Carrying("/fast");
  ASSERT_NE(fast, nullptr);
  ASSERT_TRUE(Until([&] { return absl::StrContains(fast->Got(), "hello"); }));
  // Its upstream reads again, so credit comes again.
  const size_t before = client.credit[1];
  ASSERT_TRUE(Until([&] {
    client.Read();
    return client.credit[1] > before;
  }));
}

TEST_F(MultiplexTest, DrainSaysGoAwayAndFinishesWhatRuns) {
  ServeOne();
  MuxClient client = Client();
  client.Send('h', 1, "GET /one");
  Peer* one = Carrying("/one");
  ASSERT_NE(one, nullptr);
  for (auto& c : path.connections()) c->Drain();
  ASSERT_TRUE(Until([&] {
    client.Read();
    return client.types[1] == "G";  // it names the last stream that will be served
  }));
  client.Send('h', 3, "GET /two");
  ASSERT_TRUE(Until([&] { return client.WasReset(3); }));
  EXPECT_FALSE(client.peer().Closed());
  one->Send(kOk);
  ASSERT_TRUE(Until([&] { return client.Ended(1); }));
  EXPECT_EQ(client.data[1], "ok");
  EXPECT_TRUE(Until([&] { return client.peer().Closed(); }));
  EXPECT_THAT(a.All(), Not(HasSubstr("/two")));
}

TEST_F(MultiplexTest, ARefusalEndsItsStreamAndNotTheConnection) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).max_body_bytes = 4;
  path.Adopt(policy);
  MuxClient client = Client();
  client.Send('h', 1, "GET /ok");
  Peer* ok = Carrying("/ok");
  ASSERT_NE(ok, nullptr);
  client.Send('H', 3, "POST /large");
  client.Send('D', 3, "12345");
  ASSERT_TRUE(Until([&] { return client.Ended(3); }));
  EXPECT_THAT(client.heads[3], StartsWith("413\n"));
  EXPECT_TRUE(client.WasReset(3));  // the rest of the body is not wanted
  client.Send('h', 5, "GET /%2f");
  ASSERT_TRUE(Until([&] { return client.Ended(5); }));
  EXPECT_THAT(client.heads[5], StartsWith("400\n"));
  ok->Send(kOk);
  ASSERT_TRUE(Until([&] { return client.Ended(1); }));
  client.Send('h', 7, "GET /more");
  EXPECT_NE(Carrying("/more"), nullptr);
}

TEST_F(MultiplexTest, AnUpstreamThatBreaksOffResetsItsStreamOnly) {
  ServeOne();
  MuxClient client = Client();
  client.Send('h', 1, "GET /one");
  client.Send('h', 3, "GET /two");
  Peer* one = Carrying("/one");
  Peer* two = Carrying("/two");
  ASSERT_TRUE(one != nullptr && two != nullptr);
  one->Send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
  ASSERT_TRUE(Until([&] {
    client.Read();
    return client.data[1] == "half";
  }));
  one->Close();
  ASSERT_TRUE(Until([&] { return client.WasReset(1); }));
  EXPECT_FALSE(client.Ended(1));
  two->Send(kOk);
  ASSERT_TRUE(Until([&] { return client.Ended(3); }));
}

TEST_F(MultiplexTest, ABrokenConnectionCompletesNoneOfItsRequests) {
  ServeOne();
  MuxClient client = Client();
  client.Send('H', 1, "POST /one");
  client.Send('D', 1, "abc");
  client.Send('H', 3, "POST /two");
  ASSERT_NE(Carrying("/one"), nullptr);
  ASSERT_NE(Carrying("/two"), nullptr);
  client.peer().Send("nonsense\n");
  ASSERT_TRUE(Until([&] { return client.peer().Closed(); }));
  path.Settle();
  for (const auto& c : a.connections()) EXPECT_TRUE(c->Closed());
  EXPECT_THAT(a.All(), Not(HasSubstr("0\r\n\r\n")));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(MultiplexTest, AClientThatGoesGivesAllItsStreamsUp) {
  ServeOne();
  MuxClient client = Client();
  client.Send('h', 1, "GET /one");
  client.Send('h', 3, "GET /two");
  ASSERT_NE(Carrying("/one"), nullptr);
  ASSERT_NE(Carrying("/two"), nullptr);
  for (auto& c : path.connections()) c->CloseNow("test");
  ASSERT_TRUE(Until([&] {
    for (const auto& c : a.connections()) {
      if (!c->Closed()) return false;
    }
    return true;
  }));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(MultiplexTest, AStepThatWaitsHoldsUpItsOwnStreamOnly) {
  PendingOperation operation;
  std::vector<std::string> log;
  path.Adopt(DataPath::PublicPolicy({a.address()}), [&](const ListenerPolicy& listener) {
    std::vector<std::unique_ptr<const Filter>> steps = MakeSteps(listener);
    steps.push_back(std::make_unique<FakeStep>("risk", log, [&](RequestContext& c) -> StepResult {
      if (c.path != "/slow") return kContinue;
      return operation.Ask(seconds(1));
    }));
    return steps;
  });
  MuxClient client = Client();
  client.Send('h', 1, "GET /slow");
  client.Send('h', 3, "GET /fast");
  Peer* fast = Carrying("/fast");
  ASSERT_NE(fast, nullptr);
  fast->Send(kOk);
  ASSERT_TRUE(Until([&] { return client.Ended(3); }));
  EXPECT_THAT(a.All(), Not(HasSubstr("/slow")));
  client.Send('R', 1);
  ASSERT_TRUE(Until([&] { return operation.alive() == 0; }));
  operation.Finish(kContinue);
  path.Settle();
  EXPECT_THAT(a.All(), Not(HasSubstr("/slow")));
  path.CloseConnections();
}

TEST_F(MultiplexTest, WhatTheCodecSaysByItselfIsWritten) {
  ServeOne();
  MuxClient client = Client();
  client.Send('P', 0);
  EXPECT_TRUE(Until([&] {
    client.Read();
    return client.types[0] == "P";
  }));
}

}  // namespace
}  // namespace tollgate::proxy
