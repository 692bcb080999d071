#include "proxy/stream/stream.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/base/http_date.h"
#include "proxy/filter/header_trust.h"
#include "proxy/filter/unauthorized.h"
#include "proxy/stream/hash_key.h"
#include "proxy/stream/server_connection.h"

namespace tollgate::proxy {

Stream::Stream(WorkerContext& worker)
    : worker_(worker),
      chain_(worker.loop, *this),
      attempt_(*this),
      deadline_([this] { OnDeadline(); }),
      attempt_timer_([this] { OnAttemptTimeout(); }),
      held_(worker.buffers) {}

Stream::~Stream() = default;

void Stream::Begin(ServerConnection& connection, StreamId id, RequestHead& head, bool end) {
  connection_ = &connection;
  id_ = id;
  finished_ = false;
  snapshot_ = worker_.snapshot;
  std::swap(context_.head, head);
  context_.services = &worker_.services;
  context_.mono = worker_.loop.now();
  context_.wall = worker_.loop.clock().Wall();
  context_.peer = &connection.peer();
  context_.client = connection.peer();
  head_end_ = body_end_ = request_complete_ = end;
  worker_.metrics.active_streams.Add(1);
  if (snapshot_ == nullptr) {
    Reply({.status = 503, .reason = "no_policy", .detail = "This proxy has no policy yet."});
    return;
  }
  snapshot_->AddStream();
  context_.snapshot = &(*snapshot_)->tables();
  context_.listener = connection.listener().In(**snapshot_);
  if (context_.listener == nullptr) {
    Reply({.status = 503, .reason = "listener_removed", .close = true});
    return;
  }
  if (worker_.buffers.over_budget()) {
    Reply({.status = 503,
           .reason = "overloaded",
           .detail = "Too much is going on; try again.",
           .headers = {{"retry-after", "1"}},
           .close = true});
    return;
  }
  worker_.loop.Arm(deadline_, context_.mono + connection.listener().max_stream_duration);
  chain_.Start(*context_.listener->chain, context_);
}

// --- The chain's verdict.

void Stream::OnPermit(Permit permit) {
  permit_.emplace(std::move(permit));
  const RoutePolicy& route = permit_->route();
  body_max_ = route.max_body_bytes;
  worker_.loop.Arm(
      deadline_,
      context_.mono + std::min(route.timeout, connection_->listener().max_stream_duration));
  if (body_in_ > body_max_) {
    RefuseBody(body_max_);
    return;
  }
  cluster_ = worker_.clusters.Find(route.upstream);
  if (cluster_ == nullptr) {
    FailUpstream(503, "no_cluster", "The service is not known here.");
    return;
  }
  cluster_->AddUser();
  request_ticket_.emplace(cluster_->shared().retry_budget().Request());
  if (permit_->request().expect_continue && !request_complete_) {
    connection_->SendInformational(id_, 100);
  }
  StartAttempt(/*other_endpoint=*/false);
}

void Stream::OnReply(LocalReply reply) { Reply(std::move(reply)); }

void Stream::OnNeedBody(uint64_t max) {
  need_body_ = max;
  wants_body_ = true;
  if (context_.head.body.length > max) {
    RefuseBody(max);
    return;
  }
  if (context_.head.expect_continue && !request_complete_) {
    context_.head.expect_continue = false;
    connection_->SendInformational(id_, 100);
  }
  ResumeRequest();  // an earlier step may have waited, while more arrived than is held unasked
  BodyAdvanced();
}

// --- The request's body.

void Stream::OnData(absl::string_view data, bool end) {
  if (finished_) return;
  body_in_ += data.size();
  if (tunnel_) {
    OnTunnelData(data, end);
    return;
  }
  body_end_ = request_complete_ = end;
  if (permit_.has_value() && body_in_ > body_max_) {
    RefuseBody(body_max_);
    return;
  }
  if (attempt_.ready()) {
    // All that is held has been sent: it is kept for another attempt, while it is small.
    if (replayable_ && held_.size() + data.size() <= kReplayBytes) {
      held_.Append(data);
    } else {
      replayable_ = false;
      held_.Clear();
    }
    attempt_.SendData(data, end);
    if (!end && !attempt_.CanSend()) PauseRequest();
    return;
  }
  held_.Append(data);
  BodyAdvanced();
}

// A side that closes ends the tunnel: half of one serves nobody here.
void Stream::OnTunnelData(absl::string_view data, bool end) {
  if (!data.empty()) attempt_.SendData(data, /*end=*/false);
  if (end) {
    connection_->SendData(id_, {}, /*end=*/true);
    FinishStream("");
  } else if (!attempt_.CanSend()) {
    PauseRequest();
  }
}

void Stream::RefuseBody(uint64_t max) {
  Reply({.status = 413,
         .reason = "body_too_large",
         .detail = absl::StrCat("A body has at most ", max, " bytes here."),
         .close = true});
}

void Stream::OnTrailers(HeaderMap& trailers) {
  if (finished_) return;
  body_end_ = request_complete_ = true;
  // What a head may not say, a trailer may not either.
  if (connection_->listener().direction == Direction::kInbound) {
    trailers.RemoveIf([](const HeaderMap::Field& field) {
      return IsInternalField(field) || IsForwardingField(field);
    });
  }
  trailers_.emplace(std::move(trailers));
  if (attempt_.ready()) {
    attempt_.SendTrailers(*trailers_);
  } else {
    BodyAdvanced();
  }
}

// The body waits, for a step or for a connection.
void Stream::BodyAdvanced() {
  if (wants_body_) {
    if (held_.size() > need_body_) {
      RefuseBody(need_body_);
    } else if (body_end_) {
      wants_body_ = false;
      chain_.Body(held_.view());
    }
    return;
  }
  if (held_.size() >= kReplayBytes && !body_end_) PauseRequest();
}

void Stream::PauseRequest() {
  if (std::exchange(request_paused_, true)) return;
  connection_->Pause(id_);
}

void Stream::ResumeRequest() {
  if (!std::exchange(request_paused_, false)) return;
  connection_->Resume(id_);
}

void Stream::SendHeld() {
  if (head_end_) return;
  const bool end = body_end_ && !trailers_.has_value();
  if (!held_.empty() || end) attempt_.SendData(held_.view(), end);
  if (trailers_.has_value()) attempt_.SendTrailers(*trailers_);
}

// --- Attempts.

void Stream::StartAttempt(bool other_endpoint) {
  ++attempts_;
  attempt_started_ = worker_.loop.now();
  const Duration timeout = permit_->route().attempt_timeout;
  if (timeout > Duration::zero()) worker_.loop.ArmAfter(attempt_timer_, timeout);
  attempt_.Start(*cluster_, *permit_, head_end_, {tried_, other_endpoint, retry_fresh_},
                 HashKeyOf(context_, permit_->request()));
}

void Stream::OnAttemptReady() {
  SendHeld();
  if (attempt_.CanSend()) ResumeRequest();
}

void Stream::OnAttemptDrained() { ResumeRequest(); }

void Stream::OnAttemptInformational(ResponseHead& head) {
  // 100 is between us and the upstream, and we have said ours. What consists of fields (103) is not
  // passed on: no step has seen them. That leaves 102, which keeps a patient client waiting.
  if (head.status == 102) connection_->SendInformational(id_, head.status);
}

void Stream::OnAttemptHead(ResponseHead& head, bool end) {
  attempt_timer_.Cancel();
  upstream_duration_ = worker_.loop.now() - attempt_started_;
  if (head.status >= 502 && head.status <= 504 && Retry(AttemptEnd::kStatus, head.status)) return;
  status_ = head.status;
  response_started_ = true;
  if (status_ == 101) {
    tunnel_ = true;
    // It is not over when its route's timeout is.
    worker_.loop.ArmAfter(deadline_, connection_->listener().max_stream_duration);
  }
  DressResponse(head);
  connection_->SendHead(id_, head, end);
  if (end) RespondEnd();
}

void Stream::OnAttemptData(absl::string_view data, bool end) {
  body_out_ += data.size();
  if (tunnel_) connection_->Progress();
  connection_->SendData(id_, data, end);
  if (end) {
    RespondEnd();
  } else if (!connection_->CanSend(id_) && !client_blocked_) {
    client_blocked_ = true;
    attempt_.Pause();
  }
}

void Stream::OnAttemptTrailers(HeaderMap& trailers) {
  connection_->SendTrailers(id_, trailers);
  RespondEnd();
}

void Stream::OnDrained() {
  if (!client_blocked_ || !connection_->CanSend(id_)) return;
  client_blocked_ = false;
  attempt_.Resume();
}

void Stream::OnAttemptFailed(const AttemptFailure& failure) {
  using Kind = AttemptFailure::Kind;
  attempt_timer_.Cancel();
  upstream_duration_ = worker_.loop.now() - attempt_started_;
  if (response_started_) {
    // Half an answer must not look whole: the connection (or the stream) breaks.
    connection_->Abort(id_);
    FinishStream(failure.reason);
    return;
  }
  switch (failure.kind) {
    case Kind::kNoEndpoint:
      FailUpstream(503, failure.reason, "No instance of the service can be reached.");
      return;
    case Kind::kOverflow:
      FailUpstream(503, failure.reason, "The service has too much to do; try again.");
      return;
    case Kind::kConnectFailed:
      if (Retry(AttemptEnd::kConnectFailed, 0)) return;
      FailUpstream(503, failure.reason, "The service cannot be reached.");
      return;
    case Kind::kUnsendable:
      FailUpstream(500, failure.reason, "The request cannot be passed on.");
      return;
    case Kind::kConnectionLost:
    case Kind::kProtocolError:
    case Kind::kReset:
      if (Retry(AttemptEnd::kConnectionLost, 0)) return;
      FailUpstream(502, failure.reason, "The service did not answer.");
      return;
  }
}

bool Stream::Retry(AttemptEnd end, int status) {
  const RoutePolicy& route = permit_->route();
  RetryEvidence evidence;
  evidence.end = end;
  evidence.status = status;
  evidence.sent = attempt_.bytes_sent();
  evidence.stale = end == AttemptEnd::kConnectionLost && attempt_.met_stale_connection();
  evidence.sent_before = sent_before_;
  evidence.head_forwarded = response_started_;
  evidence.replayable = replayable_;
  evidence.deadline_passed = deadline_.deadline() <= worker_.loop.now();
  evidence.retries = attempts_ - 1;
  const RetryDecision decision =
      MayRetry(evidence, route.retry, route.idempotency,
               {permit_->request().method_name, context_.has_idempotency_key});
  if (!decision.retry) return false;
  const bool another = HasUntriedEndpoint();
  if (decision.other_endpoint && !another) return false;
  auto ticket = cluster_->shared().retry_budget().TryRetry();
  if (!ticket.has_value()) return false;
  retry_ticket_.emplace(*std::move(ticket));
  sent_before_ = sent_before_ || evidence.sent;
  if (!retries_.empty()) retries_ += ',';
  absl::StrAppend(&retries_, decision.reason);
  tried_.push_back(attempt_.endpoint());
  attempt_.Abandon();
  attempt_timer_.Cancel();
  retry_elsewhere_ = decision.other_endpoint;
  retry_fresh_ = evidence.stale;  // what is idle there is as old
  if (another) {
    StartAttempt(retry_elsewhere_);
  } else {
    // The same one again: give it a moment.
    backing_off_ = true;
    const uint32_t ms = 25u << std::min<uint32_t>(attempts_ - 1, 4);
    worker_.loop.ArmAfter(attempt_timer_,
                          std::chrono::milliseconds(ms / 2 + worker_.services.random.Below(ms)));
  }
  return true;
}

bool Stream::HasUntriedEndpoint() const {
  for (const auto& pool : cluster_->endpoints()) {
    if (pool.get() != attempt_.endpoint() && !absl::c_linear_search(tried_, pool.get()))
      return true;
  }
  return false;
}

void Stream::OnAttemptTimeout() {
  if (std::exchange(backing_off_, false)) {
    StartAttempt(retry_elsewhere_);
    return;
  }
  upstream_duration_ = worker_.loop.now() - attempt_started_;
  attempt_.TimeOut();
  if (response_started_) {
    connection_->Abort(id_);
    FinishStream("attempt_timeout");
    return;
  }
  if (Retry(AttemptEnd::kTimedOut, 0)) return;
  FailUpstream(504, "attempt_timeout", "The service did not answer in time.");
}

void Stream::OnDeadline() {
  if (!permit_.has_value()) {
    Reply({.status = 408, .reason = "stream_deadline", .close = true});
    return;
  }
  upstream_duration_ = worker_.loop.now() - attempt_started_;
  attempt_.TimeOut();
  if (response_started_) {
    connection_->Abort(id_);
    FinishStream("route_timeout");
    return;
  }
  FailUpstream(504, "route_timeout", "The service did not answer in time.");
}

void Stream::FailUpstream(int status, const char* reason, std::string detail) {
  LocalReply reply{.status = status, .reason = reason, .detail = std::move(detail)};
  if (status == 503 && !OutcomeUnknown()) reply.headers.push_back({"retry-after", "1"});
  Reply(std::move(reply));
}

// --- The response.

void Stream::DressResponse(ResponseHead& head) {
  chain_.OnResponseHead(head);
  head.headers.Add(HeaderId::kVia, "1.1 tollgate");
  if (!head.headers.Get(HeaderId::kDate).has_value()) {
    char date[kHttpDateLength];
    FormatHttpDate(context_.wall, date);
    head.headers.Add(HeaderId::kDate, absl::string_view(date, sizeof(date)));
  }
}

// Something may have happened there (RFC 9110 9.2.2: what is not idempotent must not be retried by
// a proxy). It is never run again from here, and the caller is told.
bool Stream::OutcomeUnknown() const {
  return attempts_ > 0 && (sent_before_ || attempt_.bytes_sent()) &&
         !IsSafe(permit_->request().method);
}

void Stream::Reply(LocalReply reply) {
  if (OutcomeUnknown()) reply.headers.push_back({"tollgate-outcome", "unknown"});
  attempt_.Abandon();
  if (response_started_) {
    connection_->Abort(id_);
    FinishStream(reply.reason);
    return;
  }
  status_ = reply.status;
  response_started_ = true;
  if (context_.request_id.empty()) {  // before any step has run
    context_.request_id = NewRequestId(worker_.services.random);
  }
  const std::string body = ProblemJson(reply, context_.request_id);
  reply_head_.Clear();
  reply_head_.status = reply.status;
  reply_head_.body = {BodySize::Kind::kLength, body.size()};
  reply_head_.headers.Add(HeaderId::kContentType, "application/problem+json");
  reply_head_.headers.Add(HeaderId::kXRequestId, context_.request_id);
  for (const HeaderValue& field : reply.headers) {
    reply_head_.headers.Add(field.name, field.value);
  }
  DressResponse(reply_head_);
  if (reply.close) connection_->CloseAfter(id_);
  connection_->SendHead(id_, reply_head_, /*end=*/false);
  connection_->SendData(id_, body, /*end=*/true);
  body_out_ += body.size();
  FinishStream(reply.reason);
}

void Stream::RespondEnd() { FinishStream(""); }

// --- Other ends.

void Stream::OnProtocolError(const ProtocolError& error) {
  if (finished_) return;
  attempt_.Abandon();
  Reply({.status = error.status,
         .reason = error.reason,
         .detail = "The request is not valid HTTP.",
         .close = true});
}

void Stream::OnClientGone(const char* reason) { FinishStream(reason); }

void Stream::OnBodyTimeout() {
  Reply({.status = 408,
         .reason = tunnel_ ? "idle_timeout" : "body_timeout",
         .detail = "The body did not arrive in time.",
         .close = true});
}

const char* Stream::RevokedBy(const DenyList& denied, WallTime now) const {
  return finished_ ? nullptr : RevokedSince(context_, denied, now);
}

void Stream::OnRevoked(const char* reason) {
  context_.decided_by = "authenticate";
  context_.reason = reason;
  if (attempts_ > 0 && !response_started_) {
    upstream_duration_ = worker_.loop.now() - attempt_started_;
  }
  if (response_started_) {
    connection_->Cut(id_);
    FinishStream(reason);
    return;
  }
  Reply(RevokedReply(*context_.api, reason));
}

void Stream::FinishStream(const char* reason) {
  if (std::exchange(finished_, true)) return;
  if (context_.reason[0] == '\0') context_.reason = reason;
  attempt_.Abandon();
  deadline_.Cancel();
  attempt_timer_.Cancel();
  chain_.Finish();
  WriteRecord();
  worker_.metrics.active_streams.Add(-1);
  retry_ticket_.reset();
  request_ticket_.reset();
  if (cluster_ != nullptr) cluster_->RemoveUser();
  if (permit_.has_value()) {
    context_.head = Permit::Recycle(*std::move(permit_));
    permit_.reset();
  }
  context_.Clear();
  if (snapshot_ != nullptr) std::exchange(snapshot_, nullptr)->RemoveStream();
  Reset();
  std::exchange(connection_, nullptr)->StreamEnded(*this);
}

// As new, but for the storage.
void Stream::Reset() {
  cluster_ = nullptr;
  held_.Clear();
  trailers_.reset();
  body_in_ = body_max_ = need_body_ = body_out_ = 0;
  tunnel_ = wants_body_ = head_end_ = body_end_ = request_paused_ = false;
  replayable_ = true;
  status_ = 0;
  response_started_ = client_blocked_ = backing_off_ = retry_elsewhere_ = retry_fresh_ =
      sent_before_ = false;
  tried_.clear();
  attempts_ = 0;
  retries_.clear();
  upstream_duration_ = Duration::zero();
}

void Stream::WriteRecord() {
  AccessRecord record;
  record.time = context_.wall;
  record.listener = connection_->listener().name;
  record.request_id = context_.request_id;
  record.traceparent = context_.traceparent;
  record.client = &context_.client;
  if (context_.consumer != nullptr) record.consumer = context_.consumer->name;
  if (context_.api_key != nullptr) record.key_id = context_.api_key->id;
  if (context_.api != nullptr) record.api = context_.api->policy->api;
  if (context_.version != nullptr) record.version = context_.version->policy->version;
  if (context_.route != nullptr) {
    record.route = context_.route->policy->name;
    record.path_template = context_.route->policy->path;
    if (attempts_ > 0) record.upstream = context_.route->policy->upstream;
  }
  record.method = context_.method;
  record.status = status_;
  record.step = context_.decided_by;
  record.reason = context_.reason;
  if (attempts_ > 0) record.endpoint = attempt_.endpoint_name();
  record.attempts = attempts_;
  record.retries = retries_;
  record.bytes_in = body_in_;
  record.bytes_out = body_out_;
  record.duration = worker_.loop.now() - context_.mono;
  record.upstream_duration = upstream_duration_;
  if (context_.snapshot != nullptr) record.release = context_.snapshot->release;
  worker_.metrics.Record(record);
  worker_.log.Write(record);
  worker_.LogWritten();
}

}  // namespace tollgate::proxy
