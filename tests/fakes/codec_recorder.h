// What a codec said, as text that tests compare: one line an event, data that came in pieces
// joined. And an owner in miniature: keeps what the codec did not consume, as connections do.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proxy/http/codec.h"
#include "proxy/net/buffer.h"
#include "proxy/net/transport.h"
#include "proxy/net/write_queue.h"

namespace tollgate::proxy {

// Takes everything, into a string.
class StringTransport final : public Transport {
 public:
  IoResult Read(char*, size_t) override { return {IoResult::Kind::kWouldBlock}; }
  bool drained_by(size_t, size_t) const override { return true; }
  IoResult Write(const iovec* parts, int count) override {
    size_t size = 0;
    for (int i = 0; i < count; ++i) {
      text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
      size += parts[i].iov_len;
    }
    return {IoResult::Kind::kOk, 0, size};
  }
  void ShutdownWrite() override {}
  int fd() const override { return -1; }

  std::string text;
};

// A queue of its own, read as a string.
class Wire {
 public:
  WriteQueue& queue() { return queue_; }
  // What was encoded since the last call.
  std::string Take() {
    queue_.Flush(transport_);
    return std::exchange(transport_.text, {});
  }

 private:
  BufferPool pool_;
  WriteQueue queue_{pool_};
  StringTransport transport_;
};

class EventLog {
 public:
  const std::vector<std::string>& lines() const { return lines_; }
  std::string text() const {
    std::string out;
    for (const std::string& line : lines_) absl::StrAppend(&out, line, "\n");
    return out;
  }
  void Add(std::string line) {
    in_data_ = false;
    lines_.push_back(std::move(line));
  }
  void AddData(absl::string_view data, bool end) {
    if (!data.empty()) {
      if (!in_data_) lines_.push_back("data ");
      in_data_ = true;
      lines_.back().append(data.data(), data.size());
    }
    if (end) Add("end");
  }
  void Clear() {
    lines_.clear();
    in_data_ = false;
  }

  static std::string Fields(const HeaderMap& map) {
    std::string out;
    for (const HeaderMap::Field& f : map) absl::StrAppend(&out, " ", f.name, "=", f.value);
    return out;
  }
  static std::string Body(const BodySize& body) {
    if (body.kind == BodySize::Kind::kNone) return " body=none";
    if (body.kind == BodySize::Kind::kUnknown) return " body=unknown";
    return absl::StrCat(" body=", body.length);
  }

 private:
  std::vector<std::string> lines_;
  bool in_data_ = false;
};

class ServerRecorder : public ServerCodecEvents {
 public:
  void OnRequestHead(StreamId id, RequestHead& head, bool end) override {
    last = id;
    ++heads;
    last_head = head;
    log.Add(absl::StrCat("head ", head.method_name, " ", head.authority, " ", head.path,
                         head.has_query ? "?" : "", head.query, EventLog::Fields(head.headers),
                         EventLog::Body(head.body), head.expect_continue ? " expect" : "",
                         head.upgrade.empty() ? "" : " upgrade=", head.upgrade, " 1.",
                         static_cast<int>(head.http_minor)));
    if (end) OnEnd(id);
  }
  void OnRequestData(StreamId id, absl::string_view data, bool end) override {
    log.AddData(data, false);
    if (end) OnEnd(id);
  }
  void OnRequestTrailers(StreamId id, HeaderMap& trailers) override {
    log.Add(absl::StrCat("trailers", EventLog::Fields(trailers)));
    OnEnd(id);
  }
  void OnRequestReset(StreamId, ResetReason) override { log.Add("reset"); }

  // A request is complete.
  virtual void OnEnd(StreamId) { log.Add("end"); }

  EventLog log;
  RequestHead last_head;
  StreamId last = 0;
  int heads = 0;

 protected:
  ~ServerRecorder() = default;
};

class ClientRecorder : public ClientCodecEvents {
 public:
  void OnResponseInformational(StreamId, ResponseHead& head) override {
    log.Add(absl::StrCat("informational ", head.status, EventLog::Fields(head.headers)));
  }
  void OnResponseHead(StreamId id, ResponseHead& head, bool end) override {
    last_head = head;
    log.Add(absl::StrCat("head ", head.status, EventLog::Fields(head.headers),
                         EventLog::Body(head.body)));
    if (end) OnEnd(id);
  }
  void OnResponseData(StreamId id, absl::string_view data, bool end) override {
    log.AddData(data, false);
    if (end) OnEnd(id);
  }
  void OnResponseTrailers(StreamId id, HeaderMap& trailers) override {
    log.Add(absl::StrCat("trailers", EventLog::Fields(trailers)));
    OnEnd(id);
  }
  void OnResponseReset(StreamId, ResetReason) override { log.Add("reset"); }
  void OnGoAway(StreamId) override { log.Add("goaway"); }

  virtual void OnEnd(StreamId) { log.Add("end"); }

  EventLog log;
  ResponseHead last_head;

 protected:
  ~ClientRecorder() = default;
};

// Feeds as a connection does: what was not consumed is offered again together with what comes next.
template <typename Codec>
class Feeder {
 public:
  explicit Feeder(Codec& codec) : codec_(codec) {}
  void Feed(absl::string_view bytes) {
    held_.append(bytes.data(), bytes.size());
    if (result.failed || held_.empty()) return;
    result = codec_.Feed(held_);
    held_.erase(0, result.consumed);
  }
  // "" or "status reason", and which stream.
  std::string error() const {
    if (!result.failed) return "";
    return absl::StrCat(result.error.status, " ", result.error.reason, " stream ", result.stream);
  }
  const std::string& held() const { return held_; }

  FeedResult result;

 private:
  Codec& codec_;
  std::string held_;
};

}  // namespace tollgate::proxy
