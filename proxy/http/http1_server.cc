// The server side of HTTP/1: requests in, responses out, one at a time.
#include <memory>

#include "proxy/http/chars.h"
#include "proxy/http/codec.h"
#include "proxy/http/http1_body.h"
#include "proxy/http/http1_encode.h"
#include "proxy/http/http1_fields.h"
#include "proxy/http/http1_head.h"
#include "proxy/http/http1_target.h"

namespace tollgate::proxy {
namespace {

class Http1ServerCodec final : public ServerCodec {
 public:
  Http1ServerCodec(ServerCodecEvents& events, const CodecLimits& limits)
      : events_(events),
        reader_(HeadKind::kRequest, limits),
        parser_(HeadKind::kRequest),
        body_(HeadKind::kRequestTrailers, limits) {}

  FeedResult Feed(absl::string_view bytes) override;
  FeedResult FeedEof() override;
  void EncodeInformational(StreamId id, int status, WriteQueue& out) override;
  void EncodeHead(StreamId id, const ResponseHead& head, bool end, WriteQueue& out) override;
  void EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) override;
  void EncodeTrailers(StreamId id, const HeaderMap& trailers, WriteQueue& out) override;
  void Reset(StreamId id, ResetReason reason, WriteQueue& out) override;
  void Pause(StreamId id) override {
    if (open_ && id == id_) paused_ = true;
  }
  void Resume(StreamId id) override {
    if (id == id_) paused_ = false;
  }
  void GoAway(WriteQueue&) override { going_away_ = true; }
  bool closing() const override { return closing_; }
  bool idle() const override { return !open_ && !in_head(); }
  bool in_head() const override {
    return phase_ == Phase::kHead && (reader_.begun() || leading_cr_);
  }
  uint32_t max_streams() const override { return 1; }

 private:
  enum class Phase : uint8_t {
    kHead,  // between requests, or inside of a head
    kBody,
    kComplete,  // the response is still to come, or to end: pipelined requests wait
    kTunnel,
    kOver,  // nothing that comes now has a meaning
  };

  size_t SkipLeadingCrLf(absl::string_view bytes);
  bool BeginRequest(absl::string_view head, ProtocolError& error);
  bool UnderstandRequest(absl::string_view head, ProtocolError& error);
  bool DeliverPiece(BodyDecoder::Piece& piece);
  FeedResult Fail(size_t consumed, const ProtocolError& error);
  bool Expects(StreamId id) const { return open_ && id == id_ && !head_sent_; }
  bool Sends(StreamId id) const { return open_ && id == id_ && head_sent_ && !writer_.done(); }
  void EncodeSwitch(const ResponseHead& head, WriteQueue& out);
  void EndResponse(bool intact);

  ServerCodecEvents& events_;
  HeadReader reader_;
  HeadParser parser_;
  ConnectionFields fields_;
  BodyDecoder body_;
  RequestHead head_;

  Phase phase_ = Phase::kHead;
  bool failed_ = false;
  bool closing_ = false;
  bool going_away_ = false;
  bool paused_ = false;
  bool leading_cr_ = false;    // CR of an empty line before a request line
  bool leading_done_ = false;  // that line was skipped: there is only one

  // The stream: of the last request, and its response.
  StreamId id_ = 0;
  bool open_ = false;
  bool head_sent_ = false;
  bool keep_alive_ = true;
  bool is_head_ = false;  // HEAD
  uint8_t minor_ = 1;
  std::string upgrade_;
  ProtocolError error_;
  BodyWriter writer_;
};

FeedResult Http1ServerCodec::Feed(absl::string_view bytes) {
  FeedResult result;
  if (failed_) return Fail(0, error_);
  size_t& at = result.consumed;
  while (at < bytes.size()) {
    switch (phase_) {
      case Phase::kHead: {
        if (closing_) {
          phase_ = Phase::kOver;
          continue;
        }
        if (!reader_.begun()) {
          at += SkipLeadingCrLf(bytes.substr(at));
          if (at == bytes.size()) return result;
          if (leading_cr_) return Fail(at, {400, "bad_request_line"});
        }
        const HeadReader::Result read = reader_.Read(bytes.substr(at));
        at += read.consumed;
        if (read.state == HeadReader::State::kMore) return result;
        ProtocolError error = read.error;
        if (read.state == HeadReader::State::kFailed) return Fail(at, error);
        if (!BeginRequest(read.head, error)) return Fail(at, error);
        continue;
      }
      case Phase::kBody: {
        if (paused_) return result;
        BodyDecoder::Piece piece = body_.Next(bytes.substr(at));
        at += piece.consumed;
        if (!DeliverPiece(piece)) return Fail(at, piece.error);
        continue;
      }
      case Phase::kComplete:
        return result;
      case Phase::kTunnel: {
        if (paused_) return result;
        const absl::string_view data = bytes.substr(at);
        at = bytes.size();
        events_.OnRequestData(id_, data, false);
        return result;
      }
      case Phase::kOver:
        at = bytes.size();
        return result;
    }
  }
  return result;
}

// One empty line before a request line is skipped (RFC 9112 2.2).
size_t Http1ServerCodec::SkipLeadingCrLf(absl::string_view bytes) {
  if (leading_done_) return 0;
  size_t at = 0;
  if (!leading_cr_) {
    if (bytes.front() != '\r') return 0;
    leading_cr_ = true;
    at = 1;
  }
  if (at == bytes.size() || bytes[at] != '\n') return at;
  leading_cr_ = false;
  leading_done_ = true;
  return at + 1;
}

FeedResult Http1ServerCodec::Fail(size_t consumed, const ProtocolError& error) {
  if (!failed_) {
    failed_ = closing_ = true;
    keep_alive_ = false;
    error_ = error;
    phase_ = Phase::kOver;
    if (!open_) {  // no head was complete: stream 0 takes the answer
      id_ = 0;
      open_ = true;
      head_sent_ = is_head_ = false;
      minor_ = 1;
      upgrade_.clear();
    }
  }
  FeedResult result;
  result.consumed = consumed;
  result.failed = true;
  result.error = error_;
  result.stream = id_;
  return result;
}

bool Http1ServerCodec::UnderstandRequest(absl::string_view head, ProtocolError& error) {
  const StartLine& start = reader_.start_line();
  const absl::string_view method = start.method(head);
  head_.Clear();
  head_.method = MethodOf(method);
  head_.method_name.assign(method.data(), method.size());
  head_.http_minor = start.minor;
  fields_.Begin(HeadKind::kRequest, head, head_.headers);
  if (!parser_.Parse(head, reader_, fields_, error) || !fields_.Finish(error)) return false;
  if (head_.method == Method::kConnect) {
    error = {501, "connect_not_supported"};
    return false;
  }
  if (!ParseTarget(start.target(head), fields_.host_count(), fields_.host(), head_, error) ||
      !fields_.BodyOf(start.minor, head_.body, error)) {
    return false;
  }
  if (fields_.expect_unknown()) {
    error = {417, "unknown_expectation"};
    return false;
  }
  const bool has_body = head_.body.kind == BodySize::Kind::kUnknown || head_.body.length > 0;
  if (start.minor == 0) return true;  // RFC 9110 7.8 and 10.1.1: 1.0 has neither
  head_.expect_continue = fields_.expect_continue() && has_body;
  head_.upgrade.assign(fields_.upgrade().data(), fields_.upgrade().size());
  return true;
}

bool Http1ServerCodec::BeginRequest(absl::string_view head, ProtocolError& error) {
  if (!UnderstandRequest(head, error)) return false;
  reader_.Reset();
  leading_done_ = false;
  if (++id_ == 0) id_ = 1;
  open_ = true;
  head_sent_ = false;
  paused_ = false;
  keep_alive_ = !going_away_ && fields_.KeepAlive(head_.http_minor);
  is_head_ = head_.method == Method::kHead;
  minor_ = head_.http_minor;
  upgrade_ = head_.upgrade;
  const bool end = head_.body.kind != BodySize::Kind::kUnknown && head_.body.length == 0;
  phase_ = end ? Phase::kComplete : Phase::kBody;
  if (head_.body.kind == BodySize::Kind::kUnknown) {
    body_.BeginChunked();
  } else if (!end) {
    body_.BeginLength(head_.body.length);
  }
  events_.OnRequestHead(id_, head_, end);
  return true;
}

// The phase is left before the event: inside of it the response may end.
bool Http1ServerCodec::DeliverPiece(BodyDecoder::Piece& piece) {
  switch (piece.kind) {
    case BodyDecoder::Piece::Kind::kMore:
      return true;
    case BodyDecoder::Piece::Kind::kData:
      if (piece.end) phase_ = Phase::kComplete;
      events_.OnRequestData(id_, piece.data, piece.end);
      return true;
    case BodyDecoder::Piece::Kind::kEnd:
      phase_ = Phase::kComplete;
      if (body_.trailers().empty()) {
        events_.OnRequestData(id_, {}, true);
      } else {
        events_.OnRequestTrailers(id_, body_.trailers());
      }
      return true;
    case BodyDecoder::Piece::Kind::kFailed:
      return false;
  }
  return false;
}

FeedResult Http1ServerCodec::FeedEof() {
  if (failed_) return Fail(0, error_);
  switch (phase_) {
    case Phase::kHead:
      if (in_head()) return Fail(0, {400, "eof_in_head"});
      closing_ = true;
      break;
    case Phase::kBody:
      return Fail(0, {400, "eof_in_body"});
    case Phase::kComplete:  // half-closed: the answer is still wanted
      keep_alive_ = false;
      break;
    case Phase::kTunnel:
      phase_ = Phase::kOver;
      events_.OnRequestData(id_, {}, true);
      break;
    case Phase::kOver:
      break;
  }
  return {};
}

void Http1ServerCodec::EncodeInformational(StreamId id, int status, WriteQueue& out) {
  if (!Expects(id) || minor_ == 0 || status < 100 || status > 199 || status == 101) return;
  HeadWriter writer(out, {}, HeadWriter::kMaxStatusLine);
  writer.PutStatusLine(status);
  writer.Finish();
}

void Http1ServerCodec::EncodeSwitch(const ResponseHead& head, WriteQueue& out) {
  HeadWriter writer(out, head.headers,
                    HeadWriter::kMaxStatusLine + HeadWriter::kMaxFraming + upgrade_.size());
  writer.PutStatusLine(101);
  writer.PutFields(head.headers);
  writer.Put("connection: upgrade\r\nupgrade: ");
  writer.Put(upgrade_);
  writer.Put("\r\n");
  writer.Finish();
  writer_.Begin(Framing::kRaw);
  phase_ = Phase::kTunnel;
}

void Http1ServerCodec::EncodeHead(StreamId id, const ResponseHead& head, bool end,
                                  WriteQueue& out) {
  if (!Expects(id)) return;
  head_sent_ = true;
  if (head.status == 101) {
    if (phase_ == Phase::kComplete && !upgrade_.empty() && !end) return EncodeSwitch(head, out);
    return EndResponse(false);  // nobody asked for it: nothing that could be sent is right
  }
  // The rest of a request that is answered early is not read (rules of RFC 9112 9.3 and 9.6).
  if (phase_ != Phase::kComplete || going_away_) keep_alive_ = false;

  const BodySize& body = head.body;
  const bool no_body = is_head_ || head.status == 204 || head.status == 304;
  Framing framing = Framing::kNone;
  if (!no_body) {
    if (body.kind == BodySize::Kind::kLength || end) {
      framing = Framing::kLength;
    } else if (minor_ >= 1) {
      framing = Framing::kChunked;
    } else {
      framing = Framing::kUntilClose;
      keep_alive_ = false;
    }
  }
  const uint64_t length = body.kind == BodySize::Kind::kLength ? body.length : 0;
  HeadWriter writer(out, head.headers, HeadWriter::kMaxStatusLine + HeadWriter::kMaxFraming);
  writer.PutStatusLine(head.status);
  writer.PutFields(head.headers);
  // RFC 9110 8.6: to HEAD and in 304, the length that GET would have had.
  const bool tell_length = no_body ? head.status != 204 && body.kind == BodySize::Kind::kLength
                                   : framing == Framing::kLength;
  if (tell_length) {
    writer.Put("content-length: ");
    writer.PutNumber(length);
    writer.Put("\r\n");
  } else if (framing == Framing::kChunked) {
    writer.Put("transfer-encoding: chunked\r\n");
  }
  if (!keep_alive_) {
    writer.Put("connection: close\r\n");
  } else if (minor_ == 0) {
    writer.Put("connection: keep-alive\r\n");
  }
  writer.Finish();
  writer_.Begin(framing, length);
  if (end) EndResponse(writer_.Data({}, true, out));
}

void Http1ServerCodec::EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) {
  if (!Sends(id)) return;
  const bool intact = writer_.Data(data, end, out);
  if (end || !intact) EndResponse(intact);
}

void Http1ServerCodec::EncodeTrailers(StreamId id, const HeaderMap& trailers, WriteQueue& out) {
  if (!Sends(id)) return;
  EndResponse(writer_.Trailers(trailers, out));
}

void Http1ServerCodec::Reset(StreamId id, ResetReason, WriteQueue&) {
  if (open_ && id == id_) EndResponse(false);
}

void Http1ServerCodec::EndResponse(bool intact) {
  open_ = false;
  paused_ = false;
  if (intact && keep_alive_ && phase_ == Phase::kComplete) {
    phase_ = Phase::kHead;
  } else {
    closing_ = true;
    phase_ = Phase::kOver;
  }
}

}  // namespace

std::unique_ptr<ServerCodec> MakeHttp1ServerCodec(ServerCodecEvents& events,
                                                  const CodecLimits& limits) {
  return std::make_unique<Http1ServerCodec>(events, limits);
}

}  // namespace tollgate::proxy
