// Open-loop load for the scenarios: requests start when a Poisson process says so, whether or not
// earlier ones were answered, and latency counts from that moment. So a stall shows in every
// request that it would have met (no coordinated omission). One thread, one epoll; keep-alive
// connections, as many as it takes.
//
//   bench-scenario-load PORT RATE SKIP_MS SECONDS METHOD PATH TIMEOUT_MS SEED [CORE...]
//
// PATH may be @FILE: each request takes one of its lines, at random.
//
// On each CORE a thread of higher priority than what is measured sleeps and wakes: when it wakes
// too late, the machine has stood still, and whoever was measured as well. "stall_ms" is the
// longest time.
//
// Prints "started", and at the end one line of JSON about what was to start after SKIP_MS. A failed
// request is one without a whole 2xx answer within TIMEOUT_MS. "issued" has those before SKIP_MS
// too, "body_bytes" is of the answers that are ok.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::milliseconds;

struct Options {
  uint16_t port = 0;
  double rate = 0;
  milliseconds skip{0};
  int seconds = 0;
  std::string method;
  std::vector<std::string> paths;
  milliseconds timeout{0};
  uint64_t seed = 0;
};

// Watches one core.
class Watch {
 public:
  explicit Watch(int core) : thread_([this, core] { Run(core); }) {}
  ~Watch() {
    over_ = true;
    thread_.join();
  }
  int64_t worst_us() const { return worst_us_; }
  void Forget() { worst_us_ = 0; }

 private:
  void Run(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    // Without the right to it, what is measured delays this thread too.
    sched_param priority{2};
    pthread_setschedparam(pthread_self(), SCHED_RR, &priority);
    while (!over_) {
      const Time before = Clock::now();
      std::this_thread::sleep_for(milliseconds(2));
      const int64_t late = std::chrono::duration_cast<std::chrono::microseconds>(
                               Clock::now() - before - milliseconds(2))
                               .count();
      if (late > worst_us_) worst_us_ = late;
    }
  }

  std::atomic<bool> over_{false};
  std::atomic<int64_t> worst_us_{0};
  std::thread thread_;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  Time intended;  // of the request that it carries
  uint64_t number = 0;
  std::string out, in;  // `out`: not yet written; `in`: the answer so far
};

class Load {
 public:
  Load(const Options& options, std::vector<std::unique_ptr<Watch>>& watches)
      : options_(options), random_(options.seed), watches_(watches) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    at_.sin_family = AF_INET;
    at_.sin_port = htons(options.port);
    at_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }

  void Run() {
    std::printf("started\n");
    std::fflush(stdout);
    begin_ = Clock::now();
    const Time end = begin_ + options_.skip + std::chrono::seconds(options_.seconds);
    std::exponential_distribution<double> gap(options_.rate);
    Time next = begin_;
    std::array<epoll_event, 256> events;
    for (auto& watch : watches_) watch->Forget();
    for (;;) {
      Time now = Clock::now();
      while (next < end && next <= now) {
        Begin(next);
        next += std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(gap(random_)));
      }
      now = Clock::now();
      while (!open_.empty() && open_.front().first <= now) {
        const auto [deadline, number] = open_.front();
        open_.pop_front();
        if (const auto found = by_number_.find(number); found != by_number_.end()) {
          Fail(*found->second, "timeout");
        }
      }
      if (next >= end && by_number_.empty()) break;
      const Time wake = std::min(next < end ? next : Time::max(),
                                 open_.empty() ? Time::max() : open_.front().first);
      const auto left = std::max(Clock::duration::zero(), wake - Clock::now());
      timespec wait{left / std::chrono::seconds(1), (left % std::chrono::seconds(1)).count()};
      const int n = epoll_pwait2(epoll_, events.data(), events.size(), &wait, nullptr);
      for (int i = 0; i < n; ++i) {
        OnEvent(*static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr),
                events[static_cast<size_t>(i)].events);
      }
      closed_.clear();
    }
    Report();
  }

 private:
  void Begin(Time intended) {
    const uint64_t number = next_number_++;
    Connection* connection = nullptr;
    if (!idle_.empty()) {
      connection = idle_.back();  // the warmest
      idle_.pop_back();
    } else {
      connection = Open();
    }
    connection->busy = true;
    connection->intended = intended;
    connection->number = number;
    connection->in.clear();
    const size_t path = options_.paths.size() == 1 ? 0 : random_() % options_.paths.size();
    connection->out = options_.method + " " + options_.paths[path] +
                      " HTTP/1.1\r\nhost: bench.example\r\nx-n: " + std::to_string(number) + "\r\n";
    if (options_.method == "POST") connection->out += "content-length: 2\r\n\r\n{}";
    if (options_.method != "POST") connection->out += "\r\n";
    by_number_[number] = connection;
    open_.emplace_back(intended + options_.timeout, number);
    if (Counts(intended)) ++offered_;
    Write(*connection);
  }

  Connection* Open() {
    auto made = std::make_unique<Connection>();
    made->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made->fd < 0) {
      std::perror("socket");
      std::exit(1);
    }
    const int on = 1;
    setsockopt(made->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(made->fd, reinterpret_cast<const sockaddr*>(&at_), sizeof(at_)) != 0 &&
        errno != EINPROGRESS) {
      std::perror("connect");
      std::exit(1);
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = made.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, made->fd, &event);
    Connection* connection = made.get();
    connections_[connection] = std::move(made);
    ++opened_;
    return connection;
  }

  void Write(Connection& connection) {
    if (connection.out.empty()) return;
    const ssize_t sent =
        send(connection.fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent > 0) connection.out.erase(0, static_cast<size_t>(sent));
    // Other errors show when it is read.
  }

  void OnEvent(Connection& connection, uint32_t events) {
    if (connection.fd < 0) return;  // closed in this round
    if ((events & EPOLLOUT) != 0) Write(connection);
    for (;;) {
      const ssize_t got = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
      if (got <= 0) {
        if (!connection.busy) return Close(connection);
        Fail(connection, connection.in.empty() ? "no_answer" : "cut");
        return;
      }
      connection.in.append(buffer_.data(), static_cast<size_t>(got));
      if (!connection.busy || !Answered(connection)) continue;
      if (connection.fd < 0) return;
    }
  }

  // True: the answer is whole, and was counted.
  bool Answered(Connection& connection) {
    const size_t end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = Field(connection.in, end, "content-length:");
    if (length == std::string::npos) {
      Fail(connection, "no_length");
      return true;
    }
    if (connection.in.size() < end + 4 + length) return false;
    const int status = std::atoi(connection.in.c_str() + 9);
    if (status >= 200 && status < 300 && Counts(connection.intended)) body_bytes_ += length;
    const bool close = connection.in.substr(0, end).find("onnection: close") != std::string::npos;
    Finish(connection, status >= 200 && status < 300 ? "" : std::to_string(status));
    if (close) {
      Close(connection);
    } else {
      connection.in.clear();
      idle_.push_back(&connection);
    }
    return true;
  }

  static size_t Field(const std::string& in, size_t end, const char* name) {
    for (size_t at = in.find("\r\n"); at < end; at = in.find("\r\n", at + 2)) {
      if (strncasecmp(in.c_str() + at + 2, name, std::strlen(name)) == 0) {
        return std::strtoul(in.c_str() + at + 2 + std::strlen(name), nullptr, 10);
      }
    }
    return std::string::npos;
  }

  bool Counts(Time intended) const { return intended >= begin_ + options_.skip; }

  void Finish(Connection& connection, const std::string& failure) {
    connection.busy = false;
    by_number_.erase(connection.number);
    if (!Counts(connection.intended)) return;
    if (failure.empty()) {
      latencies_.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - connection.intended).count());
    } else {
      ++failures_[failure];
    }
    const auto second =
        static_cast<size_t>((connection.intended - begin_ - options_.skip) / milliseconds(500));
    if (timeline_.size() <= second) timeline_.resize(second + 1);
    ++timeline_[second][failure.empty() ? 0 : 1];
  }

  void Fail(Connection& connection, const std::string& failure) {
    Finish(connection, failure);
    Close(connection);
  }

  // Dies at the end of the round: an event of it may still be in the list.
  void Close(Connection& connection) {
    std::erase(idle_, &connection);
    close(connection.fd);
    connection.fd = -1;
    const auto found = connections_.find(&connection);
    closed_.push_back(std::move(found->second));
    connections_.erase(found);
  }

  void Report() {
    std::sort(latencies_.begin(), latencies_.end());
    std::printf("{\"issued\": %llu, \"offered\": %llu, \"ok\": %zu, \"body_bytes\": %llu, ",
                static_cast<unsigned long long>(next_number_ - 1),
                static_cast<unsigned long long>(offered_), latencies_.size(),
                static_cast<unsigned long long>(body_bytes_));
    std::printf("\"connections\": %llu, \"failures\": {", static_cast<unsigned long long>(opened_));
    const char* comma = "";
    for (const auto& [what, count] : failures_) {
      std::printf("%s\"%s\": %llu", comma, what.c_str(), static_cast<unsigned long long>(count));
      comma = ", ";
    }
    std::printf("}, \"latencies_ms\": [");
    for (size_t i = 0; i < latencies_.size(); ++i) {
      std::printf("%s%.3f", i == 0 ? "" : ",", latencies_[i]);
    }
    std::printf("], \"timeline\": [");
    for (size_t i = 0; i < timeline_.size(); ++i) {
      std::printf("%s[%llu,%llu]", i == 0 ? "" : ",",
                  static_cast<unsigned long long>(timeline_[i][0]),
                  static_cast<unsigned long long>(timeline_[i][1]));
    }
    int64_t worst = 0;
    for (const auto& watch : watches_) worst = std::max(worst, watch->worst_us());
    std::printf("], \"stall_ms\": %.1f}\n", static_cast<double>(worst) / 1000);
  }

  const Options options_;
  sockaddr_in at_{};
  int epoll_ = -1;
  Time begin_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Watch>>& watches_;
  uint64_t next_number_ = 1, offered_ = 0, opened_ = 0, body_bytes_ = 0;
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> closed_;
  std::vector<Connection*> idle_;
  std::map<uint64_t, Connection*> by_number_;
  std::deque<std::pair<Time, uint64_t>> open_;  // by deadline
  std::vector<double> latencies_;
  std::map<std::string, uint64_t> failures_;
  std::vector<std::array<uint64_t, 2>> timeline_;  // each half second: answered, failed
  std::array<char, 65536> buffer_;
};

std::vector<std::string> Paths(const std::string& argument) {
  if (!argument.starts_with('@')) return {argument};
  std::vector<std::string> paths;
  std::ifstream file(argument.substr(1));
  for (std::string line; std::getline(file, line);) paths.push_back(line);
  return paths;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9) {
    std::fprintf(stderr,
                 "usage: bench-scenario-load PORT RATE SKIP_MS SECONDS METHOD PATH TIMEOUT_MS "
                 "SEED [CORE...]\n");
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Options options;
  options.port = static_cast<uint16_t>(std::atoi(argv[1]));
  options.rate = std::atof(argv[2]);
  options.skip = milliseconds(std::atoi(argv[3]));
  options.seconds = std::atoi(argv[4]);
  options.method = argv[5];
  options.paths = Paths(argv[6]);
  if (options.paths.empty()) {
    std::fprintf(stderr, "%s: no paths\n", argv[6]);
    return 2;
  }
  options.timeout = milliseconds(std::atoi(argv[7]));
  options.seed = static_cast<uint64_t>(std::atoll(argv[8]));
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 9; i < argc; ++i) watches.push_back(std::make_unique<Watch>(std::atoi(argv[i])));
  Load(options, watches).Run();
}
