#include "proxy/observe/admin_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/http_date.h"
#include "proxy/observe/admin_routes.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kReadBytes = 4096;
constexpr size_t kMaxBody = 4096;  // no path takes a body; a small one is read and dropped
constexpr Duration kLingerTime = std::chrono::seconds(1);

CodecLimits SmallLimits() {
  CodecLimits limits;
  limits.max_header_bytes = 8192;
  limits.max_headers = 64;
  limits.max_target_bytes = 1024;
  return limits;
}

}  // namespace

AdminConnection::AdminConnection(Loop& loop, BufferPool& pool, Owner& owner,
                                 const AdminActions& actions, Duration timeout, UniqueFd fd)
    : loop_(loop),
      owner_(owner),
      actions_(actions),
      timeout_(timeout),
      transport_(MakePlainTransport(fd.release())),
      codec_(MakeHttp1ServerCodec(*this, SmallLimits())),
      in_(pool),
      out_(pool),
      timer_([this] { Close(); }) {}

AdminConnection::~AdminConnection() {
  if (state_ != State::kClosed) loop_.Unwatch(transport_->fd(), this);
}

void AdminConnection::Start() {
  loop_.ArmAfter(timer_, timeout_);
  if (!loop_.Watch(transport_->fd(), this).ok()) Close();
}

void AdminConnection::OnIo(IoEvents events) {
  readable_ = readable_ || events.readable || events.hangup;
  hangup_ = hangup_ || events.hangup;
  Run();
}

// Does what can be done, in order: write, answer, feed, read.
void AdminConnection::Run() {
  while (state_ == State::kOpen) {
    if (!FlushAll()) return;
    if (close_after_write_ || codec_->closing()) {
      Linger();
      break;
    }
    if (request_complete_) {
      AnswerRequest();
    } else if (!in_.empty() && !fed_all_) {
      if (!Feed()) continue;
    } else if (eof_) {
      Close();
      return;
    } else if (!ReadSome()) {
      return;
    }
  }
  while (state_ == State::kLingering && readable_) {
    char dropped[kReadBytes];
    const IoResult got = transport_->Read(dropped, sizeof(dropped));
    if (got.kind == IoResult::Kind::kWouldBlock) {
      readable_ = false;
    } else if (got.kind != IoResult::Kind::kOk) {
      Close();
    }
  }
}

// False: the connection can only write its answer and close.
bool AdminConnection::Feed() {
  const FeedResult fed = codec_->Feed(in_.view());
  if (fed.failed) {
    AnswerFailure(fed);
    return false;
  }
  in_.Consume(fed.consumed);
  // What it leaves behind although it could go on is the beginning of something.
  fed_all_ = !request_complete_;
  return true;
}

// False: nothing more for now.
bool AdminConnection::ReadSome() {
  if (!readable_) return false;
  char* room = in_.Reserve(kReadBytes);
  const IoResult got = transport_->Read(room, kReadBytes);
  if (got.kind == IoResult::Kind::kOk) {
    in_.Commit(got.bytes);
    fed_all_ = false;
    if (!hangup_ && transport_->drained_by(kReadBytes, got.bytes)) readable_ = false;
    return true;
  }
  in_.Consume(0);
  readable_ = false;
  if (got.kind == IoResult::Kind::kWouldBlock) return false;
  if (got.kind == IoResult::Kind::kError) {
    Close();
    return false;
  }
  eof_ = true;
  const FeedResult fed = codec_->FeedEof();
  if (fed.failed) AnswerFailure(fed);
  return true;
}

void AdminConnection::OnRequestHead(StreamId id, RequestHead& head, bool end) {
  stream_ = id;
  std::swap(head_, head);
  body_bytes_ = 0;
  request_complete_ = end;
  if (head_.expect_continue && !end) codec_->EncodeInformational(id, 100, out_);
}

void AdminConnection::OnRequestData(StreamId, absl::string_view data, bool end) {
  if (close_after_write_) return;
  body_bytes_ += data.size();
  if (body_bytes_ > kMaxBody) {
    const AdminResponse problem = AdminProblem(413, "No path takes a body.");
    codec_->GoAway(out_);
    Encode(stream_, problem.status, problem.content_type, "", problem.body);
    close_after_write_ = true;
  } else if (end) {
    request_complete_ = true;
  }
}

void AdminConnection::OnRequestTrailers(StreamId, HeaderMap&) {
  if (!close_after_write_) request_complete_ = true;
}

void AdminConnection::OnRequestReset(StreamId, ResetReason) { close_after_write_ = true; }

void AdminConnection::AnswerRequest() {
  request_complete_ = false;
  fed_all_ = false;
  const AdminResponse response = AnswerAdmin(actions_, head_);
  Encode(stream_, response.status, response.content_type, response.allow, response.body);
  loop_.ArmAfter(timer_, timeout_);
}

void AdminConnection::AnswerFailure(const FeedResult& fed) {
  in_.Clear();
  close_after_write_ = true;
  const AdminResponse problem =
      AdminProblem(fed.error.status, absl::StrCat("Not valid HTTP: ", fed.error.reason, "."));
  Encode(fed.stream, fed.error.status, problem.content_type, "", problem.body);
}

void AdminConnection::Encode(StreamId id, int status, absl::string_view content_type,
                             absl::string_view allow, absl::string_view body) {
  ResponseHead head;
  head.status = status;
  head.headers.Add(HeaderId::kDate, HttpDate(loop_.clock().Wall()));
  head.headers.Add(HeaderId::kContentType, content_type);
  head.headers.Add(HeaderId::kCacheControl, "no-store");
  if (!allow.empty()) head.headers.Add("allow", allow);
  head.body = {BodySize::Kind::kLength, body.size()};
  codec_->EncodeHead(id, head, /*end=*/body.empty(), out_);
  if (!body.empty()) codec_->EncodeData(id, body, /*end=*/true, out_);
  out_.Settle();
}

// False: the socket is full, or gone.
bool AdminConnection::FlushAll() {
  if (out_.empty()) return true;
  const IoResult result = out_.Flush(*transport_);
  if (result.kind == IoResult::Kind::kError) Close();
  return result.kind == IoResult::Kind::kOk;
}

// Closing with unread bytes would reset the connection, and the answer could be lost with it.
void AdminConnection::Linger() {
  if (eof_) {
    Close();
    return;
  }
  state_ = State::kLingering;
  in_.Clear();
  transport_->ShutdownWrite();
  readable_ = true;
  loop_.ArmAfter(timer_, kLingerTime);
}

void AdminConnection::Close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  timer_.Cancel();
  loop_.Unwatch(transport_->fd(), this);
  owner_.OnClosed(*this);
}

}  // namespace tollgate::proxy
