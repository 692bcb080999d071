#include "proxy/upstream/attempt.h"

#include <algorithm>
#include <utility>

#include "proxy/upstream/client_connection.h"
#include "proxy/upstream/cluster.h"

namespace tollgate::proxy {
namespace {

// An endpoint that is given four times its usual latency has time enough: at least so long, however
// fast it usually is, and at most so long.
constexpr double kFairFactor = 4;
constexpr Duration kLeastFairTime = std::chrono::milliseconds(50);
constexpr Duration kMostFairTime = std::chrono::seconds(1);

}  // namespace

// Order in everything below: bookkeeping first, the event last. The stream may abandon, restart or
// end itself inside an event, so nothing is touched after one.

void Attempt::Start(Cluster& cluster, const Permit& permit, bool end, const Avoid& avoid,
                    std::optional<uint64_t> hash) {
  Abandon();
  permit_ = &permit;
  answered_ = ready_ = reused_ = stale_ = request_done_ = response_done_ = hurried_ = sent_ =
      error_status_ = false;
  end_ = end;
  fresh_ = avoid.reused;
  EndpointPool* pool = cluster.Pick(avoid, hash);
  if (pool == nullptr) {
    last_pool_ = nullptr;
    endpoint_name_.clear();
    events_.OnAttemptFailed({AttemptFailure::Kind::kNoEndpoint, false, "no_endpoint"});
    return;
  }
  pool_ = pool;
  last_pool_ = pool;
  endpoint_name_ = pool->name();
  started_ = pool->now();
  pool->AttemptStarted();
  pool->Lease(*this);
}

void Attempt::OnConnection(ClientConnection& connection, bool reused) {
  connecting_ = nullptr;
  waiting_ = false;
  if (!events_.OnAttemptConnected()) {
    connection.Drain();
    Fail(AttemptFailure::Kind::kExpired, "deadline_exceeded");
    return;
  }
  connection_ = &connection;
  ready_ = true;
  reused_ = reused;
  request_done_ = end_;
  written_before_ = connection.queued();
  stream_ = connection.Send(*this, permit_->request(), end_);
  if (stream_ == 0) {
    connection.Reset(stream_);
    Fail(AttemptFailure::Kind::kUnsendable, "unsendable_request");
    return;
  }
  events_.OnAttemptReady();
}

void Attempt::SendData(absl::string_view data, bool end) {
  if (connection_ == nullptr) return;
  request_done_ = end;
  connection_->SendData(stream_, data, end);
}

void Attempt::SendTrailers(const HeaderMap& trailers) {
  if (connection_ == nullptr) return;
  request_done_ = true;
  connection_->SendTrailers(stream_, trailers);
}

bool Attempt::CanSend() const { return connection_ != nullptr && connection_->writable(); }

void Attempt::Pause() {
  if (connection_ != nullptr) connection_->Pause(stream_);
}

void Attempt::Resume() {
  if (connection_ != nullptr) connection_->Resume(stream_);
}

bool Attempt::bytes_sent() const {
  return sent_ || (connection_ != nullptr && connection_->written() > written_before_);
}

// What the endpoint is told: once how it answered (or that it did not), once that it is over.
void Attempt::Answered(Outcome outcome) {
  if (std::exchange(answered_, true)) return;
  pool_->stats().Answered(pool_->now(), pool_->now() - started_, outcome);
}

void Attempt::Detach(Outcome unless_answered) {
  if (pool_ == nullptr) return;
  sent_ = bytes_sent();
  Answered(unless_answered);
  connection_ = nullptr;
  ready_ = false;
  std::exchange(pool_, nullptr)->AttemptEnded();
}

void Attempt::Abandon() { GiveUp(Outcome::kCancelled); }

void Attempt::TimeOut() {
  // The endpoint has no part in a wait in our queue.
  if (waiting_ && connecting_ == nullptr) return Abandon();
  if (pool_ != nullptr && !answered_) pool_->ReportOutlier(/*error=*/true);
  GiveUp(Outcome::kFailure);
}

void Attempt::GiveTime(Duration time) {
  const Duration fair(static_cast<int64_t>(std::min(kFairFactor * pool_->stats().usual_latency(),
                                                    static_cast<double>(kMostFairTime.count()))));
  hurried_ = time < std::max(fair, kLeastFairTime);
}

void Attempt::GiveUp(Outcome outcome) {
  if (pool_ == nullptr) return;
  // It was answering: that its client has enough is not its fault.
  if (answered_ && !response_done_ && !error_status_ && outcome == Outcome::kCancelled) {
    pool_->ReportOutlier(/*error=*/false);
  }
  ClientConnection* connection = connection_;
  if (waiting_) pool_->CancelWait(*this);
  Detach(outcome);
  if (connection != nullptr) connection->Reset(stream_);
}

void Attempt::Fail(AttemptFailure::Kind kind, const char* reason) {
  waiting_ = false;
  connecting_ = nullptr;
  stale_ = kind == AttemptFailure::Kind::kConnectionLost && reused_ && connection_ != nullptr &&
           !connection_->received();
  // A cap, a request or a delay of ours says nothing about the endpoint.
  const bool ours = kind == AttemptFailure::Kind::kOverflow ||
                    kind == AttemptFailure::Kind::kUnsendable ||
                    kind == AttemptFailure::Kind::kExpired;
  // What was to be said of an answer that is an error was said with its head.
  if (!ours && pool_ != nullptr && !error_status_) {
    pool_->ReportOutlier(/*error=*/true);
    if (answered_ && !response_done_) pool_->stats().Broke(pool_->now());
  }
  Detach(ours ? Outcome::kCancelled : Outcome::kFailure);
  events_.OnAttemptFailed({kind, sent_, reason});
}

void Attempt::OnHead(ResponseHead& head, bool end) {
  // A sidecar that keeps the deadline that it was told says 504 in time.
  const bool excused = hurried_ && head.status == 504;
  Answered(excused ? Outcome::kCancelled : OutcomeOfStatus(head.status));
  // An answer is a good one when it is whole (or is a tunnel, which has no end of its own). One
  // that is excused says nothing, whole or not.
  error_status_ = OutlierDetector::IsErrorStatus(head.status);
  // To eject one that sheds would only push its load onto the next; its callers avoid it for a
  // moment.
  const bool shed = head.status == 503 &&
                    head.headers.Get(HeaderId::kTollgateOutcome) == absl::string_view(kRefused);
  if (!excused && !shed && (error_status_ || head.status == 101)) {
    pool_->ReportOutlier(error_status_);
  }
  pool_->TakeLoadReport(head.headers);
  if (end) OnResponseDone();
  events_.OnAttemptHead(head, end);
}

void Attempt::OnData(absl::string_view data, bool end) {
  if (end) OnResponseDone();
  events_.OnAttemptData(data, end);
}

void Attempt::OnTrailers(HeaderMap& trailers) {
  pool_->TakeLoadReport(trailers);
  OnResponseDone();
  events_.OnAttemptTrailers(trailers);
}

// With the request sent too, the connection is free for the next; else it stays ours until the
// stream gives it up.
void Attempt::OnResponseDone() {
  response_done_ = true;
  if (!error_status_) pool_->ReportOutlier(/*error=*/false);
  if (!request_done_) return;
  connection_->Detach(stream_);
  Detach(Outcome::kSuccess);
}

}  // namespace tollgate::proxy
