// The upstream's side of one stream: from the permit to a response head, through however many
// attempts the retry contract (proxy/upstream/retry_policy.h) and the route's hedging allow, then
// that response. Part of its stream, which is told through UpstreamEvents; reused with it. Worker
// thread only.
//
// Order in the code: bookkeeping first, the call that may end the stream last.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "proxy/filter/context.h"
#include "proxy/filter/permit.h"
#include "proxy/observe/access_log.h"
#include "proxy/stream/request_body.h"
#include "proxy/stream/worker_context.h"
#include "proxy/upstream/attempt.h"
#include "proxy/upstream/retry_policy.h"

namespace tollgate::proxy {

// Why there is no (whole) response. Static storage.
struct UpstreamFailure {
  int status = 503;  // what to answer, unless a response head was passed on already
  const char* reason = "";
  const char* detail = "";
  bool overflow = false;  // there is no room for it: nothing is wrong, and nothing was done
};

// Until when a request may take, and who says so.
struct UpstreamDeadline {
  MonoTime at = kNever;
  bool of_caller = false;  // it is the caller's, which comes before the route's
  UpstreamFailure Failure() const {
    return {504, of_caller ? "deadline_exceeded" : "route_timeout",
            "There was not enough time for an answer."};
  }
};

// What the stream is told. It may end the request inside any of them.
class UpstreamEvents {
 public:
  // The body may go on, if it was told to wait.
  virtual void OnUpstreamWritable() = 0;
  virtual void OnUpstreamInformational(ResponseHead& head) = 0;
  virtual void OnUpstreamHead(ResponseHead& head, bool end) = 0;
  virtual void OnUpstreamData(absl::string_view data, bool end) = 0;
  virtual void OnUpstreamTrailers(HeaderMap& trailers) = 0;
  // Nothing more comes, and no further attempt is made.
  virtual void OnUpstreamFailed(const UpstreamFailure& failure) = 0;

 protected:
  ~UpstreamEvents() = default;
};

class UpstreamRequest final {
 public:
  UpstreamRequest(WorkerContext& worker, RequestBody& body, UpstreamEvents& events);
  ~UpstreamRequest();
  UpstreamRequest(const UpstreamRequest&) = delete;
  UpstreamRequest& operator=(const UpstreamRequest&) = delete;

  // Makes the first attempt. The others outlive this, or Clear. Nothing is begun after the
  // deadline, but that it passes is the stream's to see.
  void Start(Cluster& cluster, Permit& permit, const RequestContext& context,
             const UpstreamDeadline& deadline);

  // More of the body, which RequestBody has not seen. False: it is to wait for OnUpstreamWritable.
  bool SendData(absl::string_view data, bool end);
  // The trailers, which RequestBody has.
  void SendTrailers();
  // A tunnel's bytes.
  bool SendTunnel(absl::string_view data);
  // Response back pressure.
  void Pause() { last_->attempt.Pause(); }
  void Resume() { last_->attempt.Resume(); }

  // Gives it up; nothing is called any more.
  void Abandon();
  // The same, because the deadline has passed: held against endpoints that had time enough.
  void TimeOut();
  // For the log: the attempt that has no response head yet took until now.
  void StopClock();
  // Over, after the log was written: as new, but for the storage.
  void Clear();

  bool started() const { return cluster_ != nullptr; }
  // A request that may change something, of which a byte may have been sent: it may have been done.
  bool may_have_run() const;
  // The same of an attempt before the last, which never got an answer.
  bool may_have_run_unanswered() const;

  // For the log.
  uint32_t attempts() const { return attempts_; }
  const std::string& endpoint_name() const { return last_->attempt.endpoint_name(); }
  const std::string& retries() const { return retries_; }
  // Of the last attempt, or the one that was answered: to the response head, or to its end without.
  Duration duration() const { return last_->record.duration; }
  // Whether a response head was passed on.
  bool answered() const { return head_forwarded_; }
  // Since when duration() counts.
  MonoTime began() const { return last_->started; }
  // All attempts, if there were several. Once, at the end.
  absl::Span<const AttemptRecord> TakeTries();

 private:
  // A place for attempts, one at a time: a retry takes the place of what failed, a hedge is made in
  // a lane of its own.
  struct Lane final : private AttemptEvents {
    explicit Lane(UpstreamRequest& r)
        : request(r), attempt(*this), timer([this] { request.OnTimer(*this); }) {}
    bool busy() const { return attempt.active() || backing_off; }

    UpstreamRequest& request;
    Attempt attempt;
    Timer timer;  // attempt timeout, or the pause before a retry
    std::optional<RetryBudget::Ticket> ticket;
    MonoTime started{};
    AttemptRecord
        record;  // of the attempt; number 0: there was none. Its endpoint is the attempt's
    bool backing_off = false;
    bool elsewhere = false;  // not at an endpoint that was tried
    bool fresh = false;      // on a connection that carried nothing before

   private:
    bool OnAttemptConnected() override { return request.OnConnected(*this); }
    void OnAttemptReady() override { request.OnReady(*this); }
    void OnAttemptDrained() override { request.events_.OnUpstreamWritable(); }
    void OnAttemptInformational(ResponseHead& head) override {
      request.events_.OnUpstreamInformational(head);
    }
    void OnAttemptHead(ResponseHead& head, bool end) override { request.OnHead(*this, head, end); }
    void OnAttemptData(absl::string_view data, bool end) override {
      request.events_.OnUpstreamData(data, end);
    }
    void OnAttemptTrailers(HeaderMap& trailers) override {
      request.events_.OnUpstreamTrailers(trailers);
    }
    void OnAttemptFailed(const AttemptFailure& failure) override {
      request.OnFailed(*this, failure);
    }
  };
  // What only routes with hedging need.
  struct Hedges {
    explicit Hedges(UpstreamRequest& request) : timer([&request] { request.OnHedgeTimer(); }) {}
    Timer timer;
    uint32_t started = 0;
    std::array<std::unique_ptr<Lane>, 3> lanes;  // made when they are needed
  };

  bool OnConnected(Lane& lane);
  void OnReady(Lane& lane);
  void OnHead(Lane& lane, ResponseHead& head, bool end);
  void OnFailed(Lane& lane, const AttemptFailure& failure);
  void OnTimer(Lane& lane);
  void OnHedgeTimer();

  void StartAttempt(Lane& lane, absl::string_view allowed_by);
  void PlanHedges();
  Lane* FreeHedgeLane();
  // Tries again if the contract allows it; false: it does not. `pushback`: how long the upstream
  // wants to be left alone. `unknown`: it said that it does not know whether it was done.
  bool Retry(Lane& lane, AttemptEnd end, int status, Duration pushback, bool unknown = false);
  bool DropIfOthersRun(Lane& lane);
  void Finish(Lane& lane, int status, absl::string_view ended);
  void Cancel(Lane& lane, absl::string_view ended);
  // Puts all endpoints that were asked into tried_; true: there is another.
  bool FindUntried();
  Duration TimeLeft() const { return deadline_.at - worker_.loop.now(); }
  // Whether the deadline may give an attempt less than its service is meant to have: it is a
  // caller's, or attempts before this one have used it up.
  bool ShortensTime(const Lane& lane) const {
    return deadline_.of_caller || lane.record.number > 1;
  }
  template <typename F>  // void(Lane&)
  void ForEachLane(F f);

  WorkerContext& worker_;
  RequestBody& body_;
  UpstreamEvents& events_;
  Cluster* cluster_ = nullptr;
  Permit* permit_ = nullptr;
  const RequestContext* context_ = nullptr;
  UpstreamDeadline deadline_;
  Lane first_;
  Lane* last_ = &first_;            // the newest, then the one whose response is passed on
  std::unique_ptr<Hedges> hedges_;  // null until a route hedges
  uint32_t attempts_ = 0;
  bool tells_deadline_ = false;  // to the upstream
  bool head_forwarded_ = false;
  bool sent_before_ = false;         // by an attempt whose lane has gone on, but for a 421
  bool unanswered_before_ = false;   // the same, and it got no answer
  bool misdirected_before_ = false;  // one was answered with 421

  absl::InlinedVector<const EndpointPool*, 4> tried_;
  std::string retries_;
  std::vector<AttemptRecord> tries_;  // those whose lane has gone on
};

}  // namespace tollgate::proxy
