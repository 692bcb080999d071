#include "proxy/upstream/attempt.h"

#include <utility>

#include "proxy/upstream/client_connection.h"
#include "proxy/upstream/cluster.h"

namespace tollgate::proxy {

// Order in everything below: bookkeeping first, the event last. The stream may abandon, restart or
// end itself inside an event, so nothing is touched after one.

void Attempt::Start(Cluster& cluster, const Permit& permit, bool end, const Avoid& avoid,
                    std::optional<uint64_t> hash) {
  Abandon();
  permit_ = &permit;
  answered_ = ready_ = reused_ = stale_ = request_done_ = response_done_ = sent_ = false;
  end_ = end;
  fresh_ = avoid.reused;
  EndpointPool* pool = cluster.Pick(avoid, hash);
  if (pool == nullptr) {
    last_pool_ = nullptr;
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
  connection_ = &connection;
  connecting_ = nullptr;
  waiting_ = false;
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
  if (pool_ != nullptr && !answered_) pool_->ReportOutlier(/*error=*/true);
  GiveUp(Outcome::kFailure);
}

void Attempt::GiveUp(Outcome outcome) {
  if (pool_ == nullptr) return;
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
  // A cap of ours, or a request of ours, says nothing about the endpoint.
  const bool ours =
      kind == AttemptFailure::Kind::kOverflow || kind == AttemptFailure::Kind::kUnsendable;
  if (!ours && pool_ != nullptr) pool_->ReportOutlier(/*error=*/true);
  Detach(ours ? Outcome::kCancelled : Outcome::kFailure);
  events_.OnAttemptFailed({kind, sent_, reason});
}

void Attempt::OnHead(ResponseHead& head, bool end) {
  Answered(OutcomeOfStatus(head.status));
  pool_->ReportOutlier(OutlierDetector::IsErrorStatus(head.status));
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
  if (!request_done_) return;
  connection_->Detach(stream_);
  Detach(Outcome::kSuccess);
}

}  // namespace tollgate::proxy
