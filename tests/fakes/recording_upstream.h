// An endpoint that goes wrong on purpose and writes down all that reaches it: which request each
// connection brought, how much of it, and how that ended as seen from here. On a Unix socket, so
// that what one side does the other sees at once, and a run depends on its seed alone. Requests
// name themselves in their path: "/r/17".
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {

// What becomes of one reception.
enum class Fault {
  kNone,           // answered
  kSlow,           // answered later
  kBlackHole,      // never answered
  kCloseAtOnce,    // closed as soon as a byte is there
  kReset,          // closed with bytes unread: the peer sees a reset
  kCloseInMiddle,  // half a response, then closed
  kGarbage,        // no HTTP
  kInterim,        // 102, then closed
  kMisdirected,    // 421
  kTooEarly,       // 425
  kError500,
  kError502,
  kError503,
  kPushback,  // 503 with Retry-After
  kError504,
};
inline constexpr int kFaults = static_cast<int>(Fault::kError504) + 1;

// One request as it arrived on one connection, fully or partly.
struct Reception {
  int request = -1;
  int endpoint = -1;
  uint64_t order = 0;   // over all endpoints
  MonoTime at{};        // its first byte
  bool whole = false;   // all of it was read
  bool reused = false;  // the connection had brought another before
  bool spoke = false;   // a byte went back
  int status = 0;       // of the head that went back; 0: none did
  bool closed_here = false;
  int64_t told_ms = -1;  // its x-request-deadline-ms
  std::string receipt;   // what a whole answer to it carries
};

class RecordingUpstream {
 public:
  RecordingUpstream(int id, Address address) : id_(id), address_(std::move(address)) { Open(); }

  const Address& address() const { return address_; }
  // Refuses connections; those that nobody has accepted are lost with all that they brought.
  void Refuse() {
    TakeWaiting();
    socket_.fd.reset();
    unlink(address_.host().c_str());
  }
  void Open() {
    if (socket_.fd.valid()) return;
    auto socket = Listen(address_);
    if (!socket.ok()) std::abort();
    socket_ = *std::move(socket);
  }
  // Connections that have no request close, one perhaps at the moment in which it is used again.
  void CloseIdle(MonoTime now, Random& random, std::vector<Reception>& receptions) {
    for (auto& connection : connections_) {
      Connection& c = *connection;
      char buffer[65536];
      if (c.reception >= 0) continue;
      const ssize_t n = recv(c.fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT | MSG_PEEK);
      if (n > 0) {
        c.in.append(buffer, static_cast<size_t>(n));
        Begin(
            c, now, receptions, [](int) { return Fault::kCloseAtOnce; }, random);
        Close(c, receptions.back());
      }
      c.fd.reset();
    }
    std::erase_if(connections_, [](const auto& c) { return !c->fd.valid(); });
  }

  // Reads, and does what `choose` says to each new reception. True: something happened.
  template <typename Choose>  // Fault(int request)
  bool Poll(MonoTime now, Random& random, std::vector<Reception>& receptions, Choose choose) {
    bool moved = TakeWaiting();
    for (auto& connection : connections_) {
      if (connection->fd.valid()) moved |= Serve(*connection, now, random, receptions, choose);
    }
    std::erase_if(connections_, [](const auto& c) { return !c->fd.valid(); });
    return moved;
  }

 private:
  struct Connection {
    explicit Connection(UniqueFd f) : fd(std::move(f)) {}
    UniqueFd fd;
    std::string in;
    int reception = -1;  // what it brings now: an index
    bool used = false;
    Fault fault = Fault::kNone;
    MonoTime due{};
    bool answered = false;  // and the rest of the request is awaited
  };

  bool TakeWaiting() {
    bool any = false;
    while (socket_.fd.valid()) {
      const int fd = Accept(socket_.fd.get(), nullptr);
      if (fd < 0) break;
      connections_.push_back(std::make_unique<Connection>(UniqueFd(fd)));
      any = true;
    }
    return any;
  }

  template <typename Choose>
  bool Serve(Connection& c, MonoTime now, Random& random, std::vector<Reception>& receptions,
             Choose choose) {
    bool gone = false;
    char buffer[65536];
    const auto take = [&](int flags) {
      const ssize_t n = recv(c.fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT | flags);
      if (n < 0 && errno == EAGAIN) return false;
      gone = n <= 0;
      if (n > 0) c.in.append(buffer, static_cast<size_t>(n));
      return n > 0;
    };
    // Bytes that are left unread turn the end of a Unix socket's connection into a reset.
    if (c.reception < 0) {
      if (take(MSG_PEEK)) {
        Begin(c, now, receptions, choose, random);
        Reception& r = receptions[static_cast<size_t>(c.reception)];
        r.whole = WholeSize(c.in) != std::string::npos;
        if (c.fault == Fault::kReset && r.order % 2 == 0) {
          Close(c, r);
          return true;
        }
        c.in.clear();
      }
    } else if (c.fault == Fault::kReset && take(MSG_PEEK)) {
      Close(c, receptions[static_cast<size_t>(c.reception)]);
      return true;
    }
    bool moved = false;
    while (!gone && take(0)) moved = true;
    if (gone) {
      c.fd.reset();  // the proxy gave it up
      return true;
    }
    if (c.reception >= 0) moved |= Act(c, now, receptions[static_cast<size_t>(c.reception)]);
    return moved;
  }

  template <typename Choose>
  void Begin(Connection& c, MonoTime now, std::vector<Reception>& receptions, Choose choose,
             Random& random) {
    Reception r;
    const auto at = c.in.find(" /r/");
    if (at == std::string::npos ||
        !absl::SimpleAtoi(c.in.substr(at + 4, c.in.find(' ', at + 4) - at - 4), &r.request)) {
      std::abort();  // heads are small: they come at once
    }
    r.endpoint = id_;
    r.order = receptions.size();
    r.at = now;
    r.reused = std::exchange(c.used, true);
    r.receipt = absl::StrCat(r.request, "-", id_, "-", r.order);
    if (const auto told = Field(c.in, "x-request-deadline-ms")) {
      if (!absl::SimpleAtoi(*told, &r.told_ms)) std::abort();
    }
    c.reception = static_cast<int>(receptions.size());
    c.fault = choose(r.request);
    c.answered = false;
    c.due = now;
    if (c.fault == Fault::kSlow) c.due += std::chrono::milliseconds(1 + random.Below(400));
    receptions.push_back(std::move(r));
  }

  static std::optional<std::string> Field(const std::string& text, absl::string_view name) {
    const std::string key = absl::StrCat("\r\n", name, ": ");
    const auto at = text.find(key);
    if (at == std::string::npos) return std::nullopt;
    const auto begin = at + key.size();
    return text.substr(begin, text.find("\r\n", begin) - begin);
  }
  // The size of the whole message at the front, or npos.
  static size_t WholeSize(const std::string& text) {
    const auto end = text.find("\r\n\r\n");
    if (end == std::string::npos) return std::string::npos;
    if (absl::StrContains(text.substr(0, end), "chunked")) {
      const auto last = text.find("0\r\n\r\n", end + 4);
      return last == std::string::npos ? last : last + 5;
    }
    size_t length = 0;
    if (const auto field = Field(text, "content-length")) (void)absl::SimpleAtoi(*field, &length);
    return text.size() >= end + 4 + length ? end + 4 + length : std::string::npos;
  }

  void Say(Connection& c, Reception& r, absl::string_view bytes) {
    r.spoke = send(c.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
  }
  void Close(Connection& c, Reception& r) {
    r.closed_here = true;
    c.fd.reset();
  }
  void Answer(Connection& c, Reception& r, int status, absl::string_view more = "") {
    r.status = status;
    Say(c, r,
        absl::StrCat("HTTP/1.1 ", status, " Whatever\r\nx-receipt: ", r.receipt, "\r\n", more,
                     "content-length: ", r.receipt.size(), "\r\n\r\n", head_ ? "" : r.receipt));
  }

  // True: something was done.
  bool Act(Connection& c, MonoTime now, Reception& r) {
    head_ = absl::StartsWith(c.in, "HEAD ");
    const size_t size = WholeSize(c.in);
    r.whole = r.whole || size != std::string::npos;
    if (c.answered) return r.whole ? Next(c, size) : false;
    switch (c.fault) {
      case Fault::kCloseAtOnce:
        Close(c, r);
        return true;
      case Fault::kReset:
        if (!r.whole) return false;  // until more comes
        Close(c, r);
        return true;
      default:
        break;
    }
    // The rest happens once the request is there; half of the errors do not wait for the body.
    const bool early = c.fault >= Fault::kMisdirected && r.order % 2 == 0;
    if ((!r.whole && !early) || now < c.due) return false;
    switch (c.fault) {
      case Fault::kNone:
      case Fault::kSlow:
        Answer(c, r, 200);
        break;
      case Fault::kCloseInMiddle:
        r.status = 200;
        // All that a HEAD wants, half of what the others do.
        Say(c, r,
            absl::StrCat("HTTP/1.1 200 OK\r\nx-receipt: ", r.receipt,
                         "\r\ncontent-length: 10\r\n\r\n", head_ ? "" : "half"));
        Close(c, r);
        return true;
      case Fault::kGarbage:
        Say(c, r, "SMTP ready\r\n\r\n");
        Close(c, r);
        return true;
      case Fault::kInterim:
        Say(c, r, "HTTP/1.1 102 Processing\r\n\r\n");
        Close(c, r);
        return true;
      case Fault::kMisdirected:
        Answer(c, r, 421);
        break;
      case Fault::kTooEarly:
        Answer(c, r, 425);
        break;
      case Fault::kError500:
        Answer(c, r, 500);
        break;
      case Fault::kError502:
        Answer(c, r, 502, "tollgate-outcome: unknown\r\n");
        break;
      case Fault::kError503:
        Answer(c, r, 503);
        break;
      case Fault::kPushback:
        Answer(c, r, 503, r.order % 3 == 0 ? "retry-after: 1\r\n" : "retry-after: 3600\r\n");
        break;
      case Fault::kError504:
        Answer(c, r, 504);
        break;
      default:
        return false;  // a black hole
    }
    c.answered = true;
    if (r.whole) Next(c, size);
    return true;
  }
  bool Next(Connection& c, size_t size) {
    c.in.erase(0, size);
    c.reception = -1;
    return true;
  }

  const int id_;
  const Address address_;
  ListeningSocket socket_;
  bool head_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace tollgate::proxy
