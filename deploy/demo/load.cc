// A load generator that checks what it gets: keep-alive connections, each request as soon as the
// answer before it is there (or at a fixed total rate), every status counted, chosen response
// fields counted or compared. For the demo and the tests; prints one JSON line. Loopback only.
// Never repeats a request.
//
//   demo-load --to 127.0.0.1:15001 --host pay.example --path /v2/payments/7 --seconds 5
//     -H "authorization: Bearer ..." --count-field x-instance --same x-a,x-b,x-c
//
// SIGTERM ends it early; it reports all the same.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "proxy/http/codec.h"
#include "proxy/net/buffer.h"
#include "proxy/net/transport.h"
#include "proxy/net/write_queue.h"

namespace tollgate::proxy {
namespace {

struct Options {
  std::string to, host = "localhost", method = "GET", path = "/", body, count_field, payment_prefix;
  std::vector<std::string> headers;
  std::string same;  // comma separated response fields that must agree in each response
  uint32_t connections = 4;
  double seconds = 5;
  uint64_t requests = 0;  // 0: by time
  double rate = 0;        // 0: as fast as it goes
  std::vector<int> expect = {200, 201};
  bool until_refused = false;
  std::string failures;
};

struct Tally {
  uint64_t requests = 0;  // sent
  uint64_t failed = 0;    // no whole answer, an unexpected status, or fields that disagree
  uint64_t torn = 0;      // of those: fields that disagree
  uint64_t lost = 0;      // of those: no whole answer
  std::map<int, uint64_t> statuses;
  std::map<std::string, uint64_t> counted;
  std::map<std::string, uint64_t> reasons;
  std::vector<std::string> failures;  // "NUMBER STATUS OUTCOME" of each request that failed
  std::vector<uint32_t> latencies_us;
  void Add(const Tally& o) {
    requests += o.requests;
    failed += o.failed;
    torn += o.torn;
    lost += o.lost;
    for (const auto& [k, v] : o.statuses) statuses[k] += v;
    for (const auto& [k, v] : o.counted) counted[k] += v;
    for (const auto& [k, v] : o.reasons) reasons[k] += v;
    failures.insert(failures.end(), o.failures.begin(), o.failures.end());
    latencies_us.insert(latencies_us.end(), o.latencies_us.begin(), o.latencies_us.end());
  }
};

// The `code` of a problem (RFC 9457), or how an answer that is none begins. Few distinct values, so they may be
// counted.
std::string CodeOf(const std::string& body) {
  constexpr absl::string_view kCode = "\"code\":\"";
  const size_t at = body.find(kCode.data(), 0, kCode.size());
  if (at == std::string::npos) return body.substr(0, 40);
  const size_t begin = at + kCode.size();
  return body.substr(begin, body.find('"', begin) - begin);
}

// One connection, blocking; made anew when the peer closed it.
class Client final : private ClientCodecEvents {
 public:
  Client(const Options& options, const Address& to) : options_(options), to_(to), out_(pool_) {}
  ~Client() { Disconnect(); }

  // False: nothing was sent, since nobody listens any more, and that is how it was to end.
  bool One(uint64_t number, Tally& tally, const Clock& clock) {
    const MonoTime start = clock.Mono();
    done_ = broken_ = false;
    status_ = 0;
    outcome_.clear();
    body_.clear();
    if (fd_ >= 0 && !Alive()) Disconnect();
    const bool connected = fd_ >= 0 || Connect();
    if (!connected && errno == ECONNREFUSED && options_.until_refused) return false;
    ++tally.requests;
    const uint64_t failed = tally.failed;
    if (connected) {
      Exchange(number, tally, clock, start);
    } else {
      ++tally.failed;
      ++tally.lost;
      ++tally.reasons["connect"];
    }
    if (tally.failed > failed) {
      tally.failures.push_back(
          absl::StrCat(number, " ", status_, " ", outcome_.empty() ? "-" : outcome_));
    }
    return true;
  }

 private:
  void Exchange(uint64_t number, Tally& tally, const Clock& clock, MonoTime start) {
    RequestHead head;
    head.method = MethodOf(options_.method);
    head.method_name = options_.method;
    head.authority = options_.host;
    const std::vector<std::string> target = absl::StrSplit(options_.path, absl::MaxSplits('?', 1));
    head.path = target[0];
    head.has_query = target.size() > 1;
    if (head.has_query) head.query = target[1];
    for (const std::string& line : options_.headers) {
      const std::vector<std::string> pair = absl::StrSplit(line, absl::MaxSplits(": ", 1));
      head.headers.Add(pair[0], pair.size() > 1 ? pair[1] : "");
    }
    if (!options_.payment_prefix.empty()) {
      head.headers.Add("x-payment-id", absl::StrCat(options_.payment_prefix, number));
    }
    const bool has_body = !options_.body.empty() || head.method == Method::kPost;
    if (has_body) head.body = {BodySize::Kind::kLength, options_.body.size()};
    const StreamId id = codec_->EncodeHead(head, options_.body.empty(), out_);
    if (!options_.body.empty()) codec_->EncodeData(id, options_.body, true, out_);
    out_.Settle();
    if (!Write() || !Read()) {
      ++tally.failed;
      ++tally.lost;
      ++tally.reasons["connection lost"];
      Disconnect();
      return;
    }
    tally.latencies_us.push_back(
        static_cast<uint32_t>((clock.Mono() - start) / std::chrono::microseconds(1)));
    ++tally.statuses[status_];
    if (!options_.count_field.empty()) ++tally.counted[field_];
    if (std::find(options_.expect.begin(), options_.expect.end(), status_) ==
        options_.expect.end()) {
      ++tally.failed;
      ++tally.reasons[absl::StrCat(status_, " ", CodeOf(body_))];
    } else if (torn_) {
      ++tally.failed;
      ++tally.torn;
      ++tally.reasons["fields disagree"];
    }
    if (codec_->closing()) Disconnect();
  }

  bool Connect() {
    sockaddr_storage sa;
    const socklen_t len = to_.ToSockaddr(&sa);
    fd_ = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return false;
    if (connect(fd_, reinterpret_cast<sockaddr*>(&sa), len) != 0) {
      const int error = errno;
      close(std::exchange(fd_, -1));
      errno = error;
      return false;
    }
    transport_ = MakePlainTransport(fd_);
    codec_ = MakeHttp1ClientCodec(*this, CodecLimits{});
    return true;
  }
  void Disconnect() {
    transport_.reset();  // closes
    fd_ = -1;
    codec_.reset();
    out_.Clear();
  }
  // The server may have closed while we were idle.
  bool Alive() const {
    char c;
    return recv(fd_, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
  }
  // The socket blocks, so everything is written or the connection is gone.
  bool Write() { return out_.Flush(*transport_).kind == IoResult::Kind::kOk; }
  bool Read() {
    char buffer[65536];
    while (!done_) {
      pollfd p{fd_, POLLIN, 0};
      if (poll(&p, 1, 30'000) <= 0) return false;
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      if (n <= 0) {
        if (n == 0) codec_->FeedEof();
        return done_;
      }
      if (codec_->Feed({buffer, static_cast<size_t>(n)}).failed) return false;
    }
    return !broken_;
  }

  void OnResponseInformational(StreamId, ResponseHead&) override {}
  void OnResponseHead(StreamId, ResponseHead& head, bool end) override {
    status_ = head.status;
    field_ = std::string(head.headers.Get(options_.count_field).value_or(""));
    outcome_ = std::string(head.headers.Get("tollgate-outcome").value_or(""));
    torn_ = false;
    if (!options_.same.empty()) {
      std::optional<std::string> first;
      for (absl::string_view name : absl::StrSplit(options_.same, ',')) {
        const std::string value(head.headers.Get(name).value_or("(none)"));
        if (!first.has_value()) first = value;
        if (value != *first || value == "(none)") torn_ = true;
      }
    }
    done_ = end;
  }
  void OnResponseData(StreamId, absl::string_view data, bool end) override {
    if (body_.size() < 4096) body_.append(data.data(), data.size());
    done_ = end;
  }
  void OnResponseTrailers(StreamId, HeaderMap&) override { done_ = true; }
  void OnResponseReset(StreamId, ResetReason) override { done_ = broken_ = true; }
  void OnGoAway(StreamId) override {}

  const Options& options_;
  const Address& to_;
  BufferPool pool_;
  int fd_ = -1;  // of transport_
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ClientCodec> codec_;
  WriteQueue out_;
  bool done_ = false, broken_ = false, torn_ = false;
  int status_ = 0;
  std::string field_, outcome_, body_;
};

std::string Quote(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

template <typename Map>
std::string Json(const Map& map) {
  std::string out = "{";
  for (const auto& [key, value] : map) {
    absl::StrAppend(&out, out.size() > 1 ? "," : "", Quote(absl::StrCat(key)), ":", value);
  }
  return out + "}";
}

int Main(int argc, char** argv) {
  CLI::App app("Tollgate's demo load: requests whose answers are checked.");
  Options o;
  app.add_option("--to", o.to, "HOST:PORT on loopback, or unix:/path")->required();
  app.add_option("--host", o.host, "Host header");
  app.add_option("--method", o.method);
  app.add_option("--path", o.path);
  app.add_option("--body", o.body);
  app.add_option("-H,--header", o.headers, "\"name: value\"")->allow_extra_args(false);
  app.add_option("--connections", o.connections);
  app.add_option("--seconds", o.seconds);
  app.add_option("--requests", o.requests, "stop after so many (0: by time)");
  app.add_option("--rate", o.rate, "requests a second in all (0: as fast as it goes)");
  app.add_option("--expect", o.expect, "statuses that are no failure")->delimiter(',');
  app.add_option("--count-field", o.count_field, "response field whose values are counted");
  app.add_option("--same", o.same, "response fields, comma separated, that must agree");
  app.add_option("--payment-prefix", o.payment_prefix, "adds x-payment-id PREFIXn, each n once");
  app.add_flag("--until-refused", o.until_refused,
               "a connection that is refused ends its client and is no failure");
  app.add_option("--failures", o.failures,
                 "write a line \"NUMBER STATUS TOLLGATE-OUTCOME\" for each failed request here");
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  auto to = Address::Parse(o.to);
  if (!to.ok() || !to->is_local()) {
    std::fprintf(stderr, "demo-load: --to \"%s\": expected a loopback address\n", o.to.c_str());
    return 2;
  }

  const SystemClock clock;
  const MonoTime start = clock.Mono();
  const MonoTime end = start + Duration(static_cast<int64_t>(o.seconds * 1e9));
  std::atomic<uint64_t> next{0};
  std::atomic<uint32_t> running{o.connections};
  std::atomic<bool> stop{false};
  // Before the threads start, so that they inherit it: only the main thread sees these.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Tally total;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < o.connections; ++i) {
    threads.emplace_back([&] {
      Client client(o, *to);
      Tally tally;
      while (!stop) {
        const uint64_t n = next.fetch_add(1);
        if (o.requests > 0 ? n >= o.requests : clock.Mono() >= end) break;
        if (o.rate > 0) {
          const MonoTime due = start + Duration(static_cast<int64_t>(n * 1e9 / o.rate));
          if (o.requests == 0 && due >= end) break;
          while (clock.Mono() < due) std::this_thread::sleep_for(due - clock.Mono());
        }
        if (!client.One(n, tally, clock)) break;
      }
      std::lock_guard lock(mutex);
      total.Add(tally);
      --running;
    });
  }
  constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 10'000'000};
  while (running > 0) {
    if (sigtimedwait(&signals, nullptr, &kTick) > 0) stop = true;
  }
  for (std::thread& t : threads) t.join();
  const double took = std::chrono::duration<double>(clock.Mono() - start).count();
  if (!o.failures.empty()) {
    std::FILE* file = std::fopen(o.failures.c_str(), "we");
    if (file == nullptr) {
      std::fprintf(stderr, "demo-load: --failures \"%s\": cannot be written\n", o.failures.c_str());
      return 2;
    }
    for (const std::string& line : total.failures) std::fprintf(file, "%s\n", line.c_str());
    std::fclose(file);
  }
  auto& l = total.latencies_us;
  std::sort(l.begin(), l.end());
  const auto at = [&l](double q) {
    return l.empty() ? 0u : l[std::min(l.size() - 1, static_cast<size_t>(q * l.size()))];
  };
  std::printf(
      "{\"requests\":%llu,\"failed\":%llu,\"lost\":%llu,\"torn\":%llu,\"per_second\":%.0f,"
      "\"statuses\":%s,\"counted\":%s,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u,\"reasons\":%s}\n",
      static_cast<unsigned long long>(total.requests),
      static_cast<unsigned long long>(total.failed), static_cast<unsigned long long>(total.lost),
      static_cast<unsigned long long>(total.torn), total.requests / took,
      Json(total.statuses).c_str(), Json(total.counted).c_str(), at(0.5), at(0.99),
      l.empty() ? 0 : l.back(), Json(total.reasons).c_str());
  return total.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tollgate::proxy

int main(int argc, char** argv) { return tollgate::proxy::Main(argc, argv); }
