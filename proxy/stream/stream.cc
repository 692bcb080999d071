#include "proxy/stream/stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/http_date.h"
#include "proxy/filter/header_trust.h"
#include "proxy/filter/unauthorized.h"
#include "proxy/stream/server_connection.h"

namespace tollgate::proxy {

Stream::Stream(WorkerContext& worker)
    : worker_(worker),
      chain_(worker.loop, *this),
      body_(worker.buffers),
      upstream_(worker, body_, *this),
      deadline_([this] { OnDeadline(); }) {}

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
  body_.Begin(end);
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
    Refuse("overloaded", /*close=*/true);
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
  const MonoTime route_ends =
      context_.mono + std::min(route.timeout, connection_->listener().max_stream_duration);
  const UpstreamDeadline deadline{std::min(route_ends, context_.deadline),
                                  context_.deadline < route_ends};
  worker_.loop.Arm(deadline_, deadline.at);
  deadline_reply_ = deadline.Failure();
  if (deadline.at <= worker_.loop.now()) {
    FailUpstream(deadline_reply_);
    return;
  }
  if (body_in_ > body_max_) {
    RefuseBody(body_max_);
    return;
  }
  Cluster* const cluster = worker_.clusters.Find(route.upstream);
  if (cluster == nullptr) {
    FailUpstream({503, "no_cluster", "The service is not known here."});
    return;
  }
  admission_ = cluster->shared().Admit(route.priority, worker_.loop.now(),
                                       worker_.buffers.nearly_over_budget());
  if (admission_.refused() != nullptr) {
    Refuse(admission_.refused());
    return;
  }
  if (permit_->request().expect_continue && !body_.ended()) {
    connection_->SendInformational(id_, 100);
  }
  upstream_.Start(*cluster, *permit_, context_, deadline);
}

void Stream::OnReply(LocalReply reply) { Reply(std::move(reply)); }

void Stream::OnNeedBody(uint64_t max) {
  need_body_ = max;
  wants_body_ = true;
  if (context_.deadline < deadline_.deadline()) worker_.loop.Arm(deadline_, context_.deadline);
  if (context_.head.body.length > max) {
    RefuseBody(max);
    return;
  }
  if (context_.head.expect_continue && !body_.ended()) {
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
  if (permit_.has_value() && body_in_ > body_max_) {
    body_.Hold({}, end);
    RefuseBody(body_max_);
    return;
  }
  if (upstream_.started()) {
    if (!upstream_.SendData(data, end)) PauseRequest();
    return;
  }
  body_.Hold(data, end);
  BodyAdvanced();
}

// A side that closes ends the tunnel: half of one serves nobody here.
void Stream::OnTunnelData(absl::string_view data, bool end) {
  const bool more = upstream_.SendTunnel(data);
  if (end) {
    connection_->SendData(id_, {}, /*end=*/true);
    FinishStream("");
  } else if (!more) {
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
  // What a head may not say, a trailer may not either.
  if (connection_->listener().direction == Direction::kInbound) {
    trailers.RemoveIf([](const HeaderMap::Field& field) {
      return IsInternalField(field) || IsForwardingField(field);
    });
  }
  body_.End(std::move(trailers));
  if (upstream_.started()) {
    upstream_.SendTrailers();
  } else {
    BodyAdvanced();
  }
}

// The body waits, for a step or for a connection.
void Stream::BodyAdvanced() {
  if (wants_body_) {
    if (body_.held_bytes() > need_body_) {
      RefuseBody(need_body_);
    } else if (body_.ended()) {
      wants_body_ = false;
      chain_.Body(body_.held());
    }
    return;
  }
  if (body_.full() && !body_.ended()) PauseRequest();
}

void Stream::PauseRequest() {
  if (std::exchange(request_paused_, true)) return;
  connection_->Pause(id_);
}

void Stream::ResumeRequest() {
  if (!std::exchange(request_paused_, false)) return;
  connection_->Resume(id_);
}

// --- The response.

void Stream::OnUpstreamInformational(ResponseHead& head) {
  // 100 is between us and the upstream, and we have said ours. What consists of fields (103) is not
  // passed on: no step has seen them. That leaves 102, which keeps a patient client waiting.
  if (head.status == 102) connection_->SendInformational(id_, head.status);
}

void Stream::OnUpstreamHead(ResponseHead& head, bool end) {
  status_ = head.status;
  response_started_ = true;
  JudgeOutcome(head);
  if (status_ == 101) {
    tunnel_ = true;
    // It is not over when its route's timeout is.
    worker_.loop.ArmAfter(deadline_, connection_->listener().max_stream_duration);
    // Nor is it a request in progress, for as long as it lasts.
    LeaveAdmission();
  }
  DressResponse(head);
  connection_->SendHead(id_, head, end);
  if (end) RespondEnd();
}

// What an upstream says of an outcome is believed where it is another sidecar, of a failure. An
// upstream's own 502 or 504 is passed on without a word: it is the service's answer. But where an
// attempt before it got none, a failure does not say what became of that one.
void Stream::JudgeOutcome(ResponseHead& head) const {
  const auto said = head.headers.Get(HeaderId::kTollgateOutcome);
  const bool failed = head.status >= 400;
  if (failed && upstream_.may_have_run_unanswered()) {
    head.headers.Set(HeaderId::kTollgateOutcome, "unknown");
  } else if (said.has_value() && (!failed || *said != "unknown" ||
                                  connection_->listener().direction == Direction::kInbound)) {
    head.headers.Remove(HeaderId::kTollgateOutcome);
  }
}

void Stream::OnUpstreamData(absl::string_view data, bool end) {
  body_out_ += data.size();
  if (tunnel_) connection_->Progress();
  connection_->SendData(id_, data, end);
  if (end) {
    RespondEnd();
  } else if (!connection_->CanSend(id_) && !client_blocked_) {
    client_blocked_ = true;
    upstream_.Pause();
  }
}

void Stream::OnUpstreamTrailers(HeaderMap& trailers) {
  connection_->SendTrailers(id_, trailers);
  RespondEnd();
}

void Stream::OnDrained() {
  if (!client_blocked_ || !connection_->CanSend(id_)) return;
  client_blocked_ = false;
  upstream_.Resume();
}

void Stream::OnUpstreamFailed(const UpstreamFailure& failure) {
  if (response_started_) {
    // Half an answer must not look whole: the connection (or the stream) breaks.
    connection_->Abort(id_);
    FinishStream(failure.reason);
    return;
  }
  FailUpstream(failure);
}

void Stream::OnDeadline() {
  if (!permit_.has_value()) {
    if (context_.deadline <= worker_.loop.now()) {
      Reply({.status = 504, .reason = "deadline_exceeded", .close = true});
    } else {
      Reply({.status = 408, .reason = "stream_deadline", .close = true});
    }
    return;
  }
  upstream_.TimeOut();
  OnUpstreamFailed(deadline_reply_);
}

void Stream::FailUpstream(const UpstreamFailure& failure) {
  if (failure.overflow && !upstream_.may_have_run()) return Refuse(failure.reason);
  LocalReply reply{.status = failure.status, .reason = failure.reason, .detail = failure.detail};
  if (failure.status == 503 && !upstream_.may_have_run()) {
    reply.headers.push_back({"retry-after", "1"});
  }
  Reply(std::move(reply));
}

// Where there is too much to do, for us or for the instance that we stand before.
void Stream::Refuse(const char* reason, bool close) {
  context_.decided_by = "admission";
  LocalReply reply{.status = 503,
                   .reason = reason,
                   .detail = "There is too much to do; try again.",
                   .headers = {{"retry-after", "1"}},
                   .close = close};
  if (connection_->listener().direction == Direction::kInbound) {
    reply.headers.push_back({"tollgate-outcome", kRefused});
  }
  Reply(std::move(reply));
}

void Stream::DressResponse(ResponseHead& head) {
  chain_.OnResponseHead(head);
  head.headers.Add(HeaderId::kVia, "1.1 tollgate");
  if (!head.headers.Get(HeaderId::kDate).has_value()) {
    char date[kHttpDateLength];
    FormatHttpDate(context_.wall, date);
    head.headers.Add(HeaderId::kDate, absl::string_view(date, sizeof(date)));
  }
}

void Stream::Reply(LocalReply reply) {
  // Something may have happened there (RFC 9110 9.2.2: what is not idempotent must not be retried
  // by a proxy). It is never run again from here, and the caller is told.
  if (upstream_.may_have_run()) reply.headers.push_back({"tollgate-outcome", "unknown"});
  upstream_.Abandon();
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
  upstream_.Abandon();
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
  upstream_.StopClock();
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
  upstream_.Abandon();
  deadline_.Cancel();
  chain_.Finish();
  WriteRecord();
  worker_.metrics.active_streams.Add(-1);
  LeaveAdmission();
  upstream_.Clear();
  if (permit_.has_value()) {
    context_.head = Permit::Recycle(*std::move(permit_));
    permit_.reset();
  }
  context_.Clear();
  if (snapshot_ != nullptr) std::exchange(snapshot_, nullptr)->RemoveStream();
  const bool request_complete = body_.ended();
  Reset();
  std::exchange(connection_, nullptr)->StreamEnded(*this, request_complete);
}

// The adaptive limit learns from good answers, and from waits in vain; what fails fast, a 504 of
// the service's own among it, tells nothing.
void Stream::LeaveAdmission() {
  const bool answered = upstream_.answered();
  LatencySample sample{upstream_.began(), {}, /*at_least=*/!answered};
  if (answered ? status_ < 500 : status_ == 504) sample.latency = upstream_.duration();
  admission_.Finish(sample, worker_.loop.now());
}

// As new, but for the storage.
void Stream::Reset() {
  body_.Clear();
  body_in_ = body_max_ = need_body_ = body_out_ = 0;
  wants_body_ = request_paused_ = false;
  status_ = 0;
  response_started_ = tunnel_ = client_blocked_ = false;
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
    if (upstream_.attempts() > 0) record.upstream = context_.route->policy->upstream;
  }
  record.method = context_.method;
  record.status = status_;
  record.step = context_.decided_by;
  record.reason = context_.reason;
  record.fault = context_.fault;
  record.plan = context_.limited_by;
  record.shadow_plan = context_.shadowed_by;
  if (upstream_.attempts() > 0) record.endpoint = upstream_.endpoint_name();
  record.attempts = upstream_.attempts();
  record.retries = upstream_.retries();
  record.tries = upstream_.TakeTries();
  record.bytes_in = body_in_;
  record.bytes_out = body_out_;
  record.duration = worker_.loop.now() - context_.mono;
  record.upstream_duration = upstream_.duration();
  if (context_.snapshot != nullptr) record.release = context_.snapshot->release;
  worker_.metrics.Record(record);
  worker_.log.Write(record);
  worker_.LogWritten();
}

}  // namespace tollgate::proxy
