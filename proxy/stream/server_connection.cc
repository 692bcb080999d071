#include "proxy/stream/server_connection.h"

#include <algorithm>
#include <utility>

#include "proxy/filter/header_trust.h"
#include "proxy/filter/reply.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {
namespace {

constexpr Duration kLingerTime = std::chrono::seconds(1);
constexpr Duration kDrainGrace = std::chrono::seconds(1);
// An idle connection keeps its codec this long, in case the next request is near.
constexpr Duration kKeepCodec = std::chrono::seconds(1);

}  // namespace

void ListenerState::Update(const ListenerPolicy& policy) {
  limits.max_header_bytes = policy.max_header_bytes;
  limits.max_headers = policy.max_headers;
  header_timeout = policy.header_timeout;
  idle_timeout = policy.idle_timeout;
  body_timeout = policy.body_timeout;
  max_stream_duration = policy.max_stream_duration;
  seen_ = nullptr;  // a new snapshot may lie where an old one lay
}

ServerConnection::ServerConnection(WorkerContext& worker, ConnectionOwner& owner,
                                   std::shared_ptr<const ListenerState> listener,
                                   const Address& peer, std::unique_ptr<Transport> transport)
    : worker_(worker),
      owner_(owner),
      listener_(std::move(listener)),
      peer_(peer),
      transport_(std::move(transport)),
      out_(worker.buffers),
      in_(worker.buffers),
      work_([this] { AfterWork(); }),
      turn_([this] {
        waits_its_turn_ = false;
        AfterWork();
      }),
      timer_([this] { OnTimer(); }) {}

ServerConnection::~ServerConnection() {
  if (state_ != State::kClosed) worker_.loop.Unwatch(transport_->fd(), this);
}

void ServerConnection::Start() {
  worker_.metrics.downstream_connections.Add(1);
  since_ = head_since_ = worker_.loop.now();
  in_head_ = true;  // the first request has the header timeout, not the idle one
  if (!worker_.loop.Watch(transport_->fd(), this).ok()) {
    Close();
    return;
  }
  UpdateTimer();
}

void ServerConnection::OnIo(IoEvents events) {
  if (events.writable && !out_.empty()) worker_.loop.Defer(work_);
  if (!events.readable && !events.hangup) return;
  hangup_ = hangup_ || events.hangup;  // no further edge will come: read to the end
  if (state_ == State::kLingering) {
    LingerRead();
  } else {
    ReadLoop();
  }
}

// Reads and feeds until the socket is drained or the codec wants no more for now.
void ServerConnection::ReadLoop() {
  if (reading_ || waits_its_turn_ || state_ != State::kOpen) return;
  reading_ = true;
  want_read_ = !eof_;  // after the end, only what is held can still be fed
  char* const scratch = worker_.upstream.scratch;
  const size_t scratch_size = worker_.upstream.scratch_size;
  for (int reads = 0; state_ == State::kOpen; ++reads) {
    if (reads == kReadsPerTurn) {
      waits_its_turn_ = true;
      worker_.loop.DeferToNext(turn_);
      break;
    }
    if (!in_.empty()) {
      size_t consumed = 0;
      if (!Feed(in_.view(), &consumed)) break;
      in_.Consume(consumed);
      if (!in_.empty()) break;
      if (!want_read_) break;
    }
    if (!writable()) break;  // who does not read answers gets no more of them
    if (eof_) break;
    const IoResult got = transport_->Read(scratch, scratch_size);
    if (got.kind == IoResult::Kind::kWouldBlock) {
      want_read_ = false;
      break;
    }
    if (got.kind == IoResult::Kind::kEof) {
      eof_ = true;
      want_read_ = false;
      OnEof();
      break;
    }
    if (got.kind == IoResult::Kind::kError) {
      reading_ = false;
      CloseNow("client_reset");
      return;
    }
    since_ = worker_.loop.now();
    const absl::string_view bytes(scratch, got.bytes);
    size_t consumed = 0;
    if (!Feed(bytes, &consumed)) break;
    if (consumed < bytes.size()) in_.Append(bytes.substr(consumed));
    if (!hangup_ && transport_->drained_by(scratch_size, got.bytes)) {
      want_read_ = false;
      if (in_.empty()) break;
    }
    if (!in_.empty()) break;
  }
  reading_ = false;
  if (state_ == State::kOpen) worker_.loop.Defer(work_);
}

bool ServerConnection::Feed(absl::string_view bytes, size_t* consumed) {
  if (codec_ == nullptr) {
    codec_ = listener_->make_codec(*this, listener_->limits, out_);
    if (draining_) codec_->GoAway(out_);
  }
  const FeedResult fed = codec_->Feed(bytes);
  *consumed = fed.consumed;
  if (fed.failed) {
    OnFailed(fed);
    return false;
  }
  const bool in_head = codec_->in_head();
  if (in_head && !in_head_) head_since_ = worker_.loop.now();
  in_head_ = in_head;
  return state_ == State::kOpen;
}

// The client broke the protocol or a limit. Whatever it was doing ends here.
void ServerConnection::OnFailed(const FeedResult& fed) {
  linger_ = true;
  in_.Clear();
  if (Stream* stream = Find(fed.stream)) {
    stream->OnProtocolError(fed.error);
    return;
  }
  if (!streams_.empty()) {
    // A connection of many streams broke as a whole: nothing on it can be told from the fault.
    while (!streams_.empty()) streams_.back()->OnProtocolError(fed.error);
    return;
  }
  worker_.metrics.Refused(listener_->name, fed.error.reason);
  // No head was complete: there is no stream to answer from. (After a response that was already
  // sent, the codec ignores this and only closes.)
  const LocalReply reply{.status = fed.error.status,
                         .reason = fed.error.reason,
                         .detail = "The request is not valid HTTP."};
  const std::string request_id = NewRequestId(worker_.services.random);
  const std::string body = ProblemJson(reply, request_id);
  ResponseHead head;
  head.status = reply.status;
  head.body = {BodySize::Kind::kLength, body.size()};
  head.headers.Add(HeaderId::kContentType, "application/problem+json");
  head.headers.Add(HeaderId::kXRequestId, request_id);
  codec_->EncodeHead(fed.stream, head, /*end=*/false, out_);
  codec_->EncodeData(fed.stream, body, /*end=*/true, out_);
  out_.Settle();
  AccessRecord record;
  record.time = worker_.loop.clock().Wall();
  record.listener = listener_->name;
  record.request_id = request_id;
  record.client = &peer_;
  record.status = reply.status;
  record.step = "framing";
  record.reason = reply.reason;
  record.bytes_out = body.size();
  worker_.log.Write(record);
  worker_.LogWritten();
  worker_.loop.Defer(work_);
}

void ServerConnection::OnEof() {
  if (codec_ == nullptr) return;
  const FeedResult fed = codec_->FeedEof();
  if (fed.failed) OnFailed(fed);
}

// --- Codec events.

void ServerConnection::OnRequestHead(StreamId id, RequestHead& head, bool end) {
  streams_.push_back(worker_.TakeStream());
  streams_.back()->Begin(*this, id, head, end);
}

void ServerConnection::OnRequestData(StreamId id, absl::string_view data, bool end) {
  if (Stream* stream = Find(id)) stream->OnData(data, end);
}

void ServerConnection::OnRequestTrailers(StreamId id, HeaderMap& trailers) {
  if (Stream* stream = Find(id)) stream->OnTrailers(trailers);
}

void ServerConnection::OnRequestReset(StreamId id, ResetReason) {
  if (Stream* stream = Find(id)) stream->OnClientGone("client_reset");
}

void ServerConnection::OnSendReady(StreamId id) {
  if (Stream* stream = Find(id)) stream->OnDrained();
}

Stream* ServerConnection::Find(StreamId id) {
  for (const auto& stream : streams_) {
    if (stream->id() == id) return stream.get();
  }
  return nullptr;
}

// --- For streams.

void ServerConnection::SendInformational(StreamId id, int status) {
  codec_->EncodeInformational(id, status, out_);
  Wrote(0);
}

void ServerConnection::SendHead(StreamId id, const ResponseHead& head, bool end) {
  earlier_waits_ = !out_.empty();
  codec_->EncodeHead(id, head, end, out_);
  Wrote(0);
}

void ServerConnection::SendData(StreamId id, absl::string_view data, bool end) {
  codec_->EncodeData(id, data, end, out_);
  Wrote(data.size());
}

void ServerConnection::SendTrailers(StreamId id, const HeaderMap& trailers) {
  codec_->EncodeTrailers(id, trailers, out_);
  Wrote(0);
}

// Large data goes straight from where it was read into the socket. An error is not acted on here,
// inside of a stream's call: the deferred flush meets it again.
void ServerConnection::Wrote(size_t added) {
  if (added >= kWriteThrough) {
    out_.Flush(*transport_);
  }
  out_.Settle();
  if (!writable()) above_high_ = true;
  worker_.loop.Defer(work_);
}

void ServerConnection::Resume(StreamId id) {
  since_ = worker_.loop.now();  // we did not want to read: that time is not the client's
  codec_->Resume(id);
  worker_.loop.Defer(work_);
}

void ServerConnection::Abort(StreamId id) {
  codec_->Reset(id, ResetReason::kInternal, out_);
  cut_ = codec_->closing();
  worker_.loop.Defer(work_);
}

// A multiplexing codec drops what waits for credit; what is queued is of all streams. In HTTP/1 an
// earlier response may still be leaving: that one is whole, and is sent.
void ServerConnection::Cut(StreamId id) {
  if (codec_->max_streams() == 1 && !earlier_waits_) out_.Clear();
  Abort(id);
}

void ServerConnection::CloseAfter(StreamId) {
  if (codec_->max_streams() == 1) codec_->GoAway(out_);
}

void ServerConnection::StreamEnded(Stream& stream, bool request_complete) {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto& s) { return s.get() == &stream; });
  if (!request_complete) linger_ = true;
  worker_.Recycle(std::move(*found));
  streams_.erase(found);
  if (state_ == State::kOpen) worker_.loop.Defer(work_);
}

// --- Writing, and what follows.

void ServerConnection::Flush() {
  if (const size_t before = out_.size(); before > 0) {
    const IoResult result = out_.Flush(*transport_);
    // How long the client has taken nothing, whatever it sends meanwhile.
    if (out_.size() < before || !write_stalled_) stalled_since_ = worker_.loop.now();
    write_stalled_ = !out_.empty();
    earlier_waits_ &= write_stalled_;
    if (result.kind == IoResult::Kind::kError) {
      CloseNow("client_reset");
      return;
    }
  }
  // Also when Wrote has emptied the queue already.
  if (above_high_ && out_.size() < kLowWatermark) {
    above_high_ = false;
    std::vector<StreamId> ids;
    for (const auto& stream : streams_) ids.push_back(stream->id());
    for (StreamId id : ids) {
      if (Stream* stream = Find(id)) stream->OnDrained();
    }
  }
}

void ServerConnection::AfterWork() {
  if (state_ != State::kOpen) {
    if (state_ == State::kLingering) Flush();
    return;
  }
  Flush();
  if (state_ != State::kOpen) return;
  const bool closing = codec_ != nullptr && codec_->closing();
  if (streams_.empty() && (closing || eof_ || (drain_over() && (!codec_ || codec_->idle())))) {
    if (!out_.empty()) {
      UpdateTimer();
      return;
    }
    // Pipelined requests behind one that closes are not served; that is what closing says.
    if (cut_) {
      // A response that ends with its connection (HTTP/1.0) would look whole after a FIN.
      ResetOnClose(transport_->fd());
      Close();
    } else if (linger_ || !in_.empty()) {
      Linger();
    } else {
      Close();
    }
    return;
  }
  if (!closing && !waits_its_turn_ && (want_read_ || !in_.empty()) && MayRead()) {
    ReadLoop();
    return;
  }
  UpdateTimer();
}

// Whether feeding could get on: what is held was not consumed because a stream is paused, or (in
// HTTP/1) because a response is due.
bool ServerConnection::MayRead() const {
  if (!writable()) return false;
  if (streams_.empty()) return true;
  if (codec_->max_streams() > 1) return true;
  const Stream& stream = *streams_.front();
  return !stream.request_paused() && (!stream.request_complete() || stream.tunnel() || in_.empty());
}

void ServerConnection::Linger() {
  state_ = State::kLingering;
  in_.Clear();
  codec_.reset();
  transport_->ShutdownWrite();
  since_ = worker_.loop.now();
  worker_.loop.ArmAfter(timer_, kLingerTime);
  LingerRead();
}

// Takes in, and drops, what the client is still sending, so that the answer is not lost in a reset.
void ServerConnection::LingerRead() {
  while (!eof_ && lingered_ < kLingerBytes) {
    const IoResult got = transport_->Read(worker_.upstream.scratch, worker_.upstream.scratch_size);
    if (got.kind == IoResult::Kind::kWouldBlock) return;
    if (got.kind != IoResult::Kind::kOk) break;
    lingered_ += static_cast<uint32_t>(got.bytes);
  }
  Close();
}

bool ServerConnection::drain_over() const {
  return draining_ && worker_.loop.now() >= drain_until_;
}

// An idle connection is not closed at once: its next request may be on the way, and would be lost.
// It is answered, with `Connection: close`; after kDrainGrace nothing is on the way any more.
void ServerConnection::Drain() {
  if (draining_) return;
  draining_ = true;
  drain_until_ = worker_.loop.now() + kDrainGrace;
  if (state_ != State::kOpen) return;
  if (codec_ != nullptr) codec_->GoAway(out_);
  worker_.loop.Defer(work_);
}

// Ending one stream may end others: it gives its place upstream to an attempt that may fail at
// once. So each is looked for again, by its id.
void ServerConnection::EndRevoked(const DenyList& denied) {
  const WallTime now = worker_.loop.clock().Wall();
  std::vector<StreamId> ids;
  for (const auto& stream : streams_) {
    if (stream->RevokedBy(denied, now) != nullptr) ids.push_back(stream->id());
  }
  for (const StreamId id : ids) {
    Stream* stream = Find(id);
    const char* reason = stream != nullptr ? stream->RevokedBy(denied, now) : nullptr;
    if (reason != nullptr) stream->OnRevoked(reason);
  }
}

void ServerConnection::CloseNow(const char* reason) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;  // streams that end now must not write
  worker_.loop.Unwatch(transport_->fd(), this);
  while (!streams_.empty()) streams_.back()->OnClientGone(reason);
  timer_.Cancel();
  worker_.metrics.downstream_connections.Add(-1);
  owner_.OnConnectionClosed(*this);
}

void ServerConnection::Close() { CloseNow("closed"); }

// --- Time. One timer, armed late: progress only moves `since_`, and when the timer fires it looks
// whether that was long ago.

MonoTime ServerConnection::Deadline() const {
  if (state_ == State::kLingering) return since_ + kLingerTime;
  if (!out_.empty()) return stalled_since_ + listener_->body_timeout;
  for (const auto& stream : streams_) {
    if (!stream->expects_data()) continue;
    return since_ + (stream->tunnel() ? listener_->idle_timeout : listener_->body_timeout);
  }
  if (!streams_.empty()) return kNever;  // the stream has its own deadline
  const bool nothing_begun = codec_ == nullptr || codec_->idle();
  MonoTime end = in_head_
                     ? head_since_ + listener_->header_timeout
                     : since_ + (codec_ != nullptr ? std::min(kKeepCodec, listener_->idle_timeout)
                                                   : listener_->idle_timeout);
  if (draining_ && nothing_begun) end = std::min(end, drain_until_);
  return end;
}

void ServerConnection::UpdateTimer() {
  const MonoTime deadline = Deadline();
  if (deadline == kNever || (timer_.armed() && timer_.deadline() <= deadline)) return;
  worker_.loop.Arm(timer_, deadline);
}

void ServerConnection::OnTimer() {
  const MonoTime deadline = Deadline();
  if (deadline == kNever) return;  // armed again when the stream ends
  if (deadline > worker_.loop.now()) {
    worker_.loop.Arm(timer_, deadline);
    return;
  }
  if (state_ == State::kLingering) {
    Close();
  } else if (!out_.empty()) {
    worker_.metrics.Refused(listener_->name, "write_timeout");
    CloseNow("write_timeout");
  } else if (!streams_.empty()) {
    for (const auto& stream : streams_) {
      if (!stream->expects_data()) continue;
      linger_ = true;
      stream->OnBodyTimeout();
      return;
    }
  } else if (in_head_) {
    // Slow or silent: no answer is owed to half a head.
    if (codec_ != nullptr) worker_.metrics.Refused(listener_->name, "header_timeout");
    Close();
  } else if (codec_ != nullptr && !drain_over() &&
             worker_.loop.now() < since_ + listener_->idle_timeout) {
    codec_.reset();
    UpdateTimer();
  } else {
    Close();
  }
}

}  // namespace tollgate::proxy
