// The life of one request: chain, both bodies, one deadline, and the end, exactly once. What goes
// on upstream is its UpstreamRequest's. Owned by its ServerConnection, reused through the worker;
// worker thread only. It knows no codec: it speaks to the connection by stream id, so that HTTP/1
// and multiplexing codecs look alike.
//
//   Begin -> chain -> a reply, or a permit -> UpstreamRequest -> response -> Finish
//
// Order in the code: bookkeeping first, the call that may end this stream last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/filter/chain.h"
#include "proxy/filter/context.h"
#include "proxy/http/codec.h"
#include "proxy/stream/request_body.h"
#include "proxy/stream/upstream_request.h"
#include "proxy/stream/worker_context.h"

namespace tollgate::proxy {

class ServerConnection;

class Stream final : private ChainEvents, private UpstreamEvents {
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
  bool request_complete() const { return body_.ended(); }
  bool request_paused() const { return request_paused_; }
  bool response_started() const { return response_started_; }
  // 101 was answered: both directions are opaque bytes.
  bool tunnel() const { return tunnel_; }
  // The client is to send more; it has so long for it.
  bool expects_data() const { return (!body_.ended() || tunnel_) && !request_paused_; }

 private:
  // ChainEvents
  void OnPermit(Permit permit) override;
  void OnReply(LocalReply reply) override;
  void OnNeedBody(uint64_t max) override;
  // UpstreamEvents
  void OnUpstreamWritable() override { ResumeRequest(); }
  void OnUpstreamInformational(ResponseHead& head) override;
  void OnUpstreamHead(ResponseHead& head, bool end) override;
  void OnUpstreamData(absl::string_view data, bool end) override;
  void OnUpstreamTrailers(HeaderMap& trailers) override;
  void OnUpstreamFailed(const UpstreamFailure& failure) override;

  void OnDeadline();
  void OnTunnelData(absl::string_view data, bool end);
  void RefuseBody(uint64_t max);
  void FailUpstream(const UpstreamFailure& failure);
  void Reply(LocalReply reply);
  void PauseRequest();
  void ResumeRequest();
  void BodyAdvanced();
  void JudgeOutcome(ResponseHead& head) const;
  void DressResponse(ResponseHead& head);
  void RespondEnd();
  void Refuse(const char* reason, bool close = false);
  void LeaveAdmission();
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
  RequestBody body_;
  Admission admission_;  // among the requests in progress at the upstream
  UpstreamRequest upstream_;
  Timer deadline_;
  UpstreamFailure deadline_reply_;  // once there is a permit

  uint64_t body_in_ = 0;
  uint64_t body_max_ = 0;
  uint64_t need_body_ = 0;
  bool wants_body_ = false;  // a step waits for the whole of it, at most need_body_
  bool request_paused_ = false;

  // Response.
  ResponseHead reply_head_;  // of local replies
  int status_ = 0;
  uint64_t body_out_ = 0;
  bool response_started_ = false;
  bool tunnel_ = false;
  bool client_blocked_ = false;
  bool finished_ = true;
};

}  // namespace tollgate::proxy
