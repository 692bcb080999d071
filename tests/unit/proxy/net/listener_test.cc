#include "proxy/net/listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proxy/net/transport.h"
#include "tests/fakes/no_descriptors.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest() : loop_(*Loop::Create(clock_)) {}

  std::unique_ptr<Acceptor> Make(const std::string& address, Acceptor::Options options = {}) {
    auto socket = Listen(*Address::Parse(address));
    EXPECT_TRUE(socket.ok()) << socket.status();
    auto acceptor = Acceptor::Create(
        *loop_, *std::move(socket),
        [this](AcceptedConnection c) {
          accepted_.push_back(std::move(c));
          if (on_accept_) on_accept_();
        },
        options);
    EXPECT_TRUE(acceptor.ok()) << acceptor.status();
    return *std::move(acceptor);
  }

  // A loopback connection is in the backlog when connect returns.
  UniqueFd Dial(const Address& address) {
    auto client = Connect(address);
    EXPECT_TRUE(client.ok()) << client.status();
    return std::move(client->fd);
  }

  void RunUntilAccepted(size_t count) {
    for (int i = 0; i < 100 && accepted_.size() < count; ++i) loop_->RunOnce(seconds(1));
    ASSERT_EQ(accepted_.size(), count);
  }

  FakeClock clock_;
  std::unique_ptr<Loop> loop_;
  std::vector<AcceptedConnection> accepted_;
  std::function<void()> on_accept_;
};

TEST_F(AcceptorTest, HandsOverConnectionsWithBothAddresses) {
  auto acceptor = Make("127.0.0.1:0");
  UniqueFd client = Dial(acceptor->address());
  RunUntilAccepted(1);
  EXPECT_EQ(accepted_[0].peer, *LocalAddress(client.get()));
  EXPECT_EQ(accepted_[0].local, acceptor->address());
  EXPECT_EQ(acceptor->counters().accepted, 1u);
}

TEST_F(AcceptorTest, TellsTheRealLocalAddressBehindAWildcard) {
  auto acceptor = Make("0.0.0.0:0");
  UniqueFd client = Dial(*Address::Parse(absl::StrCat("127.0.0.1:", acceptor->address().port())));
  RunUntilAccepted(1);
  EXPECT_EQ(accepted_[0].local.host(), "127.0.0.1");
  EXPECT_EQ(accepted_[0].local.port(), acceptor->address().port());
}

TEST_F(AcceptorTest, AcceptsABatchPerWakeUp) {
  auto acceptor = Make("127.0.0.1:0", {.batch = 2});
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Dial(acceptor->address()));
  loop_->RunOnce(seconds(1));
  EXPECT_EQ(accepted_.size(), 2u);
  loop_->RunOnce(seconds(1));
  EXPECT_EQ(accepted_.size(), 4u);
  RunUntilAccepted(5);
}

TEST_F(AcceptorTest, LeavesConnectionsInTheBacklogWhileStopped) {
  auto acceptor = Make("127.0.0.1:0");
  on_accept_ = [&] { acceptor->Stop(); };  // a cap of one, reached within a batch
  UniqueFd first = Dial(acceptor->address());
  UniqueFd second = Dial(acceptor->address());
  RunUntilAccepted(1);
  EXPECT_FALSE(acceptor->accepting());
  loop_->RunOnce(Duration::zero());
  EXPECT_EQ(accepted_.size(), 1u);
  ASSERT_TRUE(acceptor->Resume().ok());
  RunUntilAccepted(2);
}

TEST_F(AcceptorTest, HandsOverTheBacklogWhenItClosesAndRefusesWhoComesLater) {
  auto acceptor = Make("127.0.0.1:0");
  const Address address = acceptor->address();
  UniqueFd first = Dial(address);
  UniqueFd second = Dial(address);
  acceptor->Close();
  EXPECT_EQ(accepted_.size(), 2u);
  EXPECT_FALSE(acceptor->Resume().ok());
  EXPECT_TRUE(Listen(address).ok()) << "the address is free again";
}

TEST_F(AcceptorTest, SharesASocketBetweenLoops) {
  auto acceptor = Make("127.0.0.1:0");
  auto other_loop = *Loop::Create(clock_);
  int others = 0;
  auto other = Acceptor::Create(*other_loop, *Duplicate(acceptor->socket()),
                                [&](AcceptedConnection) { ++others; });
  ASSERT_TRUE(other.ok());
  acceptor->Stop();
  UniqueFd client = Dial(acceptor->address());
  for (int i = 0; i < 100 && others == 0; ++i) other_loop->RunOnce(seconds(1));
  EXPECT_EQ(others, 1);
}

TEST_F(AcceptorTest, ShedsConnectionsWhenDescriptorsRunOut) {
  auto acceptor = Make("127.0.0.1:0");
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Dial(acceptor->address()));
  {
    NoDescriptors none;
    for (int i = 0; i < 100 && acceptor->counters().shed < 3; ++i) loop_->RunOnce(seconds(1));
  }
  EXPECT_EQ(acceptor->counters().shed, 3u);
  EXPECT_EQ(acceptor->counters().pauses, 0u);
  EXPECT_TRUE(accepted_.empty());
  for (UniqueFd& client : clients) {  // each client was told
    char byte;
    const ssize_t n = recv(client.get(), &byte, 1, 0);
    EXPECT_TRUE(n == 0 || (n < 0 && errno == ECONNRESET)) << n << " " << errno;
  }
  UniqueFd client = Dial(acceptor->address());
  RunUntilAccepted(1);
}

TEST_F(AcceptorTest, PausesWithoutSpinningWhenNotEvenTheReserveIsLeft) {
  auto socket = Listen(*Address::Parse("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok());
  UniqueFd client = Dial(socket->address);
  std::unique_ptr<Acceptor> acceptor;
  {
    NoDescriptors none;  // so the acceptor finds no reserve
    auto made = Acceptor::Create(*loop_, *std::move(socket), [this](AcceptedConnection c) {
      accepted_.push_back(std::move(c));
    });
    ASSERT_TRUE(made.ok());
    acceptor = *std::move(made);
    for (int i = 0; i < 10; ++i) loop_->RunOnce(Duration::zero());
    EXPECT_EQ(acceptor->counters().pauses, 1u);
    clock_.Advance(milliseconds(100));
    for (int i = 0; i < 10; ++i) loop_->RunOnce(Duration::zero());
    EXPECT_EQ(acceptor->counters().pauses, 2u);
    EXPECT_TRUE(acceptor->accepting());
  }
  EXPECT_TRUE(accepted_.empty());
  clock_.Advance(milliseconds(100));
  RunUntilAccepted(1);  // and does not stall
}

TEST_F(AcceptorTest, StaysStoppedWhenStoppedDuringAPause) {
  auto socket = Listen(*Address::Parse("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok());
  UniqueFd client = Dial(socket->address);
  NoDescriptors none;
  auto acceptor = *Acceptor::Create(*loop_, *std::move(socket), [](AcceptedConnection) { FAIL(); });
  loop_->RunOnce(seconds(1));
  ASSERT_EQ(acceptor->counters().pauses, 1u);
  acceptor->Stop();
  clock_.Advance(seconds(1));
  loop_->RunOnce(Duration::zero());
  loop_->RunOnce(Duration::zero());
  EXPECT_EQ(acceptor->counters().pauses, 1u);
}

// WriteQueue does not ask a full socket twice: a short write must be followed by an edge.
class EdgeAfterShortWrite : public AcceptorTest, public IoHandler {
 public:
  void OnIo(IoEvents events) override { writable_ += events.writable ? 1 : 0; }

 protected:
  void Check(UniqueFd writer, UniqueFd reader) {
    auto transport = MakePlainTransport(writer.release());
    ASSERT_TRUE(loop_->Watch(transport->fd(), this).ok());
    loop_->RunOnce(Duration::zero());
    const std::string big(32 << 20, 'x');
    std::string sink(1 << 20, '\0');
    for (int round = 0; round < 5; ++round) {
      const iovec part{const_cast<char*>(big.data()), big.size()};
      const IoResult result = transport->Write(&part, 1);
      ASSERT_EQ(result.kind, IoResult::Kind::kOk);
      ASSERT_LT(result.bytes, big.size());
      const int before = writable_;
      size_t drained = 0;
      for (int i = 0; i < 10'000 && writable_ == before; ++i) {
        const ssize_t n = recv(reader.get(), sink.data(), sink.size(), MSG_DONTWAIT);
        if (n > 0) drained += static_cast<size_t>(n);
        loop_->RunOnce(drained < result.bytes ? Duration::zero() : seconds(1));
      }
      ASSERT_GT(writable_, before) << "no edge in round " << round;
    }
    loop_->Unwatch(transport->fd(), this);
  }
  int writable_ = 0;
};

TEST_F(EdgeAfterShortWrite, ComesOnTcp) {
  auto acceptor = Make("127.0.0.1:0");
  UniqueFd client = Dial(acceptor->address());
  RunUntilAccepted(1);
  Check(std::move(accepted_[0].fd), std::move(client));
}

TEST_F(EdgeAfterShortWrite, ComesOnUnixSockets) {
  int fd[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
  Check(UniqueFd(fd[0]), UniqueFd(fd[1]));
}

}  // namespace
}  // namespace tollgate::proxy
