// The demo's payments service: answers /payments, says which instance it is, can be made slow while
// it runs, and remembers each payment it was asked to make (so that a test can see one that arrived
// twice). One thread, on the data plane's own loop and codec. Loopback only.
//
//   demo-payments --listen 127.0.0.1:9001 --name payments-1
//   curl -X POST 'http://127.0.0.1:9001/_demo/delay?ms=50'     make it slow
//   curl -X POST 'http://127.0.0.1:9001/_demo/health?status=503'   what .../healthz answers
//   curl http://127.0.0.1:9001/_demo/stats                     what it has seen
// With --journal FILE each x-payment-id is appended when its request head arrives: survives kill
// -9.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proxy/event/loop.h"
#include "proxy/http/codec.h"
#include "proxy/net/listener.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxBody = 1 << 20;

struct Service {
  std::string name;
  Duration delay{};
  int journal = -1;  // owned by the process
  int health = 200;  // status of what ends with /healthz; no request like others
  uint64_t requests = 0;
  std::map<std::string, uint64_t> payments;  // x-payment-id -> how often it arrived
};

class Connection final : private IoHandler, private ServerCodecEvents {
 public:
  Connection(Loop& loop, BufferPool& pool, Service& service, UniqueFd fd)
      : loop_(loop),
        service_(service),
        transport_(MakePlainTransport(fd.release())),
        codec_(MakeHttp1ServerCodec(*this, CodecLimits{})),
        out_(pool),
        in_(pool),
        later_([this] { Respond(); }) {}
  ~Connection() {
    if (watched_) loop_.Unwatch(transport_->fd(), this);
  }
  bool Start() { return watched_ = loop_.Watch(transport_->fd(), this).ok(); }
  bool closed() const { return closed_; }

 private:
  void OnIo(IoEvents events) override {
    if (events.writable && !out_.empty()) Flush();
    if (!events.readable && !events.hangup) return;
    char buffer[65536];
    for (;;) {
      const IoResult got = transport_->Read(buffer, sizeof(buffer));
      if (got.kind == IoResult::Kind::kWouldBlock) break;
      if (got.kind != IoResult::Kind::kOk) {
        closed_ = true;
        return;
      }
      in_.Append({buffer, got.bytes});
    }
    Feed();
  }

  void Feed() {
    if (std::exchange(feeding_, true)) return;  // an answer inside of a feed: the loop goes on
    while (!in_.empty() && !closed_) {
      const FeedResult fed = codec_->Feed(in_.view());
      in_.Consume(fed.consumed);
      if (fed.failed) closed_ = true;
      if (fed.failed || fed.consumed == 0) break;
    }
    feeding_ = false;
    Flush();
  }

  void Flush() {
    if (out_.Flush(*transport_).kind == IoResult::Kind::kError) closed_ = true;
    out_.Settle();
    if (codec_->closing() && out_.empty()) closed_ = true;
  }

  void OnRequestHead(StreamId id, RequestHead& head, bool end) override {
    id_ = id;
    std::swap(head_, head);
    body_.clear();
    Journal();
    if (end) Schedule();
  }
  void OnRequestData(StreamId, absl::string_view data, bool end) override {
    if (body_.size() + data.size() <= kMaxBody) body_.append(data.data(), data.size());
    if (end) Schedule();
  }
  void OnRequestTrailers(StreamId, HeaderMap&) override { Schedule(); }
  void OnRequestReset(StreamId, ResetReason) override { closed_ = true; }

  // One write a payment: appended whole, and in the file before anything else happens to it.
  void Journal() {
    if (service_.journal < 0 || head_.method != Method::kPost) return;
    const auto id = head_.headers.Get("x-payment-id");
    if (!id.has_value()) return;
    const std::string line = absl::StrCat(*id, "\n");
    if (write(service_.journal, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      std::perror("demo-payments: --journal");
      std::_Exit(1);
    }
  }

  void Schedule() {
    if (service_.delay > Duration::zero() && head_.path.rfind("/_demo/", 0) != 0) {
      loop_.ArmAfter(later_, service_.delay);
    } else {
      Respond();
    }
  }

  void Respond() {
    int status = 200;
    std::string body;
    absl::string_view query = head_.query;
    if (head_.path == "/_demo/delay") {
      uint32_t ms = 0;
      if (absl::ConsumePrefix(&query, "ms=") && absl::SimpleAtoi(query, &ms)) {
        service_.delay = std::chrono::milliseconds(ms);
        body = absl::StrCat("{\"delay_ms\":", ms, "}\n");
      } else {
        status = 400;
        body = "{\"error\":\"expected ?ms=NUMBER\"}\n";
      }
    } else if (head_.path == "/_demo/health") {
      uint32_t wanted = 0;
      if (absl::ConsumePrefix(&query, "status=") && absl::SimpleAtoi(query, &wanted) &&
          wanted >= 200 && wanted <= 599) {
        service_.health = static_cast<int>(wanted);
        body = absl::StrCat("{\"health\":", wanted, "}\n");
      } else {
        status = 400;
        body = "{\"error\":\"expected ?status=NUMBER\"}\n";
      }
    } else if (absl::EndsWith(head_.path, "/healthz")) {
      status = service_.health;
      body = absl::StrCat("{\"health\":", status, "}\n");
    } else if (head_.path == "/_demo/stats") {
      uint64_t twice = 0;
      for (const auto& [payment, times] : service_.payments) twice += times > 1;
      body = absl::StrCat("{\"instance\":\"", service_.name, "\",\"requests\":", service_.requests,
                          ",\"payments\":", service_.payments.size(), ",\"twice\":", twice, "}\n");
    } else {
      ++service_.requests;
      if (head_.method == Method::kPost) {
        status = 201;
        if (const auto id = head_.headers.Get("x-payment-id")) {
          ++service_.payments[std::string(*id)];
        }
      }
      uint32_t size = 0;
      if (const auto wanted = head_.headers.Get("x-size");
          wanted.has_value() && absl::SimpleAtoi(*wanted, &size) && size <= kMaxBody) {
        body.assign(size, 'x');
      } else {
        const auto consumer = head_.headers.Get("x-tollgate-consumer");
        body = absl::StrCat("{\"instance\":\"", service_.name, "\",\"path\":\"", head_.path,
                            "\",\"consumer\":\"", consumer.value_or(""), "\"}\n");
      }
    }
    ResponseHead response;
    response.status = status;
    response.body = {BodySize::Kind::kLength, body.size()};
    response.headers.Add(HeaderId::kContentType, "application/json");
    response.headers.Add("x-instance", service_.name);
    codec_->EncodeHead(id_, response, body.empty(), out_);
    if (!body.empty()) codec_->EncodeData(id_, body, true, out_);
    out_.Settle();
    Flush();
    if (!closed_ && !in_.empty()) Feed();
  }

  Loop& loop_;
  Service& service_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ServerCodec> codec_;
  WriteQueue out_;
  Buffer in_;
  Timer later_;
  StreamId id_ = 0;
  RequestHead head_;
  std::string body_;
  bool feeding_ = false;
  bool watched_ = false;
  bool closed_ = false;
};

int Main(int argc, char** argv) {
  CLI::App app("The payments service of Tollgate's demo.");
  std::string listen = "127.0.0.1:9001";
  Service service;
  service.name = "payments";
  uint32_t delay_ms = 0;
  app.add_option("--listen", listen, "loopback address or unix:/path");
  app.add_option("--name", service.name, "what this instance calls itself");
  app.add_option("--delay-ms", delay_ms, "wait before each answer");
  std::string journal;
  app.add_option("--journal", journal, "append each x-payment-id to this file");
  CLI11_PARSE(app, argc, argv);
  if (!journal.empty()) {
    service.journal = open(journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (service.journal < 0) {
      std::fprintf(stderr, "demo-payments: --journal \"%s\": cannot be written\n", journal.c_str());
      return 2;
    }
  }
  service.delay = std::chrono::milliseconds(delay_ms);

  signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  BufferPool pool;
  auto loop = Loop::Create(clock);
  auto address = Address::Parse(listen);
  if (!loop.ok() || !address.ok() || !address->is_local()) {
    std::fprintf(stderr, "demo-payments: --listen \"%s\": expected a loopback HOST:PORT\n",
                 listen.c_str());
    return 2;
  }
  auto socket = Listen(*address);
  if (!socket.ok()) {
    std::fprintf(stderr, "demo-payments: %s\n", std::string(socket.status().message()).c_str());
    return 1;
  }
  std::vector<std::unique_ptr<Connection>> connections;
  std::printf("listening on %s\n", socket->address.ToString().c_str());
  std::fflush(stdout);
  auto acceptor = Acceptor::Create(**loop, *std::move(socket), [&](AcceptedConnection accepted) {
    auto connection = std::make_unique<Connection>(**loop, pool, service, std::move(accepted.fd));
    if (connection->Start()) connections.push_back(std::move(connection));
  });
  if (!acceptor.ok()) return 1;
  for (;;) {
    (*loop)->RunOnce(std::chrono::seconds(1));
    std::erase_if(connections, [](const auto& c) { return c->closed(); });
  }
}

}  // namespace
}  // namespace tollgate::proxy

int main(int argc, char** argv) { return tollgate::proxy::Main(argc, argv); }
