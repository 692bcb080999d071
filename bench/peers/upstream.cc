// The upstream of the comparison, the same for every proxy: answers each HTTP/1.1 request head with
// the same 200 and 1 KB, on several addresses, as cheaply as a program can: one thread, one epoll,
// one recv and one send a request. A benchmark tool, not a server: requests have no body.
//
//   bench-upstream PORT [PORT...]     0: any; prints the ports, then serves until SIGTERM
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace {

constexpr size_t kBody = 1024;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

uint16_t PortOf(int fd) {
  sockaddr_in at{};
  socklen_t size = sizeof(at);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) Die("getsockname");
  return ntohs(at.sin_port);
}

int Listen(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) Die("bind");
  if (listen(fd, 1024) != 0) Die("listen");
  return fd;
}

void Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
}

class Upstream {
 public:
  explicit Upstream(int epoll) : epoll_(epoll) {
    answer_ =
        "HTTP/1.1 200 OK\r\nserver: bench-upstream\r\ncontent-type: text/plain\r\n"
        "content-length: " +
        std::to_string(kBody) + "\r\n\r\n" + std::string(kBody, 'x');
  }

  void Accept(int listener) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    Watch(epoll_, fd);
  }

  // A head may come in pieces: `matched_` remembers how much of CRLF CRLF was seen.
  void Serve(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Close(fd);
    int matched = 0;
    if (const auto partial = matched_.find(fd); partial != matched_.end()) {
      matched = partial->second;
      matched_.erase(partial);
    }
    int heads = 0;
    for (ssize_t i = 0; i < got; ++i) {
      const char c = buffer_[static_cast<size_t>(i)];
      matched = c == (matched % 2 == 0 ? '\r' : '\n') ? matched + 1 : (c == '\r' ? 1 : 0);
      if (matched == 4) {
        ++heads;
        matched = 0;
      }
    }
    if (matched != 0) matched_[fd] = matched;
    for (; heads > 0; --heads) {
      // Loopback takes a kilobyte from a peer that reads; one that doesn't is of no use here.
      if (send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(answer_.size())) {
        return Close(fd);
      }
    }
  }

 private:
  void Close(int fd) {
    matched_.erase(fd);
    close(fd);
  }

  const int epoll_;
  std::string answer_;
  std::array<char, 16384> buffer_;
  std::unordered_map<int, int> matched_;
};

}  // namespace

int main(int argc, char** argv) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::unordered_set<int> listeners;
  for (int i = 1; i < argc; ++i) {
    const int fd = Listen(static_cast<uint16_t>(std::atoi(argv[i])));
    listeners.insert(fd);
    Watch(epoll, fd);
    std::printf("%u\n", PortOf(fd));
  }
  std::fflush(stdout);
  Upstream upstream(epoll);
  std::array<epoll_event, 256> events;
  for (;;) {
    const int n = epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (listeners.contains(fd)) {
        upstream.Accept(fd);
      } else {
        upstream.Serve(fd);
      }
    }
  }
}
