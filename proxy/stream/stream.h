// The life of one request: chain, attempts, both bodies, one deadline, and the end, exactly once.
// Owned by its ServerConnection, reused through the worker; worker thread only. It knows no codec:
// it speaks to the connection by stream id, so that HTTP/1 and multiplexing codecs look alike.
//
//   Begin -> chain -> a reply, or a permit -> attempt (retried by the contract) -> response ->
//   Finish
//
// Order in the code: bookkeeping first, the call that may end this stream last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "proxy/filter/chain.h"
#include "proxy/filter/context.h"
#include "proxy/http/codec.h"
#include "proxy/stream/worker_context.h"
#include "proxy/upstream/attempt.h"
#include "proxy/upstream/retry_policy.h"

namespace tollgate::proxy {

class ServerConnection;

class Stream final : private ChainEvents, private AttemptEvents {
 public:
  explicit Stream(WorkerContext& worker);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  StreamId id() const { return id_; }

  // From the connection. `head` may be moved from.
  void Begin(ServerConnection& connection, StreamId id, RequestHead& head, bool end);
  void OnData(absl::string_view data, bool end);
  void OnTrailers(HeaderMap& trailers);
  // The request's framing broke: nothing goes upstream any more.
  void OnProtocolError(const ProtocolError& error);
  // The client is gone, or gave this stream up. Ends the stream.
  void OnClientGone(const char* reason);
  // The connection's queue has drained: the response may go on.
  void OnDrained();
  // The request's body did not arrive in time.
  void OnBodyTimeout();
  // Why its credential would be refused now (RevokedSince); null: it would not. A stream that is
  // over has none.
  const char* RevokedBy(const DenyList& denied, WallTime now) const;
  // What RevokedBy said: ends the stream, with a 401 if no response has begun.
  void OnRevoked(const char* reason);
  bool request_complete() const { return request_complete_; }
  bool request_paused() const { return request_paused_; }
  bool response_started() const { return response_started_; }
  // 101 was answered: both directions are opaque bytes.
  bool tunnel() const { return tunnel_; }
  // The client is to send more; it has so long for it.
  bool expects_data() const { return (!request_complete_ || tunnel_) && !request_paused_; }

 private:
  // Of a request's body, what is held to be sent (again) when a retry is permitted.
  static constexpr size_t kReplayBytes = 64 << 10;

  // ChainEvents
  void OnPermit(Permit permit) override;
  void OnReply(LocalReply reply) override;
  void OnNeedBody(uint64_t max) override;
  // AttemptEvents
  void OnAttemptReady() override;
  void OnAttemptDrained() override;
  void OnAttemptInformational(ResponseHead& head) override;
  void OnAttemptHead(ResponseHead& head, bool end) override;
  void OnAttemptData(absl::string_view data, bool end) override;
  void OnAttemptTrailers(HeaderMap& trailers) override;
  void OnAttemptFailed(const AttemptFailure& failure) override;

  void StartAttempt(bool other_endpoint);
  void OnDeadline();
  void OnAttemptTimeout();
  // Tries again if the contract allows it; false: it does not.
  bool Retry(AttemptEnd end, int status);
  void OnTunnelData(absl::string_view data, bool end);
  bool HasUntriedEndpoint() const;
  void RefuseBody(uint64_t max);
  void FailUpstream(int status, const char* reason, std::string detail);
  void Reply(LocalReply reply);
  void SendHeld();
  void PauseRequest();
  void ResumeRequest();
  void BodyAdvanced();
  bool OutcomeUnknown() const;
  void DressResponse(ResponseHead& head);
  void RespondEnd();
  void Reset();
  void FinishStream(const char* reason);
  void WriteRecord();

  WorkerContext& worker_;
  ServerConnection* connection_ = nullptr;
  StreamId id_ = 0;
  SnapshotPin* snapshot_ = nullptr;
  RequestContext context_;
  ChainRun chain_;
  std::optional<Permit> permit_;
  Attempt attempt_;
  Cluster* cluster_ = nullptr;
  std::optional<RetryBudget::Ticket> request_ticket_;
  std::optional<RetryBudget::Ticket> retry_ticket_;
  Timer deadline_;
  Timer attempt_timer_;  // attempt timeout, or the pause before a retry
  bool backing_off_ = false;
  bool retry_elsewhere_ = false;
  bool retry_fresh_ = false;  // on a connection that carried nothing before

  // Request body.
  Buffer held_;  // from the start, as long as all of it fits
  uint64_t body_in_ = 0;
  uint64_t body_max_ = 0;
  uint64_t need_body_ = 0;
  bool wants_body_ = false;  // a step waits for the whole of it, at most need_body_
  bool head_end_ = false;    // no body at all
  bool body_end_ = false;
  bool request_complete_ = false;
  bool request_paused_ = false;
  bool replayable_ = true;  // held_ is all of the body so far
  std::optional<HeaderMap> trailers_;

  // Response.
  ResponseHead reply_head_;  // of local replies
  int status_ = 0;
  uint64_t body_out_ = 0;
  bool response_started_ = false;
  bool tunnel_ = false;
  bool client_blocked_ = false;
  bool finished_ = true;

  // Attempts, for contract and log.
  absl::InlinedVector<const EndpointPool*, 4> tried_;
  uint32_t attempts_ = 0;
  bool sent_before_ = false;
  std::string retries_;
  MonoTime attempt_started_{};
  Duration upstream_duration_{};
};

}  // namespace tollgate::proxy
