// One connection to an endpoint: transport, codec and the attempts that it carries, by stream id.
// Owned by its pool; worker thread only.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "proxy/event/loop.h"
#include "proxy/http/codec.h"
#include "proxy/net/buffer.h"
#include "proxy/net/transport.h"
#include "proxy/net/write_queue.h"
#include "proxy/upstream/attempt.h"

namespace tollgate::proxy {

class EndpointPool;
struct UpstreamContext;

class ClientConnection final : private IoHandler, private ClientCodecEvents {
 public:
  // `fd` is connecting, or connected when `connected`. Takes it over.
  ClientConnection(EndpointPool& pool, UpstreamContext& context, int fd, bool connected);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  bool open() const { return state_ == State::kOpen; }
  bool can_lease() const;
  // Whether a byte came since the last Send.
  bool received() const { return received_; }
  MonoTime idle_since() const { return idle_since_; }
  // Nobody wants it any longer once what it carries is finished.
  void Drain();

  // The attempt that asked for this connection to be made; null: nobody waits (any more).
  void set_waiting(Attempt* attempt) { waiting_ = attempt; }
  Attempt* waiting() const { return waiting_; }

  // For attempts.
  StreamId Send(Attempt& attempt, const RequestHead& head, bool end);
  void SendData(StreamId stream, absl::string_view data, bool end);
  void SendTrailers(StreamId stream, const HeaderMap& trailers);
  void Reset(StreamId stream);
  void Detach(StreamId stream);
  void Pause(StreamId stream);
  void Resume(StreamId stream);
  bool writable() const { return out_.size() < kHighWatermark; }
  // Of the request bytes put on this connection, how many the kernel took, so far.
  uint64_t written() const { return out_.written(); }
  uint64_t queued() const { return out_.written() + out_.size(); }

 private:
  static constexpr size_t kHighWatermark = 256 << 10;
  static constexpr size_t kLowWatermark = 64 << 10;
  static constexpr size_t kWriteThrough = 4 << 10;
  static constexpr int kReadsPerTurn = 16;  // then the others have theirs
  enum class State : uint8_t { kConnecting, kOpen, kClosed };

  void OnIo(IoEvents events) override;
  void OnResponseInformational(StreamId id, ResponseHead& head) override;
  void OnResponseHead(StreamId id, ResponseHead& head, bool end) override;
  void OnResponseData(StreamId id, absl::string_view data, bool end) override;
  void OnResponseTrailers(StreamId id, HeaderMap& trailers) override;
  void OnResponseReset(StreamId id, ResetReason reason) override;
  void OnGoAway(StreamId last) override;

  void Connected();
  void ReadLoop();
  bool FeedHeld();
  bool HandleFed(const FeedResult& fed);
  void AfterRead();
  void BecomeIdle();
  void Flush();
  void Settle(size_t added);
  void OnTimer();
  void Close(AttemptFailure::Kind kind, const char* reason);
  Attempt* Find(StreamId id);

  EndpointPool& pool_;
  UpstreamContext& context_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ClientCodec> codec_;
  WriteQueue out_;
  Buffer in_;  // read but not consumed: the codec is paused
  Deferred flush_;
  Deferred resume_;  // reads what waited while paused
  Timer timer_;      // connect, then idle
  std::vector<std::pair<StreamId, Attempt*>> streams_;
  Attempt* waiting_ = nullptr;
  MonoTime idle_since_{};
  State state_ = State::kConnecting;
  bool watched_ = true;
  bool received_ = false;
  bool idle_ = false;  // the pool has it
  bool draining_ = false;
  bool reading_ = false;    // inside Feed: no recursion
  bool want_read_ = false;  // an edge came while paused
  bool paused_ = false;
  bool hangup_ = false;
  bool above_high_ = false;
};

}  // namespace tollgate::proxy
