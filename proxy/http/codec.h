// Bytes <-> messages, sans I/O: one codec a connection, many streams (one at a time in HTTP/1). The
// owner feeds what it read and writes what the codec put on its WriteQueue; a codec neither reads
// nor writes a socket, knows no timer and never blocks. Loop thread only.
//
// Contract of Feed: it consumes as much as it can, calling the events synchronously, and returns
// how much; it stops early when the stream that the next bytes belong to is paused (HTTP/1:
// whenever its one stream is paused, or a request is complete and its response is not: pipelined
// requests wait in the owner's buffer). A multiplexing codec never stops early: what it is paused
// for it gives no more credit, so that at most a window more of it is delivered, and other streams
// go on. What it has to say by itself (acknowledgements, credit, data that waited for the peer's
// credit) it puts on the queue that it was made with, inside Feed and Resume. After an error it
// must not be fed again. Inside an event, the owner may encode, pause, resume and reset, but must
// not destroy the codec. Once closing() holds and no stream is open, bytes are swallowed.
//
// Tunnels (RFC 9110 7.8): encoding a response head of status 101 on a stream whose request asked
// for an Upgrade and is complete makes both directions raw: what arrives from then on (bytes behind
// the request were held until then) is delivered as data of the stream, `end` at end of file, and
// EncodeData writes it as it is. A client codec delivers the 101 as OnResponseHead, only if the
// upgrade was asked for.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "proxy/http/message.h"
#include "proxy/net/write_queue.h"

namespace tollgate::proxy {

using StreamId = uint32_t;  // 0 is the connection itself

// A peer that broke the protocol or a limit. `status` is the answer that is due if the response has
// not begun (400, 408, 413, 414, 417, 431, 501, 505; 502 for an upstream); `reason` is a stable
// word for log and metrics ("te_and_cl", "bad_chunk_size").
struct ProtocolError {
  int status = 400;
  const char* reason = "";
};

struct FeedResult {
  size_t consumed = 0;
  bool failed = false;
  ProtocolError error;  // when failed: answer it if still possible, then close the connection
  StreamId stream = 0;  // when failed: the stream it happened on, 0 before a head was complete;
                        // ServerCodec::EncodeHead and EncodeData take it (0 too) for the answer
};

enum class ResetReason : uint8_t { kCancelled, kProtocolError, kRefused, kTimeout, kInternal };

struct CodecLimits {
  uint32_t max_header_bytes = 61440;  // request line or status line and fields
  uint32_t max_headers = 100;
  uint32_t max_target_bytes = 8192;  // 414 above
};

class ServerCodecEvents {
 public:
  // The head may be moved from; swapping it with a used one saves the allocations of the next.
  // `end`: no body will follow.
  virtual void OnRequestHead(StreamId id, RequestHead& head, bool end) = 0;
  // Valid during the call. `end` may come with empty data.
  virtual void OnRequestData(StreamId id, absl::string_view data, bool end) = 0;
  // Ends the request. Fields that have no place in trailers are gone (RFC 9110
  // 6.5.1).
  virtual void OnRequestTrailers(StreamId id, HeaderMap& trailers) = 0;
  // The peer gave the stream up (multiplexing codecs).
  virtual void OnRequestReset(StreamId id, ResetReason reason) = 0;
  // CanSend(id) holds again (multiplexing codecs).
  virtual void OnSendReady(StreamId) {}

 protected:
  ~ServerCodecEvents() = default;
};

class ServerCodec {
 public:
  virtual ~ServerCodec() = default;
  virtual FeedResult Feed(absl::string_view bytes) = 0;
  // The peer closed its side. failed: in the middle of a message.
  virtual FeedResult FeedEof() = 0;

  // 1xx (100, 103).
  virtual void EncodeInformational(StreamId id, int status, WriteQueue& out) = 0;
  // Adds framing (Content-Length, Transfer-Encoding, Connection) from head.body, `end` and the
  // request; drops a body where none is allowed (HEAD, 204, 304).
  virtual void EncodeHead(StreamId id, const ResponseHead& head, bool end, WriteQueue& out) = 0;
  // `data` may be borrowed by `out` (WriteQueue::Borrow).
  virtual void EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) = 0;
  virtual void EncodeTrailers(StreamId id, const HeaderMap& trailers, WriteQueue& out) = 0;
  // Gives a stream up. HTTP/1 can only close: closing() becomes true.
  virtual void Reset(StreamId id, ResetReason reason, WriteQueue& out) = 0;

  // False: what was encoded on this stream waits for the peer's credit; no more is to be encoded
  // until OnSendReady. Never in HTTP/1.
  virtual bool CanSend(StreamId) const { return true; }
  // Stops and restarts delivery of request data of a stream.
  virtual void Pause(StreamId id) = 0;
  virtual void Resume(StreamId id) = 0;

  // No further streams: HTTP/1 says Connection: close on the response in flight (or the next one).
  virtual void GoAway(WriteQueue& out) = 0;
  // The connection must be closed once everything encoded has been written.
  virtual bool closing() const = 0;
  // No stream is open and no partial message is held: the codec could be dropped.
  virtual bool idle() const = 0;
  // A request head has begun to arrive but is not complete (header timeout).
  virtual bool in_head() const = 0;
  virtual uint32_t max_streams() const = 0;
};

class ClientCodecEvents {
 public:
  virtual void OnResponseInformational(StreamId id, ResponseHead& head) = 0;
  virtual void OnResponseHead(StreamId id, ResponseHead& head, bool end) = 0;
  virtual void OnResponseData(StreamId id, absl::string_view data, bool end) = 0;
  virtual void OnResponseTrailers(StreamId id, HeaderMap& trailers) = 0;
  virtual void OnResponseReset(StreamId id, ResetReason reason) = 0;
  // No new streams on this connection; those above `last` were not processed.
  virtual void OnGoAway(StreamId last) = 0;

 protected:
  ~ClientCodecEvents() = default;
};

class ClientCodec {
 public:
  virtual ~ClientCodec() = default;
  virtual FeedResult Feed(absl::string_view bytes) = 0;
  // The peer closed. Ends a body that is delimited by close (RFC 9112 6.3 case 8) in order;
  // failed: in the middle of a message, or before any response.
  virtual FeedResult FeedEof() = 0;

  // Opens a stream. Serialises exactly head.method_name, head.path[?query], head.authority as Host,
  // the fields and the framing of head.body. 0 when these cannot be one request (a space or control
  // character in method, target or authority): nothing was written, and closing() holds.
  virtual StreamId EncodeHead(const RequestHead& head, bool end, WriteQueue& out) = 0;
  virtual void EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) = 0;
  virtual void EncodeTrailers(StreamId id, const HeaderMap& trailers, WriteQueue& out) = 0;
  virtual void Reset(StreamId id, ResetReason reason, WriteQueue& out) = 0;
  virtual void Pause(StreamId id) = 0;
  virtual void Resume(StreamId id) = 0;
  // This connection cannot take a further stream after those it has.
  virtual bool closing() const = 0;
  virtual bool idle() const = 0;
  virtual uint32_t max_streams() const = 0;
};

// HTTP/1.0 and 1.1 through llhttp, stricter than RFC 9112: what two parsers might read differently
// is refused (tests/unit/proxy/stream/wire_refusals_test.cc lists it).
std::unique_ptr<ServerCodec> MakeHttp1ServerCodec(ServerCodecEvents& events,
                                                  const CodecLimits& limits);
std::unique_ptr<ClientCodec> MakeHttp1ClientCodec(ClientCodecEvents& events,
                                                  const CodecLimits& limits);

}  // namespace tollgate::proxy
