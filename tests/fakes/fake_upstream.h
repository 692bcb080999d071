// Ends of connections that a test drives: a peer, and a listening socket whose connections are
// peers.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/address.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {

// One non-blocking end of a connection, driven by the test.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)), got_(std::move(other.got_)) {}
  ~Peer() { Close(); }
  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) break;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Takes in what has arrived.
  const std::string& Got() {
    char buffer[65536];
    while (fd_ >= 0 && !closed_) {
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
      if (n > 0) {
        got_.append(buffer, static_cast<size_t>(n));
      } else {
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
          closed_ = true;
          reset_ = n < 0;
        }
        break;
      }
    }
    return got_;
  }
  void Forget() { got_.clear(); }
  bool Closed() {
    Got();
    return closed_;
  }
  // The other side's end was not in order.
  bool WasReset() { return Closed() && reset_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // Close with a reset instead of an orderly end.
  void Reset() {
    linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    Close();
  }
  int fd() const { return fd_; }

 private:
  int fd_;
  std::string got_;
  bool closed_ = false;
  bool reset_ = false;
};

// An upstream: counts its connections, keeps all bytes.
class FakeUpstream {
 public:
  FakeUpstream() {
    auto socket = Listen(*Address::Parse("127.0.0.1:0"));
    if (!socket.ok()) std::abort();
    socket_ = *std::move(socket);
  }
  const Address& address() const { return socket_.address; }
  void StopListening() { socket_.fd.reset(); }
  void Poll() {
    while (socket_.fd.valid()) {
      const int fd = Accept(socket_.fd.get(), nullptr);
      if (fd < 0) break;
      connections_.push_back(std::make_unique<Peer>(fd));
    }
    for (auto& c : connections_) c->Got();
  }
  std::vector<std::unique_ptr<Peer>>& connections() { return connections_; }
  // Everything that ever arrived.
  std::string All() {
    Poll();
    std::string all;
    for (auto& c : connections_) all += c->Got();
    return all;
  }

 private:
  ListeningSocket socket_;
  std::vector<std::unique_ptr<Peer>> connections_;
};

}  // namespace tollgate::proxy
