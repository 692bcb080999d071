// The client side of HTTP/1: requests out, responses in, one at a time. An upstream that breaks the
// protocol gets its connection closed: what follows a broken message could be taken for the answer
// to somebody else's request.
#include <algorithm>
#include <memory>
#include <string>

#include "proxy/http/chars.h"
#include "proxy/http/codec.h"
#include "proxy/http/http1_body.h"
#include "proxy/http/http1_encode.h"
#include "proxy/http/http1_fields.h"
#include "proxy/http/http1_head.h"

namespace tollgate::proxy {
namespace {

constexpr int kMaxInformational = 32;  // 1xx responses before the final one

class Http1ClientCodec final : public ClientCodec {
 public:
  Http1ClientCodec(ClientCodecEvents& events, const CodecLimits& limits)
      : events_(events),
        reader_(HeadKind::kResponse, limits),
        parser_(HeadKind::kResponse),
        body_(HeadKind::kResponseTrailers, limits) {}

  FeedResult Feed(absl::string_view bytes) override;
  FeedResult FeedEof() override;
  StreamId EncodeHead(const RequestHead& head, bool end, WriteQueue& out) override;
  void EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) override;
  void EncodeTrailers(StreamId id, const HeaderMap& trailers, WriteQueue& out) override;
  void Reset(StreamId id, ResetReason reason, WriteQueue& out) override;
  void Pause(StreamId id) override {
    if (open_ && id == id_) paused_ = true;
  }
  void Resume(StreamId id) override {
    if (id == id_) paused_ = false;
  }
  bool closing() const override { return closing_; }
  bool idle() const override { return !open_; }
  uint32_t max_streams() const override { return 1; }

 private:
  enum class Phase : uint8_t {
    kIdle,  // no request is outstanding: nothing may arrive
    kHead,
    kBody,
    kTunnel,
    kOver,  // nothing that comes now has a meaning
  };

  bool BeginResponse(absl::string_view head, bool more, ProtocolError& error);
  bool BeginFinalResponse(bool more, ProtocolError& error);
  bool Switch(ProtocolError& error);
  void DeliverPiece(BodyDecoder::Piece& piece, bool more);
  void EndResponse(bool more);
  void Abandon() {
    open_ = paused_ = false;
    closing_ = true;
    phase_ = Phase::kOver;
  }
  FeedResult Fail(size_t consumed, const char* reason);
  bool Sends(StreamId id) const { return open_ && id == id_ && !writer_.done(); }

  ClientCodecEvents& events_;
  HeadReader reader_;
  HeadParser parser_;
  ConnectionFields fields_;
  BodyDecoder body_;
  ResponseHead head_;

  Phase phase_ = Phase::kIdle;
  bool closing_ = false;
  bool paused_ = false;
  const char* failure_ = nullptr;
  StreamId failed_stream_ = 0;

  StreamId id_ = 0;
  bool open_ = false;
  bool is_head_ = false;  // HEAD: its response has no body
  int informational_ = 0;
  std::string upgrade_;
  BodyWriter writer_;
};

FeedResult Http1ClientCodec::Fail(size_t consumed, const char* reason) {
  if (failure_ == nullptr) {
    failure_ = reason;
    failed_stream_ = open_ ? id_ : 0;
    Abandon();
  }
  FeedResult result;
  result.consumed = consumed;
  result.failed = true;
  result.error = {502, failure_};
  result.stream = failed_stream_;
  return result;
}

FeedResult Http1ClientCodec::Feed(absl::string_view bytes) {
  FeedResult result;
  if (failure_ != nullptr) return Fail(0, failure_);
  size_t& at = result.consumed;
  while (at < bytes.size()) {
    switch (phase_) {
      case Phase::kIdle:
        Abandon();  // an answer that nobody asked for
        break;
      case Phase::kOver:
        at = bytes.size();
        break;
      case Phase::kHead: {
        if (paused_) return result;
        const HeadReader::Result read = reader_.Read(bytes.substr(at));
        at += read.consumed;
        ProtocolError error = read.error;
        if (read.state == HeadReader::State::kMore) break;
        if (read.state == HeadReader::State::kFailed ||
            !BeginResponse(read.head, at < bytes.size(), error)) {
          return Fail(at, error.reason);
        }
        break;
      }
      case Phase::kBody: {
        if (paused_) return result;
        BodyDecoder::Piece piece = body_.Next(bytes.substr(at));
        at += piece.consumed;
        if (piece.kind == BodyDecoder::Piece::Kind::kFailed) return Fail(at, piece.error.reason);
        DeliverPiece(piece, at < bytes.size());
        break;
      }
      case Phase::kTunnel: {
        if (paused_) return result;
        const absl::string_view data = bytes.substr(at);
        at = bytes.size();
        events_.OnResponseData(id_, data, false);
        break;
      }
    }
  }
  return result;
}

// `more`: bytes follow that have arrived already.
bool Http1ClientCodec::BeginResponse(absl::string_view head, bool more, ProtocolError& error) {
  head_.Clear();
  head_.status = reader_.start_line().status;
  fields_.Begin(HeadKind::kResponse, head, head_.headers);
  if (!parser_.Parse(head, reader_, fields_, error) || !fields_.Finish(error)) return false;
  if (head_.status == 101) return Switch(error);
  if (head_.status >= 200) return BeginFinalResponse(more, error);
  reader_.Reset();
  if (++informational_ > kMaxInformational) {
    error.reason = "too_many_informational";
    return false;
  }
  events_.OnResponseInformational(id_, head_);
  return true;
}

bool Http1ClientCodec::BeginFinalResponse(bool more, ProtocolError& error) {
  const uint8_t minor = reader_.start_line().minor;
  if (!fields_.BodyOf(minor, head_.body, error)) return false;
  const bool no_body = is_head_ || head_.status == 204 || head_.status == 304;
  const bool until_close = !no_body && head_.body.kind == BodySize::Kind::kNone;
  bool reusable = fields_.KeepAlive(minor) && !until_close;
  if (head_.status == 204 &&
      (head_.body.kind == BodySize::Kind::kUnknown || head_.body.length > 0)) {
    reusable = false;  // RFC 9110 8.6 forbids it: a body may follow nevertheless
    head_.body = {};
  }
  if (until_close) head_.body.kind = BodySize::Kind::kUnknown;
  if (!reusable) closing_ = true;
  reader_.Reset();

  const bool chunked = !no_body && !until_close && head_.body.kind == BodySize::Kind::kUnknown;
  const bool end = no_body || (!chunked && !until_close && head_.body.length == 0);
  if (end) {
    EndResponse(more);
  } else {
    phase_ = Phase::kBody;
    if (chunked) {
      body_.BeginChunked();
    } else if (until_close) {
      body_.BeginUntilClose();
    } else {
      body_.BeginLength(head_.body.length);
    }
  }
  events_.OnResponseHead(id_, head_, end);
  return true;
}

// RFC 9110 7.8: only to what was asked for, and once the request is complete.
bool Http1ClientCodec::Switch(ProtocolError& error) {
  const absl::string_view upgrade = fields_.upgrade();
  const bool same = upgrade.size() == upgrade_.size() &&
                    std::equal(upgrade.begin(), upgrade.end(), upgrade_.begin(),
                               [](char a, char b) { return ToLower(a) == ToLower(b); });
  if (upgrade_.empty() || !same || !writer_.done()) {
    error.reason = "unasked_upgrade";
    return false;
  }
  reader_.Reset();
  phase_ = Phase::kTunnel;
  closing_ = true;
  writer_.Begin(Framing::kRaw);
  head_.body.kind = BodySize::Kind::kUnknown;
  events_.OnResponseHead(id_, head_, false);
  return true;
}

// The response is ended before the event: inside of it the next request may be encoded. Bytes that
// have come behind the end would be its answer, so they end the connection's use first.
void Http1ClientCodec::EndResponse(bool more) {
  open_ = paused_ = false;
  if (more || !writer_.done()) closing_ = true;
  phase_ = closing_ ? Phase::kOver : Phase::kIdle;
}

void Http1ClientCodec::DeliverPiece(BodyDecoder::Piece& piece, bool more) {
  const StreamId id = id_;
  if (piece.kind == BodyDecoder::Piece::Kind::kData) {
    if (piece.end) EndResponse(more);
    events_.OnResponseData(id, piece.data, piece.end);
  } else if (piece.kind == BodyDecoder::Piece::Kind::kEnd) {
    EndResponse(more);
    if (body_.trailers().empty()) {
      events_.OnResponseData(id, {}, true);
    } else {
      events_.OnResponseTrailers(id, body_.trailers());
    }
  }
}

FeedResult Http1ClientCodec::FeedEof() {
  if (failure_ != nullptr) return Fail(0, failure_);
  switch (phase_) {
    case Phase::kIdle:
      Abandon();
      break;
    case Phase::kHead:
      return Fail(0, reader_.begun() ? "eof_in_head" : "eof_before_response");
    case Phase::kBody:
      if (!body_.until_close()) return Fail(0, "eof_in_body");
      EndResponse(false);
      events_.OnResponseData(id_, {}, true);
      break;
    case Phase::kTunnel:
      phase_ = Phase::kOver;
      open_ = !writer_.done();
      events_.OnResponseData(id_, {}, true);
      break;
    case Phase::kOver:
      break;
  }
  return {};
}

StreamId Http1ClientCodec::EncodeHead(const RequestHead& head, bool end, WriteQueue& out) {
  // Last line of defence: these come from heads that were checked, rewritten by policy.
  const bool valid = IsToken(head.method_name) && !head.path.empty() && IsVisibleAscii(head.path) &&
                     IsVisibleAscii(head.query) && IsVisibleAscii(head.authority) &&
                     head.method != Method::kConnect;
  if (!valid || open_ || closing_) {
    closing_ = true;
    if (phase_ == Phase::kIdle) phase_ = Phase::kOver;
    return 0;
  }
  if (++id_ == 0) id_ = 1;
  open_ = true;
  paused_ = false;
  informational_ = 0;
  is_head_ = head.method_name == "HEAD";
  upgrade_ = head.upgrade;
  phase_ = Phase::kHead;

  HeadWriter writer(out, head.headers,
                    HeadWriter::kMaxFraming + head.method_name.size() + head.path.size() +
                        head.query.size() + head.authority.size() + head.upgrade.size() + 64);
  writer.Put(head.method_name);
  writer.Put(" ");
  writer.Put(head.path);
  if (head.has_query) {
    writer.Put("?");
    writer.Put(head.query);
  }
  writer.Put(" HTTP/1.1\r\nhost: ");
  writer.Put(head.authority);
  writer.Put("\r\n");
  writer.PutFields(head.headers);
  if (!upgrade_.empty()) {
    writer.Put("connection: upgrade\r\nupgrade: ");
    writer.Put(upgrade_);
    writer.Put("\r\n");
  }
  // RFC 9110 8.6: a length of 0 is said where the method suggests a body.
  const bool expects_body =
      head.method == Method::kPost || head.method == Method::kPut || head.method == Method::kPatch;
  Framing framing = Framing::kNone;
  uint64_t length = 0;
  if (head.body.kind == BodySize::Kind::kLength) {
    framing = Framing::kLength;
    length = head.body.length;
  } else if (!end) {
    framing = Framing::kChunked;
  } else if (expects_body) {
    framing = Framing::kLength;
  }
  if (framing == Framing::kLength) {
    writer.Put("content-length: ");
    writer.PutNumber(length);
    writer.Put("\r\n");
  } else if (framing == Framing::kChunked) {
    writer.Put("transfer-encoding: chunked\r\n");
  }
  writer.Finish();
  writer_.Begin(framing, length);
  if (end && !writer_.Data({}, true, out)) closing_ = true;
  return id_;
}

void Http1ClientCodec::EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) {
  if (!Sends(id)) return;
  if (!writer_.Data(data, end, out)) closing_ = true;
  if (phase_ == Phase::kOver && writer_.done()) open_ = false;  // a tunnel whose peer has ended
}

void Http1ClientCodec::EncodeTrailers(StreamId id, const HeaderMap& trailers, WriteQueue& out) {
  if (!Sends(id)) return;
  if (!writer_.Trailers(trailers, out)) closing_ = true;
}

void Http1ClientCodec::Reset(StreamId id, ResetReason, WriteQueue&) {
  if (open_ && id == id_) Abandon();
}

}  // namespace

std::unique_ptr<ClientCodec> MakeHttp1ClientCodec(ClientCodecEvents& events,
                                                  const CodecLimits& limits) {
  return std::make_unique<Http1ClientCodec>(events, limits);
}

}  // namespace tollgate::proxy
