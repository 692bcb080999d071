#include "proxy/upstream/client_connection.h"

#include <unistd.h>

#include <algorithm>

#include "proxy/net/socket.h"
#include "proxy/upstream/cluster.h"

namespace tollgate::proxy {

ClientConnection::ClientConnection(EndpointPool& pool, UpstreamContext& context, int fd,
                                   bool connected)
    : pool_(pool),
      context_(context),
      transport_(MakePlainTransport(fd)),
      out_(context.buffers),
      in_(context.buffers),
      flush_([this] { Flush(); }),
      resume_([this] {
        if (state_ == State::kOpen) ReadLoop();
      }),
      timer_([this] { OnTimer(); }) {
  if (!context_.loop.Watch(fd, this).ok()) {
    // The kernel has no room for it. The first timer tick tells the attempt.
    watched_ = false;
    context_.loop.ArmAfter(timer_, Duration::zero());
    return;
  }
  if (connected) {
    state_ = State::kOpen;
    codec_ = MakeHttp1ClientCodec(*this, CodecLimits{});
  } else {
    context_.loop.ArmAfter(timer_, pool_.cluster().policy().connect_timeout);
  }
}

ClientConnection::~ClientConnection() {
  if (state_ != State::kClosed) context_.loop.Unwatch(transport_->fd(), this);
}

bool ClientConnection::can_lease() const {
  return state_ == State::kOpen && !draining_ && !codec_->closing() &&
         streams_.size() < codec_->max_streams();
}

void ClientConnection::Drain() {
  draining_ = true;
  if (state_ == State::kOpen && streams_.empty()) Close(AttemptFailure::Kind::kConnectionLost, "");
}

StreamId ClientConnection::Send(Attempt& attempt, const RequestHead& head, bool end) {
  received_ = false;
  idle_ = false;
  const StreamId id = codec_->EncodeHead(head, end, out_);
  streams_.emplace_back(id, &attempt);
  context_.loop.Defer(flush_);
  return id;
}

void ClientConnection::SendData(StreamId stream, absl::string_view data, bool end) {
  if (state_ != State::kOpen) return;
  codec_->EncodeData(stream, data, end, out_);
  Settle(data.size());
}

void ClientConnection::SendTrailers(StreamId stream, const HeaderMap& trailers) {
  if (state_ != State::kOpen) return;
  codec_->EncodeTrailers(stream, trailers, out_);
  context_.loop.Defer(flush_);
}

// Large data goes straight from where it was read into the socket. Whatever is left is copied now,
// always: before this iteration ends, the buffer that it was read into holds somebody else's bytes.
void ClientConnection::Settle(size_t added) {
  if (added >= kWriteThrough) {
    // An error shows again, and is handled, in the deferred flush.
    out_.Flush(*transport_);
  }
  out_.Settle();
  if (!writable()) above_high_ = true;
  if (!out_.empty() || above_high_) context_.loop.Defer(flush_);
}

void ClientConnection::Flush() {
  if (state_ != State::kOpen) return;
  const IoResult result = out_.Flush(*transport_);
  if (result.kind == IoResult::Kind::kError) {
    // An early answer may have arrived before the reset.
    ReadLoop();
    if (state_ == State::kOpen) Close(AttemptFailure::Kind::kConnectionLost, "write_failed");
    return;
  }
  if (above_high_ && out_.size() < kLowWatermark) {
    above_high_ = false;
    const auto streams = streams_;
    for (const auto& [id, attempt] : streams) {
      if (state_ == State::kOpen && Find(id) == attempt) attempt->events_.OnAttemptDrained();
    }
  }
}

void ClientConnection::Reset(StreamId stream) {
  Detach(stream);
  if (state_ != State::kOpen) return;
  codec_->Reset(stream, ResetReason::kCancelled, out_);
  if (codec_->closing() && streams_.empty()) {
    // What of an unanswered request is still here must not leave any more: the attempt was told how
    // much had been sent, and if that was nothing, it may run elsewhere by now. (What follows an
    // answer, a tunnel's last bytes say, still leaves. A multiplexing codec has the frames of
    // others in the queue.)
    if (codec_->max_streams() == 1 && !received_) out_.Clear();
    // Possibly inside the codec's own event: close at the end of the iteration.
    draining_ = true;
    context_.loop.ArmAfter(timer_, Duration::zero());
    return;
  }
  context_.loop.Defer(flush_);
}

void ClientConnection::Detach(StreamId stream) {
  std::erase_if(streams_, [stream](const auto& entry) { return entry.first == stream; });
  if (streams_.empty()) paused_ = false;
}

void ClientConnection::Pause(StreamId stream) {
  if (state_ != State::kOpen) return;
  codec_->Pause(stream);
  paused_ = codec_->max_streams() == 1;  // of many streams, the others are read on
}

void ClientConnection::Resume(StreamId stream) {
  if (state_ != State::kOpen) return;
  codec_->Resume(stream);
  if (!std::exchange(paused_, false)) return;
  if (!reading_ && (want_read_ || !in_.empty())) context_.loop.Defer(resume_);
}

Attempt* ClientConnection::Find(StreamId id) {
  for (const auto& [stream, attempt] : streams_) {
    if (stream == id) return attempt;
  }
  return nullptr;
}

void ClientConnection::OnIo(IoEvents events) {
  if (state_ == State::kConnecting) {
    if (!events.writable && !events.hangup) return;
    if (const int error = ConnectResult(transport_->fd()); error != 0) {
      Close(AttemptFailure::Kind::kConnectFailed,
            error == ECONNREFUSED ? "connect_refused" : "connect_failed");
      return;
    }
    Connected();
    if (state_ != State::kOpen) return;
  }
  hangup_ = hangup_ || events.hangup;  // no further edge will come: read to the end
  if (events.writable && !out_.empty()) Flush();
  if (state_ == State::kOpen && (events.readable || events.hangup)) ReadLoop();
}

void ClientConnection::Connected() {
  state_ = State::kOpen;
  timer_.Cancel();
  codec_ = MakeHttp1ClientCodec(*this, CodecLimits{});
  if (Attempt* attempt = std::exchange(waiting_, nullptr)) {
    attempt->OnConnection(*this, /*reused=*/false);
  } else {
    BecomeIdle();
  }
}

void ClientConnection::ReadLoop() {
  if (reading_) return;
  reading_ = true;
  want_read_ = true;
  if (!in_.empty() && !FeedHeld()) return;
  for (int reads = 0; state_ == State::kOpen && !paused_ && in_.empty(); ++reads) {
    if (reads == kReadsPerTurn) {
      context_.loop.DeferToNext(resume_);
      break;
    }
    const IoResult got = transport_->Read(context_.scratch, context_.scratch_size);
    if (got.kind == IoResult::Kind::kWouldBlock) {
      want_read_ = false;
      break;
    }
    if (got.kind != IoResult::Kind::kOk) {
      // In order or not: a body that ends with the connection ends only in order.
      if (got.kind == IoResult::Kind::kEof) codec_->FeedEof();
      reading_ = false;
      if (state_ == State::kOpen) {
        Close(AttemptFailure::Kind::kConnectionLost,
              got.kind == IoResult::Kind::kEof ? "upstream_closed" : "upstream_reset");
      }
      return;
    }
    received_ = true;
    const absl::string_view bytes(context_.scratch, got.bytes);
    const FeedResult fed = codec_->Feed(bytes);
    if (!HandleFed(fed)) return;
    if (fed.consumed < bytes.size()) in_.Append(bytes.substr(fed.consumed));
    if (!hangup_ && transport_->drained_by(context_.scratch_size, got.bytes)) {
      want_read_ = false;
      break;
    }
  }
  reading_ = false;
  if (state_ == State::kOpen) AfterRead();
}

bool ClientConnection::FeedHeld() {
  const FeedResult fed = codec_->Feed(in_.view());
  if (!HandleFed(fed)) return false;
  in_.Consume(fed.consumed);
  return true;
}

bool ClientConnection::HandleFed(const FeedResult& fed) {
  if (fed.failed) {
    reading_ = false;
    if (state_ == State::kOpen) Close(AttemptFailure::Kind::kProtocolError, fed.error.reason);
    return false;
  }
  if (state_ != State::kOpen) {
    reading_ = false;
    return false;
  }
  return true;
}

void ClientConnection::AfterRead() {
  if (!streams_.empty()) return;
  if (codec_->closing() || draining_ || !in_.empty()) {
    Close(AttemptFailure::Kind::kConnectionLost, "");
  } else if (!idle_ && codec_->idle()) {
    BecomeIdle();
  }
}

void ClientConnection::BecomeIdle() {
  idle_ = true;
  idle_since_ = context_.loop.now();
  if (!timer_.armed()) {
    context_.loop.ArmAfter(timer_, pool_.cluster().policy().idle_timeout);
  }
  pool_.OnIdle(*this);
}

void ClientConnection::OnTimer() {
  if (state_ == State::kConnecting) {
    if (watched_) {
      Close(AttemptFailure::Kind::kConnectFailed, "connect_timeout");
    } else {
      Close(AttemptFailure::Kind::kOverflow, "no_descriptor");
    }
    return;
  }
  if (!streams_.empty()) return;
  if (draining_) {
    Flush();  // the little that the codec had to say, if it goes out at once
    if (state_ == State::kOpen) Close(AttemptFailure::Kind::kConnectionLost, "");
    return;
  }
  const MonoTime end = idle_since_ + pool_.cluster().policy().idle_timeout;
  if (idle_ && end <= context_.loop.now()) {
    Close(AttemptFailure::Kind::kConnectionLost, "");
  } else if (idle_) {
    context_.loop.Arm(timer_, end);
  }
}

void ClientConnection::Close(AttemptFailure::Kind kind, const char* reason) {
  state_ = State::kClosed;
  context_.loop.Unwatch(transport_->fd(), this);
  timer_.Cancel();
  // First out of the pool (this object lives until the end of the iteration), then the news: a
  // stream may at once ask the pool again.
  pool_.OnClosed(*this);
  if (Attempt* waiting = std::exchange(waiting_, nullptr)) waiting->Fail(kind, reason);
  while (!streams_.empty()) {
    Attempt* attempt = streams_.back().second;
    streams_.pop_back();
    attempt->Fail(kind, reason);
  }
}

void ClientConnection::OnResponseInformational(StreamId id, ResponseHead& head) {
  if (Attempt* attempt = Find(id)) attempt->events_.OnAttemptInformational(head);
}

void ClientConnection::OnResponseHead(StreamId id, ResponseHead& head, bool end) {
  if (Attempt* attempt = Find(id)) attempt->OnHead(head, end);
}

void ClientConnection::OnResponseData(StreamId id, absl::string_view data, bool end) {
  if (Attempt* attempt = Find(id)) attempt->OnData(data, end);
}

void ClientConnection::OnResponseTrailers(StreamId id, HeaderMap& trailers) {
  if (Attempt* attempt = Find(id)) attempt->OnTrailers(trailers);
}

void ClientConnection::OnResponseReset(StreamId id, ResetReason reason) {
  if (Attempt* attempt = Find(id)) {
    Detach(id);
    attempt->Fail(AttemptFailure::Kind::kReset,
                  reason == ResetReason::kRefused ? "refused_stream" : "stream_reset");
  }
}

void ClientConnection::OnGoAway(StreamId) { draining_ = true; }

}  // namespace tollgate::proxy
