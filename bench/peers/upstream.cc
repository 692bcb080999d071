// The upstream of the comparison, the same for every proxy: answers each HTTP/1.1 request head with
// the same 200 and 1 KB, on several addresses, as cheaply as a program can: one thread, one epoll,
// one recv and one send a request. A path with /bytes/N asks for N bytes instead, as many sends as
// the socket needs. A benchmark tool, not a server: requests have no body.
//
//   bench-upstream PORT [PORT...]     0: any; prints the ports, then serves until SIGTERM
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace {

constexpr size_t kBody = 1024;
constexpr size_t kMostBody = 64 << 20;

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

void Watch(int epoll, int fd, int operation = EPOLL_CTL_ADD, uint32_t events = EPOLLIN) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll, operation, fd, &event) != 0) Die("epoll_ctl");
}

// Of the body that a head asks for.
size_t SizeOf(std::string_view head) {
  constexpr std::string_view kMark = "/bytes/";
  const std::string_view line = head.substr(0, head.find('\r'));
  const size_t at = line.find(kMark);
  if (at == std::string_view::npos) return kBody;
  size_t size = kBody;
  std::from_chars(line.data() + at + kMark.size(), line.data() + line.size(), size);
  return std::min(size, kMostBody);
}

class Upstream {
 public:
  explicit Upstream(int epoll) : epoll_(epoll), answer_(Answer(kBody)) {}

  void Accept(int listener) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    Watch(epoll_, fd);
  }

  void OnEvent(int fd, uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !Flush(fd)) return;
    if ((events & ~EPOLLOUT) != 0) Serve(fd);
  }

 private:
  static std::string Answer(size_t size) {
    return "HTTP/1.1 200 OK\r\nserver: bench-upstream\r\ncontent-type: text/plain\r\n"
           "content-length: " +
           std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
  }

  std::string_view AnswerOf(size_t size) {
    if (size == kBody) return answer_;
    std::string& answer = large_[size];  // a node: it stays where it is
    if (answer.empty()) answer = Answer(size);
    return answer;
  }

  // A head may come in pieces: `heads_` has its beginning.
  void Serve(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Close(fd);
    std::string_view in(buffer_.data(), static_cast<size_t>(got));
    std::string joined;
    if (const auto begun = heads_.find(fd); begun != heads_.end()) {
      joined = std::move(begun->second).append(in);
      heads_.erase(begun);
      in = joined;
    }
    for (size_t end; (end = in.find("\r\n\r\n")) != std::string_view::npos;
         in.remove_prefix(end + 4)) {
      if (!Send(fd, AnswerOf(SizeOf(in.substr(0, end))))) return;
    }
    if (!in.empty()) heads_[fd] = in;
  }

  // False: the connection is closed. What the socket does not take waits for EPOLLOUT.
  bool Send(int fd, std::string_view answer) {
    if (const auto waiting = waiting_.find(fd); waiting != waiting_.end()) {
      waiting->second.push_back(answer);
      return true;
    }
    if (!Write(fd, &answer)) return false;
    if (!answer.empty()) {
      waiting_[fd].push_back(answer);
      Watch(epoll_, fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
    return true;
  }

  bool Flush(int fd) {
    std::deque<std::string_view>& answers = waiting_[fd];
    while (!answers.empty()) {
      if (!Write(fd, &answers.front())) return false;
      if (!answers.front().empty()) return true;
      answers.pop_front();
    }
    waiting_.erase(fd);
    Watch(epoll_, fd, EPOLL_CTL_MOD, EPOLLIN);
    return true;
  }

  // Takes what was written off `answer`.
  bool Write(int fd, std::string_view* answer) {
    const ssize_t sent = send(fd, answer->data(), answer->size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      Close(fd);
      return false;
    }
    answer->remove_prefix(static_cast<size_t>(std::max<ssize_t>(sent, 0)));
    return true;
  }

  void Close(int fd) {
    heads_.erase(fd);
    waiting_.erase(fd);
    close(fd);
  }

  const int epoll_;
  const std::string answer_;  // to most requests
  std::unordered_map<size_t, std::string> large_;
  std::array<char, 16384> buffer_;
  std::unordered_map<int, std::string> heads_;
  std::unordered_map<int, std::deque<std::string_view>> waiting_;
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
        upstream.OnEvent(fd, events[static_cast<size_t>(i)].events);
      }
    }
  }
}
