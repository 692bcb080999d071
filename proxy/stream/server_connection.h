// One client connection: transport, codec and its streams by id. An idle HTTP/1 connection holds no
// buffer and no codec. Owned by its worker's list; worker thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/inlined_vector.h"
#include "common/base/address.h"
#include "proxy/event/loop.h"
#include "proxy/http/codec.h"
#include "proxy/net/transport.h"
#include "proxy/net/write_queue.h"
#include "proxy/stream/stream.h"
#include "proxy/stream/worker_context.h"

namespace tollgate::proxy {

// `out` is the connection's queue, for what a multiplexing codec says by itself.
using ServerCodecFactory = std::unique_ptr<ServerCodec> (*)(ServerCodecEvents& events,
                                                            const CodecLimits& limits,
                                                            WriteQueue& out);
inline std::unique_ptr<ServerCodec> MakeHttp1(ServerCodecEvents& events, const CodecLimits& limits,
                                              WriteQueue&) {
  return MakeHttp1ServerCodec(events, limits);
}

// What a connection keeps of the listener that accepted it: shared by its connections of one
// worker, outlives pushes. Worker thread only.
class ListenerState {
 public:
  explicit ListenerState(const ListenerPolicy& policy, ServerCodecFactory codec = &MakeHttp1)
      : name(policy.name), direction(policy.direction), make_codec(codec) {
    Update(policy);
  }
  // A newer snapshot has it.
  void Update(const ListenerPolicy& policy);
  // What `snapshot` says of it; null when it is gone. Remembers the last answer.
  const CompiledListener* In(const Snapshot& snapshot) const {
    if (&snapshot != seen_) {
      seen_ = &snapshot;
      found_ = snapshot.FindListener(name);
    }
    return found_;
  }

  const std::string name;
  const Direction direction;
  const ServerCodecFactory make_codec;
  CodecLimits limits;
  Duration header_timeout{}, idle_timeout{}, body_timeout{}, max_stream_duration{};

 private:
  mutable const Snapshot* seen_ = nullptr;
  mutable const CompiledListener* found_ = nullptr;
};

// Who keeps connections.
class ConnectionOwner {
 public:
  // The connection is over: take it out of the list and hand it to WorkerContext::Bury.
  virtual void OnConnectionClosed(ServerConnection& connection) = 0;

 protected:
  ~ConnectionOwner() = default;
};

class ServerConnection final : private IoHandler, private ServerCodecEvents {
 public:
  ServerConnection(WorkerContext& worker, ConnectionOwner& owner,
                   std::shared_ptr<const ListenerState> listener, const Address& peer,
                   std::unique_ptr<Transport> transport);
  ~ServerConnection();
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;

  // Registers with the loop and reads what is there.
  void Start();
  const ListenerState& listener() const { return *listener_; }
  const Address& peer() const { return peer_; }
  // Closes when what runs is finished; when idle, after one more request or a moment.
  void Drain();
  void CloseNow(const char* reason);
  // Ends the streams whose credential is denied. Not from within a call of a stream or the codec.
  void EndRevoked(const DenyList& denied);

  // For streams.
  void SendInformational(StreamId id, int status);
  void SendHead(StreamId id, const ResponseHead& head, bool end);
  void SendData(StreamId id, absl::string_view data, bool end);
  void SendTrailers(StreamId id, const HeaderMap& trailers);
  // False: no more until the stream's OnDrained.
  bool CanSend(StreamId id) const { return writable() && codec_->CanSend(id); }
  // A tunnel is not idle.
  void Progress() { since_ = worker_.loop.now(); }
  void Pause(StreamId id) { codec_->Pause(id); }
  void Resume(StreamId id);
  // Gives the response up in the middle.
  void Abort(StreamId id);
  // The same, and what of it still waits here is not sent either.
  void Cut(StreamId id);
  // After this response the connection ends, if it carries one stream at a time; one of many ends
  // alone.
  void CloseAfter(StreamId id);
  // The stream is over; the connection gives it back to the worker.
  void StreamEnded(Stream& stream, bool request_complete);

 private:
  static constexpr size_t kHighWatermark = 256 << 10;
  static constexpr size_t kLowWatermark = 64 << 10;
  static constexpr size_t kWriteThrough = 4 << 10;
  static constexpr size_t kLingerBytes = 1 << 20;
  static constexpr int kReadsPerTurn = 16;
  enum class State : uint8_t { kOpen, kLingering, kClosed };

  bool drain_over() const;
  bool writable() const { return out_.size() < kHighWatermark; }
  void OnIo(IoEvents events) override;
  void OnRequestHead(StreamId id, RequestHead& head, bool end) override;
  void OnRequestData(StreamId id, absl::string_view data, bool end) override;
  void OnRequestTrailers(StreamId id, HeaderMap& trailers) override;
  void OnRequestReset(StreamId id, ResetReason reason) override;
  void OnSendReady(StreamId id) override;

  void ReadLoop();
  bool Feed(absl::string_view bytes, size_t* consumed);
  void OnFailed(const FeedResult& fed);
  void OnEof();
  void Flush();
  void Wrote(size_t added);
  void AfterWork();
  bool MayRead() const;
  void Linger();
  void LingerRead();
  void Close();
  void UpdateTimer();
  MonoTime Deadline() const;
  void OnTimer();
  Stream* Find(StreamId id);

  WorkerContext& worker_;
  ConnectionOwner& owner_;
  std::shared_ptr<const ListenerState> listener_;
  Address peer_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ServerCodec> codec_;  // null while idle
  WriteQueue out_;
  Buffer in_;
  Deferred work_;  // flush, then read on, then close if it is time
  Deferred turn_;  // reads on after others had their turn
  Timer timer_;
  absl::InlinedVector<std::unique_ptr<Stream>, 1> streams_;
  MonoTime since_{};  // last progress of what the timer watches
  MonoTime head_since_{};
  MonoTime stalled_since_{};  // with write_stalled_: the client takes nothing
  MonoTime drain_until_{};    // an idle connection stays for a request that is on its way
  uint32_t lingered_ = 0;     // bytes
  State state_ = State::kOpen;
  bool write_stalled_ = false;
  bool linger_ = false;  // something of the client's may be unread: closing at once would reset
  bool in_head_ = false;
  bool reading_ = false;
  bool want_read_ = false;
  bool eof_ = false;
  bool cut_ = false;            // a response was: the end must not look orderly
  bool earlier_waits_ = false;  // when the newest response began, something else was still queued
  bool draining_ = false;
  bool waits_its_turn_ = false;
  bool hangup_ = false;
  bool above_high_ = false;
};

}  // namespace tollgate::proxy
