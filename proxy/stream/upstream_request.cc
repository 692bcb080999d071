#include "proxy/stream/upstream_request.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "proxy/stream/hash_key.h"
#include "proxy/upstream/pushback.h"

namespace tollgate::proxy {
namespace {

// Less time than this is no room for a further attempt.
constexpr Duration kRoom = std::chrono::milliseconds(1);

constexpr absl::string_view kAbandoned = "abandoned";

bool MayBeRetried(int status) { return status == 421 || (status >= 502 && status <= 504); }

// What ends the race between hedges, if others still run.
bool Wins(int status) { return status != 421 && OutcomeOfStatus(status) == Outcome::kSuccess; }

}  // namespace

UpstreamRequest::UpstreamRequest(WorkerContext& worker, RequestBody& body, UpstreamEvents& events)
    : worker_(worker), body_(body), events_(events), first_(*this) {}

UpstreamRequest::~UpstreamRequest() = default;

template <typename F>
void UpstreamRequest::ForEachLane(F f) {
  if (first_.record.number > 0) f(first_);
  if (hedges_ == nullptr) return;
  for (const auto& lane : hedges_->lanes) {
    if (lane != nullptr && lane->record.number > 0) f(*lane);
  }
}

void UpstreamRequest::Start(Cluster& cluster, Permit& permit, const RequestContext& context,
                            const UpstreamDeadline& deadline) {
  cluster_ = &cluster;
  permit_ = &permit;
  context_ = &context;
  deadline_ = deadline;
  cluster_->AddUser();
  const ForwardDeadline forward = cluster.policy().forward_deadline;
  tells_deadline_ = forward == ForwardDeadline::kAlways ||
                    (forward == ForwardDeadline::kIfAsked && context.deadline != kNever);
  if (permit.route().hedge.max > 0) PlanHedges();
  StartAttempt(first_, "first");
}

void UpstreamRequest::StartAttempt(Lane& lane, absl::string_view allowed_by) {
  lane.record.number = ++attempts_;
  lane.record.allowed_by = allowed_by;
  lane.record.status = 0;
  lane.record.ended = "";
  lane.record.duration = Duration::zero();
  lane.started = worker_.loop.now();
  last_ = &lane;
  const Duration timeout = permit_->route().attempt_timeout;
  if (timeout > Duration::zero()) worker_.loop.ArmAfter(lane.timer, timeout);
  lane.attempt.Start(*cluster_, *permit_, body_.none(), {tried_, lane.elsewhere, lane.fresh},
                     HashKeyOf(*context_, permit_->request()));
}

// The last moment: what is serialised now says how much time is left now.
bool UpstreamRequest::OnConnected(Lane& lane) {
  const Duration left = TimeLeft();
  if (left <= Duration::zero()) return false;
  if (ShortensTime(lane)) lane.attempt.GiveTime(left);
  if (tells_deadline_) {
    const Duration timeout = permit_->route().attempt_timeout;
    const Duration taken = worker_.loop.now() - lane.started;
    // Nobody waits for longer than the attempt has.
    permit_->TellDeadline(timeout > Duration::zero() ? std::min(left, timeout - taken) : left);
  }
  return true;
}

// --- The request's body. One that is hedged has none: there is but one lane for it.

bool UpstreamRequest::SendData(absl::string_view data, bool end) {
  if (!first_.attempt.ready()) {
    body_.Hold(data, end);
    return end || !body_.full();
  }
  body_.Pass(data, end);
  first_.attempt.SendData(data, end);
  return end || first_.attempt.CanSend();
}

void UpstreamRequest::SendTrailers() {
  if (first_.attempt.ready()) first_.attempt.SendTrailers(*body_.trailers());
}

bool UpstreamRequest::SendTunnel(absl::string_view data) {
  if (!data.empty()) last_->attempt.SendData(data, /*end=*/false);
  return last_->attempt.CanSend();
}

// All that has arrived goes first.
void UpstreamRequest::OnReady(Lane& lane) {
  if (!body_.none()) {
    const HeaderMap* const trailers = body_.trailers();
    const bool end = body_.ended() && trailers == nullptr;
    if (body_.held_bytes() > 0 || end) lane.attempt.SendData(body_.held(), end);
    if (trailers != nullptr) lane.attempt.SendTrailers(*trailers);
  }
  if (lane.attempt.CanSend()) events_.OnUpstreamWritable();
}

// --- How an attempt ends.

void UpstreamRequest::Finish(Lane& lane, int status, absl::string_view ended) {
  lane.timer.Cancel();
  lane.record.status = status;
  lane.record.ended = ended;
  lane.record.duration = worker_.loop.now() - lane.started;
}

void UpstreamRequest::Cancel(Lane& lane, absl::string_view ended) {
  if (lane.attempt.active()) Finish(lane, 0, ended);
  lane.timer.Cancel();
  lane.backing_off = false;
  lane.attempt.Abandon();
  lane.ticket.reset();
}

void UpstreamRequest::OnHead(Lane& lane, ResponseHead& head, bool end) {
  Finish(lane, head.status, "");
  if (!Wins(head.status)) {
    if (DropIfOthersRun(lane)) return;
    // A sidecar there does not know whether its service has done it. That holds also when another
    // answer is passed on, and such a 421 is not one of a server that did nothing.
    const bool unknown = head.headers.Get(HeaderId::kTollgateOutcome) == "unknown";
    if (MayBeRetried(head.status) && !(unknown && head.status == 421) &&
        Retry(lane, AttemptEnd::kStatus, head.status, PushbackOf(head.headers), unknown)) {
      return;
    }
  }
  if (hedges_ != nullptr) {
    hedges_->timer.Cancel();
    ForEachLane([&](Lane& other) {
      if (&other != &lane) Cancel(other, "cancelled");
    });
  }
  last_ = &lane;
  head_forwarded_ = true;
  if (head.status == 101) lane.ticket.reset();  // a tunnel is no retry, for as long as it lasts
  events_.OnUpstreamHead(head, end);
}

// While another attempt of a hedged request may still succeed, one that failed is no news.
bool UpstreamRequest::DropIfOthersRun(Lane& lane) {
  if (hedges_ == nullptr) return false;
  bool others = false;
  ForEachLane([&](Lane& other) { others = others || (&other != &lane && other.busy()); });
  if (!others) return false;
  lane.attempt.Abandon();
  lane.ticket.reset();
  return true;
}

void UpstreamRequest::OnFailed(Lane& lane, const AttemptFailure& failure) {
  using Kind = AttemptFailure::Kind;
  if (head_forwarded_) {
    lane.record.ended = failure.reason;
    events_.OnUpstreamFailed({502, failure.reason, ""});
    return;
  }
  Finish(lane, 0, failure.reason);
  if (DropIfOthersRun(lane)) return;
  switch (failure.kind) {
    case Kind::kNoEndpoint:
      events_.OnUpstreamFailed({503, failure.reason, "No instance of the service can be reached."});
      return;
    case Kind::kOverflow:
      events_.OnUpstreamFailed({503, failure.reason, "", /*overflow=*/true});
      return;
    case Kind::kConnectFailed:
      if (Retry(lane, AttemptEnd::kConnectFailed, 0, Duration::zero())) return;
      events_.OnUpstreamFailed({503, failure.reason, "The service cannot be reached."});
      return;
    case Kind::kUnsendable:
      events_.OnUpstreamFailed({500, failure.reason, "The request cannot be passed on."});
      return;
    case Kind::kExpired:
      events_.OnUpstreamFailed(deadline_.Failure());
      return;
    case Kind::kConnectionLost:
    case Kind::kProtocolError:
    case Kind::kReset:
      if (Retry(lane, AttemptEnd::kConnectionLost, 0, Duration::zero())) return;
      events_.OnUpstreamFailed({502, failure.reason, "The service did not answer."});
      return;
  }
}

void UpstreamRequest::OnTimer(Lane& lane) {
  if (std::exchange(lane.backing_off, false)) {
    StartAttempt(lane, lane.record.allowed_by);
    return;
  }
  Finish(lane, 0, "attempt_timeout");
  lane.attempt.TimeOut();
  if (DropIfOthersRun(lane)) return;
  if (Retry(lane, AttemptEnd::kTimedOut, 0, Duration::zero())) return;
  events_.OnUpstreamFailed({504, "attempt_timeout", "The service did not answer in time."});
}

// --- Further attempts.

bool UpstreamRequest::Retry(Lane& lane, AttemptEnd end, int status, Duration pushback,
                            bool unknown) {
  const RoutePolicy& route = permit_->route();
  const Duration left = TimeLeft();
  RetryEvidence evidence;
  evidence.end = end;
  evidence.status = status;
  evidence.sent = lane.attempt.bytes_sent();
  evidence.stale = end == AttemptEnd::kConnectionLost && lane.attempt.met_stale_connection();
  evidence.sent_before = sent_before_;
  evidence.misdirected_before = misdirected_before_;
  evidence.head_forwarded = head_forwarded_;
  evidence.replayable = body_.replayable();
  evidence.deadline_passed = left <= kRoom;
  evidence.retries = attempts_ - 1;
  const RetryDecision decision =
      MayRetry(evidence, route.retry, route.idempotency,
               {permit_->request().method_name, context_->has_idempotency_key});
  if (!decision.retry) return false;
  const bool another = FindUntried();
  if (decision.other_endpoint && !another) return false;
  // An upstream that wants to be left alone for longer than the caller waits is not there for it,
  // at whichever endpoint. Else that is the endpoint's wish: another one is asked at once, the same
  // one after that time, or a moment. Not after a 421, which is no sign of trouble.
  Duration pause{};
  if (!another && !decision.new_connection) {
    const uint32_t ms = 25u << std::min<uint32_t>(attempts_ - 1, 4);
    pause = std::chrono::milliseconds(ms / 2 + worker_.services.random.Below(ms));
  }
  if (std::max(pause, pushback) >= left - kRoom) return false;
  if (!another) pause = std::max(pause, pushback);
  lane.ticket.reset();  // of the attempt that is over: its place may be the one
  auto ticket = cluster_->shared().retry_budget().TryRetry();
  if (!ticket.has_value()) return false;

  lane.ticket.emplace(*std::move(ticket));
  if (status == 421) {
    misdirected_before_ = true;
  } else {
    sent_before_ = sent_before_ || evidence.sent;
    // A gateway that says 502 or 504 does not know what became of it behind itself.
    const bool answered = end == AttemptEnd::kStatus && status != 502 && status != 504;
    unanswered_before_ = unanswered_before_ || unknown || (evidence.sent && !answered);
  }
  if (!retries_.empty()) retries_ += ',';
  absl::StrAppend(&retries_, decision.reason);
  lane.record.sent = evidence.sent;
  lane.record.endpoint = lane.attempt.endpoint_name();
  tries_.push_back(lane.record);
  lane.attempt.Abandon();
  lane.elsewhere = decision.other_endpoint;
  // What is idle there is as old as what was stale. It holds for further attempts too.
  lane.fresh = lane.fresh || decision.new_connection || evidence.stale;
  if (pause == Duration::zero()) {
    StartAttempt(lane, decision.reason);
  } else {
    lane.record.allowed_by = decision.reason;
    lane.backing_off = true;
    worker_.loop.ArmAfter(lane.timer, pause);
  }
  return true;
}

bool UpstreamRequest::FindUntried() {
  ForEachLane([this](Lane& lane) {
    const EndpointPool* const pool = lane.attempt.endpoint();
    if (pool != nullptr && !absl::c_linear_search(tried_, pool)) tried_.push_back(pool);
  });
  return absl::c_any_of(cluster_->endpoints(), [this](const auto& pool) {
    return !absl::c_linear_search(tried_, pool.get());
  });
}

// Both requests run: only what is safe (RFC 9110 9.2.1), and can be serialised from its head alone.
void UpstreamRequest::PlanHedges() {
  const RequestHead& request = permit_->request();
  if (!IsSafe(request.method) || !body_.none() || !request.upgrade.empty()) return;
  if (hedges_ == nullptr) hedges_ = std::make_unique<Hedges>(*this);
  worker_.loop.ArmAfter(hedges_->timer, permit_->route().hedge.after);
}

UpstreamRequest::Lane* UpstreamRequest::FreeHedgeLane() {
  for (auto& lane : hedges_->lanes) {
    if (lane == nullptr) lane = std::make_unique<Lane>(*this);
    if (lane->record.number == 0) return lane.get();
  }
  return nullptr;
}

// Nothing has been answered for another `after`.
void UpstreamRequest::OnHedgeTimer() {
  const HedgePolicy& hedge = permit_->route().hedge;
  if (attempts_ > kMaxRetries || !FindUntried() || TimeLeft() <= kRoom) return;
  Lane* const lane = FreeHedgeLane();
  if (lane == nullptr) return;
  auto ticket = cluster_->shared().retry_budget().TryRetry();
  if (++hedges_->started < hedge.max) worker_.loop.ArmAfter(hedges_->timer, hedge.after);
  if (!ticket.has_value()) return;
  lane->ticket.emplace(*std::move(ticket));
  lane->elsewhere = true;
  absl::StrAppend(&retries_, retries_.empty() ? "hedge" : ",hedge");
  StartAttempt(*lane, "hedge");
}

// --- Its end.

void UpstreamRequest::StopClock() {
  if (last_->attempt.active() && !head_forwarded_) {
    last_->record.duration = worker_.loop.now() - last_->started;
  }
}

void UpstreamRequest::Abandon() {
  if (hedges_ != nullptr) hedges_->timer.Cancel();
  ForEachLane([](Lane& lane) {
    if (lane.attempt.active() && lane.record.ended.empty()) lane.record.ended = kAbandoned;
    lane.timer.Cancel();
    lane.backing_off = false;
    lane.attempt.Abandon();
  });
}

void UpstreamRequest::TimeOut() {
  if (hedges_ != nullptr) hedges_->timer.Cancel();
  ForEachLane([this](Lane& lane) {
    lane.timer.Cancel();
    lane.backing_off = false;
    if (!lane.attempt.active()) return;
    if (lane.record.status == 0) Finish(lane, 0, deadline_.Failure().reason);
    lane.record.ended = deadline_.Failure().reason;
    if (!lane.attempt.ready() && ShortensTime(lane)) {
      lane.attempt.GiveTime(worker_.loop.now() - lane.started);
    }
    if (lane.attempt.hurried()) {
      lane.attempt.Abandon();
    } else {
      lane.attempt.TimeOut();
    }
  });
}

void UpstreamRequest::Clear() {
  ForEachLane([](Lane& lane) {
    lane.ticket.reset();
    lane.record.number = 0;
    lane.record.duration = Duration::zero();
    lane.elsewhere = lane.fresh = false;
  });
  if (hedges_ != nullptr) hedges_->started = 0;
  last_ = &first_;
  if (cluster_ != nullptr) std::exchange(cluster_, nullptr)->RemoveUser();
  permit_ = nullptr;
  context_ = nullptr;
  tells_deadline_ = head_forwarded_ = false;
  sent_before_ = unanswered_before_ = misdirected_before_ = false;
  tried_.clear();
  attempts_ = 0;
  retries_.clear();
  tries_.clear();
}

bool UpstreamRequest::may_have_run() const {
  if (attempts_ == 0 || IsSafe(permit_->request().method)) return false;
  return sent_before_ || first_.attempt.bytes_sent();
}

bool UpstreamRequest::may_have_run_unanswered() const {
  return unanswered_before_ && !IsSafe(permit_->request().method);
}

absl::Span<const AttemptRecord> UpstreamRequest::TakeTries() {
  if (attempts_ < 2) return {};
  ForEachLane([this](Lane& lane) {
    const auto is_it = [&](const AttemptRecord& known) {
      return known.number == lane.record.number;  // it was to be tried again, and was not
    };
    if (absl::c_any_of(tries_, is_it)) return;
    tries_.push_back(lane.record);
    tries_.back().endpoint = lane.attempt.endpoint_name();
    tries_.back().sent = lane.attempt.bytes_sent();
    if (lane.record.ended == kAbandoned && lane.record.status == 0) {
      tries_.back().duration = worker_.loop.now() - lane.started;
    }
  });
  absl::c_sort(tries_,
               [](const AttemptRecord& a, const AttemptRecord& b) { return a.number < b.number; });
  return tries_;
}

}  // namespace tollgate::proxy
