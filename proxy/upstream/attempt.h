// One try of one request at one endpoint. Part of its stream (no allocation a request); started
// with a Permit, from which the request is serialised. Worker thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/clock.h"
#include "proxy/filter/permit.h"
#include "proxy/http/codec.h"
#include "proxy/upstream/endpoint_stats.h"

namespace tollgate::proxy {

class ClientConnection;
class Cluster;
class EndpointPool;

// What the sidecar beside an instance says in Tollgate-Outcome with a 503 of its own, because the
// instance has enough to do: nothing was done, and the instance is not sick. Not passed on.
inline constexpr char kRefused[] = "refused";

struct AttemptFailure {
  enum class Kind : uint8_t {
    kNoEndpoint,      // nothing to send to
    kOverflow,        // connection and pending caps of the cluster, descriptors of the process
    kConnectFailed,   // refused, unreachable, timed out
    kConnectionLost,  // closed or reset, before or in the middle of the response
    kProtocolError,   // the upstream broke HTTP
    kUnsendable,      // the codec refuses to serialise the request; nothing was sent
    kReset,           // a multiplexed stream was given up by the upstream
    kExpired,         // OnAttemptConnected said no; nothing was sent
  };
  Kind kind = Kind::kNoEndpoint;
  bool bytes_sent = false;  // the kernel took at least one byte of the request
  const char* reason = "";  // a stable word for the log
};

// What the stream is told. The attempt is over after OnAttemptFailed, and after `end`/trailers once
// the request has been sent too. The stream may call Abandon inside any of them.
class AttemptEvents {
 public:
  // A connection is there; the permit's request is serialised next. False: it is too late for that.
  virtual bool OnAttemptConnected() = 0;
  // A connection is there and the head is on its way: the body may follow.
  virtual void OnAttemptReady() = 0;
  // What was sent has drained: CanSend() again.
  virtual void OnAttemptDrained() = 0;
  virtual void OnAttemptInformational(ResponseHead& head) = 0;
  virtual void OnAttemptHead(ResponseHead& head, bool end) = 0;
  virtual void OnAttemptData(absl::string_view data, bool end) = 0;
  virtual void OnAttemptTrailers(HeaderMap& trailers) = 0;
  virtual void OnAttemptFailed(const AttemptFailure& failure) = 0;

 protected:
  ~AttemptEvents() = default;
};

class Attempt {
 public:
  explicit Attempt(AttemptEvents& events) : events_(events) {}
  ~Attempt() { Abandon(); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Which endpoints to pass over: those that this request has tried.
  struct Avoid {
    absl::Span<const EndpointPool* const> tried = {};
    bool strictly = false;  // rather none than one of them
    bool reused = false;    // and connections that have served before
  };
  // Picks an endpoint of `cluster` and sends the permit's request head. `permit` outlives the
  // attempt. `end`: the request has no body. `hash`: of what the cluster's policy hashes; none: the
  // request does not have it, or nothing is hashed. May report failure before it returns.
  void Start(Cluster& cluster, const Permit& permit, bool end, const Avoid& avoid,
             std::optional<uint64_t> hash = {});

  // Ready attempts only. `data` is taken: sent, or copied to the connection's queue.
  void SendData(absl::string_view data, bool end);
  void SendTrailers(const HeaderMap& trailers);
  // False: stop sending until OnAttemptDrained.
  bool CanSend() const;
  // Response back pressure.
  void Pause();
  void Resume();
  // Gives it up; nothing is called any more. On HTTP/1 this closes the connection unless both
  // messages are complete.
  void Abandon();
  // The same, and held against the endpoint: it did not answer in time.
  void TimeOut();
  // Active attempts, before their answer: it is given so long. When that is less than the endpoint
  // may fairly take, a 504 is not held against it, and hurried() says so: callers who are in a
  // hurry must not get an endpoint ejected.
  void GiveTime(Duration time);
  bool hurried() const { return hurried_; }

  bool active() const { return pool_ != nullptr; }
  bool ready() const { return ready_; }
  // The last endpoint used, also after the end, to avoid it on a retry: only to compare, it may be
  // gone.
  const EndpointPool* endpoint() const { return last_pool_; }
  const std::string& endpoint_name() const { return endpoint_name_; }
  bool bytes_sent() const;
  // Whether it was lost on a connection that had served before, without a byte of a response.
  bool met_stale_connection() const { return stale_; }

 private:
  friend class ClientConnection;
  friend class EndpointPool;

  // From the pool and the connection.
  void OnConnection(ClientConnection& connection, bool reused);
  void Fail(AttemptFailure::Kind kind, const char* reason);
  void OnHead(ResponseHead& head, bool end);
  void OnData(absl::string_view data, bool end);
  void OnTrailers(HeaderMap& trailers);
  void OnResponseDone();
  void GiveUp(Outcome outcome);
  void Answered(Outcome outcome);
  void Detach(Outcome unless_answered);

  AttemptEvents& events_;
  EndpointPool* pool_ = nullptr;  // not null while active
  const EndpointPool* last_pool_ = nullptr;
  std::string endpoint_name_;
  ClientConnection* connection_ = nullptr;
  ClientConnection* connecting_ = nullptr;  // waits for this one
  const Permit* permit_ = nullptr;
  StreamId stream_ = 0;
  MonoTime started_{};
  uint64_t written_before_ = 0;
  bool answered_ = false;
  bool ready_ = false;
  bool reused_ = false;
  bool fresh_ = false;  // wants a connection that has not served
  bool stale_ = false;
  bool end_ = false;           // no body will follow the head
  bool error_status_ = false;  // the response's: reported with its head
  bool request_done_ = false;
  bool response_done_ = false;
  bool hurried_ = false;  // less time than is fair
  bool sent_ = false;     // remembered when the connection goes
  bool waiting_ = false;  // for a connection: in the pool's queue, or for one that is being made

 public:
  // Intrusive queue of the pool; nobody else's business.
  Attempt* queue_prev = nullptr;
  Attempt* queue_next = nullptr;
};

}  // namespace tollgate::proxy
