// One instance of the service in the scenarios: an HTTP/1.1 server with so many slots, a service
// time and a queue without end, which falls sick when it is told to. One thread, one epoll. A
// benchmark tool, not a server: no pipelining, no chunked requests.
//
//   bench-scenario-upstream PORT     0: any; prints the port, then obeys lines on standard input:
//
//   service MICROSECONDS SLOTS       how long a request takes, and how many are served at once
//   healthy                          no fault, listening
//   slow FACTOR                      the service time, times FACTOR
//   cold FACTOR MILLISECONDS         the same, falling to 1 in that time from now on
//   status CODE PERCENT now|late     so many requests are answered CODE, at once or in their time
//   blackhole                        accepts and reads, never answers
//   lose                             reads a request, then resets the connection without an answer
//   truncate                         resets it in the middle of the answer
//   down                             resets every connection; new ones are refused
//   accept MILLISECONDS              one connection each so long, a short backlog, and one answer
//                                    a connection
//   stats                            prints "requests connections queued"
//   ids                              prints the x-n of every request so far, in one line
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr size_t kBody = 256;
constexpr uint64_t kListener = 0, kCommands = 1, kFirstConnection = 2;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Connection {
  int fd = -1;
  std::string in;
  bool busy = false;  // a request is queued or served
};

enum class Fault { kNone, kStatus, kBlackhole, kLose, kTruncate };

class Upstream {
 public:
  explicit Upstream(uint16_t port) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) Die("bind");
    socklen_t size = sizeof(at);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    std::printf("%u\n", ntohs(at.sin_port));
    std::fflush(stdout);
    Watch(STDIN_FILENO, kCommands);
    Listen(1024);
  }

  void Run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      RunTimers();
      timespec wait{};
      timespec* until = nullptr;
      if (!timers_.empty()) {
        const auto left = std::max(Clock::duration::zero(), timers_.begin()->first - Clock::now());
        wait.tv_sec = left / std::chrono::seconds(1);
        wait.tv_nsec = (left % std::chrono::seconds(1)).count();
        until = &wait;
      }
      const int n = epoll_pwait2(epoll_, events.data(), events.size(), until, nullptr);
      for (int i = 0; i < n; ++i) {
        const uint64_t id = events[static_cast<size_t>(i)].data.u64;
        if (id == kListener) {
          AcceptAll();
        } else if (id == kCommands) {
          ReadCommands();
        } else {
          ReadConnection(id);
        }
      }
    }
  }

 private:
  struct Timer {
    enum class Kind { kDone, kAccept, kReset } kind = Kind::kDone;
    uint64_t connection = 0;
    uint64_t epoch = 0;
  };

  void Watch(int fd, uint64_t id) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
  }

  // The port stays ours while it is down: a socket that is bound and does not listen refuses.
  void Listen(int backlog) {
    if (listen(listener_, backlog) != 0) Die("listen");
    WatchListener();
  }

  void WatchListener() {
    if (!std::exchange(listening_, true)) Watch(listener_, kListener);
  }

  void IgnoreListener() {
    if (!std::exchange(listening_, false)) return;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
  }

  void AcceptAll() {
    while (AcceptOne()) {
      if (accept_every_ == milliseconds(0)) continue;
      // The next one after a while.
      IgnoreListener();
      timers_.emplace(Clock::now() + accept_every_, Timer{Timer::Kind::kAccept, 0, epoch_});
      return;
    }
  }

  bool AcceptOne() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return false;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const uint64_t id = next_id_++;
    connections_[id].fd = fd;
    ++accepted_;
    Watch(fd, id);
    return true;
  }

  void Close(uint64_t id, bool reset) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    if (reset) {
      const linger now{1, 0};
      setsockopt(found->second.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(found->second.fd);
    connections_.erase(found);
  }

  void ReadConnection(uint64_t id) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    const ssize_t got = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Close(id, false);
    connection.in.append(buffer_.data(), static_cast<size_t>(got));
    Serve(id, connection);
  }

  // Takes one whole request, if there is one.
  void Serve(uint64_t id, Connection& connection) {
    if (connection.busy) return;
    const size_t end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::string head = connection.in.substr(0, end + 2);
    const std::string length = Field(head, "content-length:");
    const size_t whole = end + 4 + (length.empty() ? 0 : std::stoul(length));
    if (connection.in.size() < whole) return;
    connection.in.erase(0, whole);
    connection.busy = true;
    if (const std::string n = Field(head, "x-n:"); !n.empty()) {
      ++requests_;
      ids_.push_back(n);
    }
    if (fault_ == Fault::kBlackhole) return;
    if (fault_ == Fault::kLose) return Close(id, true);
    if (fault_ == Fault::kStatus && status_now_ && Drawn()) return Answer(id, status_);
    queue_.push_back(id);
    FillSlots();
  }

  static std::string Field(const std::string& head, const char* name) {
    const size_t length = std::strlen(name);
    for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
      if (strncasecmp(head.c_str() + at + 2, name, length) != 0) continue;
      const size_t from = head.find_first_not_of(' ', at + 2 + length);
      return head.substr(from, head.find("\r\n", from) - from);
    }
    return "";
  }

  void FillSlots() {
    while (serving_ < slots_ && !queue_.empty()) {
      const uint64_t id = queue_.front();
      queue_.pop_front();
      // As most servers: who has left meanwhile is noticed only when the answer is written.
      ++serving_;
      timers_.emplace(Clock::now() + ServiceTime(), Timer{Timer::Kind::kDone, id, epoch_});
    }
  }

  Clock::duration ServiceTime() {
    double factor = slow_;
    if (cold_for_ > milliseconds(0)) {
      const double done = std::chrono::duration<double>(Clock::now() - cold_since_) /
                          std::chrono::duration<double>(cold_for_);
      if (done < 1) factor *= 1 + (cold_ - 1) * (1 - done);
    }
    // A fifth up or down, as nothing takes always the same.
    std::uniform_real_distribution<double> spread(0.8, 1.2);
    return std::chrono::duration_cast<Clock::duration>(service_ * factor * spread(random_));
  }

  bool Drawn() { return std::uniform_real_distribution<double>(0, 100)(random_) < percent_; }

  void Answer(uint64_t id, int status) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const bool last = accept_every_ > milliseconds(0);
    std::string answer =
        "HTTP/1.1 " + std::to_string(status) +
        " Scenario\r\ncontent-type: text/plain\r\ncontent-length: " + std::to_string(kBody) +
        (last ? "\r\nconnection: close" : "") + "\r\n\r\n" + std::string(kBody, 'x');
    const bool cut = fault_ == Fault::kTruncate;
    if (cut) answer.resize(answer.size() - kBody / 2);
    if (send(found->second.fd, answer.data(), answer.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(answer.size())) {
      return Close(id, false);
    }
    if (cut) {
      // The reset must not overtake what was sent: some of the answer is to be seen.
      timers_.emplace(Clock::now() + microseconds(200), Timer{Timer::Kind::kReset, id, epoch_});
      return;
    }
    if (last) return Close(id, false);
    found->second.busy = false;
    Serve(id, found->second);
  }

  void RunTimers() {
    while (!timers_.empty() && timers_.begin()->first <= Clock::now()) {
      const Timer timer = timers_.begin()->second;
      timers_.erase(timers_.begin());
      if (timer.epoch != epoch_) continue;  // of before it went down
      if (timer.kind == Timer::Kind::kAccept) {
        WatchListener();
        continue;
      }
      if (timer.kind == Timer::Kind::kReset) {
        Close(timer.connection, true);
        continue;
      }
      --serving_;
      const bool failed = fault_ == Fault::kStatus && !status_now_ && Drawn();
      Answer(timer.connection, failed ? status_ : 200);
      FillSlots();
    }
  }

  void Down() {
    IgnoreListener();
    shutdown(listener_, SHUT_RD);
    ++epoch_;
    serving_ = 0;
    queue_.clear();
    while (!connections_.empty()) Close(connections_.begin()->first, true);
  }

  void ReadCommands() {
    const ssize_t got = read(STDIN_FILENO, buffer_.data(), buffer_.size());
    if (got <= 0) std::exit(0);  // whoever started it has gone
    commands_.append(buffer_.data(), static_cast<size_t>(got));
    for (size_t end; (end = commands_.find('\n')) != std::string::npos;) {
      Obey(commands_.substr(0, end));
      commands_.erase(0, end + 1);
    }
  }

  void Heal() {
    fault_ = Fault::kNone;
    slow_ = 1;
    cold_for_ = milliseconds(0);
    accept_every_ = milliseconds(0);
    Listen(1024);
  }

  void Obey(const std::string& line) {
    std::istringstream words(line);
    std::string what, when;
    int64_t a = 0;
    words >> what;
    if (what == "service") {
      words >> a >> slots_;
      service_ = microseconds(a);
    } else if (what == "stats") {
      std::printf("%llu %llu %zu\n", static_cast<unsigned long long>(requests_),
                  static_cast<unsigned long long>(accepted_), queue_.size());
    } else if (what == "ids") {
      for (const std::string& id : ids_) std::printf("%s ", id.c_str());
      std::printf("\n");
    } else if (what == "down") {
      Down();
    } else {
      Heal();
      if (what == "slow") {
        words >> slow_;
      } else if (what == "cold") {
        words >> cold_ >> a;
        cold_for_ = milliseconds(a);
        cold_since_ = Clock::now();
      } else if (what == "status") {
        fault_ = Fault::kStatus;
        words >> status_ >> percent_ >> when;
        status_now_ = when == "now";
      } else if (what == "blackhole") {
        fault_ = Fault::kBlackhole;
      } else if (what == "lose") {
        fault_ = Fault::kLose;
      } else if (what == "truncate") {
        fault_ = Fault::kTruncate;
      } else if (what == "accept") {
        words >> a;
        accept_every_ = milliseconds(a);
        Listen(4);
      } else if (what != "healthy") {
        std::fprintf(stderr, "unknown command: %s\n", line.c_str());
        std::exit(2);
      }
    }
    std::fflush(stdout);
  }

  int epoll_ = -1, listener_ = -1;
  bool listening_ = false;  // and watched
  std::unordered_map<uint64_t, Connection> connections_;
  uint64_t next_id_ = kFirstConnection;
  uint64_t epoch_ = 0;
  std::multimap<Time, Timer> timers_;
  std::deque<uint64_t> queue_;
  size_t serving_ = 0, slots_ = 16;
  microseconds service_{5000};
  Fault fault_ = Fault::kNone;
  int status_ = 503;
  double percent_ = 100, slow_ = 1, cold_ = 1;
  bool status_now_ = true;
  Time cold_since_;
  milliseconds cold_for_{0}, accept_every_{0};
  uint64_t requests_ = 0, accepted_ = 0;
  std::vector<std::string> ids_;
  std::string commands_;
  std::mt19937_64 random_{1};
  std::array<char, 16384> buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench-scenario-upstream PORT\n");
    return 2;
  }
  Upstream(static_cast<uint16_t>(std::atoi(argv[1]))).Run();
}
