#include "proxy/net/socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "proxy/net/transport.h"

namespace tollgate::proxy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Address Parse(const std::string& text) { return *Address::Parse(text); }

// Waits, at most ten seconds, until `fd` has one of `events`.
void Await(int fd, short events) {
  pollfd p{fd, events, 0};
  ASSERT_EQ(poll(&p, 1, 10'000), 1);
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0);
  return value;
}

class TempDir {
 public:
  TempDir() {
    std::string pattern = testing::TempDir() + "/tollgate-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TempDir() {
    unlink(socket_path().c_str());
    rmdir(path_.c_str());
  }
  std::string socket_path() const { return path_ + "/s"; }
  Address socket_address() const { return Parse(absl::StrCat("unix:", socket_path())); }

 private:
  std::string path_;
};

TEST(UniqueFd, ClosesItsDescriptor) {
  int raw;
  {
    UniqueFd fd(dup(0));
    raw = fd.get();
    UniqueFd other(std::move(fd));
    EXPECT_FALSE(fd.valid());  // NOLINT: moved from on purpose
    EXPECT_EQ(other.get(), raw);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(Listen, TellsThePortThatTheKernelChose) {
  auto socket = Listen(Parse("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->address.host(), "127.0.0.1");
  EXPECT_NE(socket->address.port(), 0);
}

TEST(Listen, SaysAlreadyExistsWhenThePortIsTaken) {
  auto first = Listen(Parse("127.0.0.1:0"));
  ASSERT_TRUE(first.ok());
  auto second = Listen(first->address);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(std::string(second.status().message()),
            absl::StrCat("listen ", first->address.ToString(), ": Address already in use"));
}

TEST(Listen, SaysWhenTheAddressIsNotOurs) {
  auto socket = Listen(Parse("192.0.2.1:0"));  // TEST-NET-1, RFC 5737
  EXPECT_EQ(socket.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(socket.status().message()), StartsWith("listen 192.0.2.1:0: "));
}

TEST(Listen, RefusesAHostName) {
  auto socket = Listen(Parse("localhost:80"));
  EXPECT_EQ(socket.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(socket.status().message()), HasSubstr("must be resolved first"));
}

TEST(Listen, KeepsIp6ApartFromIp4) {
  auto socket = Listen(Parse("[::]:0"));
  if (!socket.ok()) GTEST_SKIP() << "no IPv6 here: " << socket.status();
  auto same_port = Listen(Parse(absl::StrCat("0.0.0.0:", socket->address.port())));
  EXPECT_TRUE(same_port.ok()) << same_port.status();
}

TEST(Listen, GivesAcceptedConnectionsNoDelayAndKeepAlive) {
  auto socket = Listen(Parse("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok());
  auto client = Connect(socket->address);
  ASSERT_TRUE(client.ok());
  Await(socket->fd.get(), POLLIN);
  Address peer;
  UniqueFd accepted(Accept(socket->fd.get(), &peer));
  ASSERT_TRUE(accepted.valid());
  EXPECT_EQ(peer, *LocalAddress(client->fd.get()));
  EXPECT_NE(Option(accepted.get(), IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(Option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(Option(accepted.get(), IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_NE(fcntl(accepted.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(Accept(socket->fd.get(), &peer), -EAGAIN);
}

std::string CongestionControl(int fd) {
  char name[16] = {};
  socklen_t length = sizeof(name);
  EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
  return name;
}

TEST(Listen, OnThisMachineSparesCongestionControl) {
  const UniqueFd fresh(socket(AF_INET, SOCK_STREAM, 0));
  const std::string usual = CongestionControl(fresh.get());
  auto here = Listen(Parse("127.0.0.1:0"));
  ASSERT_TRUE(here.ok());
  auto client = Connect(here->address);
  ASSERT_TRUE(client.ok());
  Await(here->fd.get(), POLLIN);
  const UniqueFd accepted(Accept(here->fd.get(), nullptr));
  EXPECT_EQ(CongestionControl(client->fd.get()), "reno");
  EXPECT_EQ(CongestionControl(accepted.get()), "reno");
  auto anywhere = Listen(Parse("0.0.0.0:0"));
  ASSERT_TRUE(anywhere.ok());
  EXPECT_EQ(CongestionControl(anywhere->fd.get()), usual);
}

TEST(ListenUnix, SetsTheModeAndConnects) {
  TempDir dir;
  auto socket = Listen(dir.socket_address(), {.backlog = 8, .unix_mode = 0600});
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->address, dir.socket_address());
  struct stat info;
  ASSERT_EQ(stat(dir.socket_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto client = Connect(dir.socket_address());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE(client->in_progress);
  Address peer;
  UniqueFd accepted(Accept(socket->fd.get(), &peer));
  EXPECT_TRUE(accepted.valid());
  EXPECT_EQ(peer.kind(), Address::Kind::kUnix);
}

TEST(ListenUnix, ReplacesAStaleSocketButNotALiveOne) {
  TempDir dir;
  auto first = Listen(dir.socket_address());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Listen(dir.socket_address()).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Connect(dir.socket_address()).ok());  // the live one was not harmed
  first->fd.reset();                                // its process died; the file stays
  EXPECT_EQ(Connect(dir.socket_address()).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Listen(dir.socket_address()).ok());
}

TEST(ListenUnix, LeavesAFileThatIsNoSocketAlone) {
  TempDir dir;
  std::ofstream(dir.socket_path()) << "precious";
  auto socket = Listen(dir.socket_address());
  EXPECT_EQ(socket.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(socket.status().message()), HasSubstr("is not a socket"));
  std::string content;
  std::ifstream(dir.socket_path()) >> content;
  EXPECT_EQ(content, "precious");
}

TEST(AdoptListening, TakesAListeningSocketOnly) {
  auto socket = Listen(Parse("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok());
  auto copy = Duplicate(*socket);
  ASSERT_TRUE(copy.ok());
  auto adopted = AdoptListening(std::move(copy->fd));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->address, socket->address);
  UniqueFd plain(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(AdoptListening(std::move(plain)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(AdoptListening(UniqueFd()).ok());
}

TEST(Connect, TellsTheResultWhenWritable) {
  auto socket = Listen(Parse("127.0.0.1:0"));
  ASSERT_TRUE(socket.ok());
  auto client = Connect(socket->address);
  ASSERT_TRUE(client.ok());
  Await(client->fd.get(), POLLOUT);
  EXPECT_EQ(ConnectResult(client->fd.get()), 0);
  EXPECT_NE(Option(client->fd.get(), IPPROTO_TCP, TCP_NODELAY), 0);

  const Address gone = socket->address;
  socket->fd.reset();
  auto refused = Connect(gone);
  if (!refused.ok()) {  // the kernel may know at once
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
    return;
  }
  Await(refused->fd.get(), POLLOUT);
  EXPECT_EQ(ConnectResult(refused->fd.get()), ECONNREFUSED);
  EXPECT_EQ(ConnectResult(refused->fd.get()), 0);  // it was cleared
}

TEST(Connect, NamesTheAddressInItsError) {
  EXPECT_EQ(Connect(Parse("unix:/nonexistent/socket")).status(),
            absl::UnavailableError("connect unix:/nonexistent/socket: No such file or directory"));
  EXPECT_EQ(Connect(Parse("name:1")).status().code(), absl::StatusCode::kInvalidArgument);
}

class PlainTransportTest : public testing::Test {
 protected:
  PlainTransportTest() {
    int fd[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    a_ = MakePlainTransport(fd[0]);
    b_ = MakePlainTransport(fd[1]);
  }
  std::unique_ptr<Transport> a_, b_;
  char buffer_[64];
};

TEST_F(PlainTransportTest, MovesBytesAndGathersParts) {
  EXPECT_EQ(b_->Read(buffer_, sizeof(buffer_)).kind, IoResult::Kind::kWouldBlock);
  char one[] = "one ", two[] = "two";
  const iovec parts[] = {{one, 4}, {two, 3}};
  EXPECT_EQ(a_->Write(parts, 2).bytes, 7u);
  EXPECT_EQ(a_->Write(parts, 1).bytes, 4u);
  const IoResult read = b_->Read(buffer_, sizeof(buffer_));
  EXPECT_EQ(read.kind, IoResult::Kind::kOk);
  EXPECT_EQ(std::string(buffer_, read.bytes), "one twoone ");
  EXPECT_TRUE(b_->drained_by(sizeof(buffer_), read.bytes));
  EXPECT_FALSE(b_->drained_by(11, 11));
}

TEST_F(PlainTransportTest, TellsEndOfFileAndStillWrites) {
  a_->ShutdownWrite();
  EXPECT_EQ(b_->Read(buffer_, sizeof(buffer_)).kind, IoResult::Kind::kEof);
  char text[] = "late";
  const iovec part{text, 4};
  EXPECT_EQ(b_->Write(&part, 1).bytes, 4u);
  EXPECT_EQ(a_->Read(buffer_, sizeof(buffer_)).bytes, 4u);
}

TEST_F(PlainTransportTest, ReportsABrokenPipeWithoutASignal) {
  b_.reset();
  char text[] = "x";
  const iovec parts[] = {{text, 1}, {text, 1}};
  for (int count : {1, 2}) {
    const IoResult result = a_->Write(parts, count);
    EXPECT_EQ(result.kind, IoResult::Kind::kError);
    EXPECT_EQ(result.error, EPIPE);
  }
}

TEST_F(PlainTransportTest, SaysWouldBlockWhenFull) {
  std::string big(1 << 20, 'x');
  const iovec part{big.data(), big.size()};
  const IoResult first = a_->Write(&part, 1);
  EXPECT_EQ(first.kind, IoResult::Kind::kOk);
  EXPECT_LT(first.bytes, big.size());
  EXPECT_EQ(a_->Write(&part, 1).kind, IoResult::Kind::kWouldBlock);
}

TEST_F(PlainTransportTest, RefusesToReadNothing) {
  EXPECT_EQ(a_->Read(buffer_, 0).kind, IoResult::Kind::kError);
}

}  // namespace
}  // namespace tollgate::proxy
