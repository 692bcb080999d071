// A multiplexing server codec in miniature, so that streams are tested on what HTTP/2 will ask of
// them: many at once, credit per stream in both directions, reset, go-away. Text, for tests:
//
//   frame = TYPE SP stream SP length LF payload
//   client: H head ("POST /path"), D data, R reset, W credit (bytes, as digits), P ping
//   server: H head (status, then "\nname: value" lines), D data, R reset, W credit, G go-away, P
//   ping H and D in lower case end the message.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proxy/http/codec.h"

namespace tollgate::proxy {

inline std::string MuxFrame(char type, StreamId id, absl::string_view payload = "") {
  return absl::StrCat(std::string(1, type), " ", id, " ", payload.size(), "\n", payload);
}

// One frame off the front of `bytes`; false: it is not whole.
inline bool TakeMuxFrame(absl::string_view* bytes, char* type, StreamId* id,
                         absl::string_view* payload) {
  const auto line = bytes->find('\n');
  if (line == absl::string_view::npos) return false;
  const std::vector<absl::string_view> parts = absl::StrSplit(bytes->substr(0, line), ' ');
  size_t length = 0;
  if (parts.size() != 3 || parts[0].size() != 1 || !absl::SimpleAtoi(parts[1], id) ||
      !absl::SimpleAtoi(parts[2], &length)) {
    *type = '?';
    return true;
  }
  if (bytes->size() - line - 1 < length) return false;
  *type = parts[0][0];
  *payload = bytes->substr(line + 1, length);
  bytes->remove_prefix(line + 1 + length);
  return true;
}

class MultiplexCodec final : public ServerCodec {
 public:
  static constexpr size_t kWindow = 64 << 10;
  static constexpr size_t kMaxFrame = 16 << 10;

  static std::unique_ptr<ServerCodec> Make(ServerCodecEvents& events, const CodecLimits&,
                                           WriteQueue& out) {
    return std::make_unique<MultiplexCodec>(events, out);
  }
  MultiplexCodec(ServerCodecEvents& events, WriteQueue& out) : events_(events), own_(out) {}

  FeedResult Feed(absl::string_view bytes) override {
    partial_.append(bytes.data(), bytes.size());
    FeedResult result;
    result.consumed = bytes.size();
    absl::string_view rest = partial_;
    char type = 0;
    StreamId id = 0;
    absl::string_view payload;
    while (!failed_ && TakeMuxFrame(&rest, &type, &id, &payload)) {
      if (!OnFrame(type, id, payload)) failed_ = true;
    }
    partial_.erase(0, partial_.size() - rest.size());
    if (failed_) {
      result.failed = true;
      result.error = {400, "bad_frame"};
    }
    return result;
  }
  FeedResult FeedEof() override { return {}; }

  void EncodeInformational(StreamId id, int status, WriteQueue& out) override {
    if (streams_.contains(id)) out.Append(MuxFrame('H', id, absl::StrCat(status)));
  }
  void EncodeHead(StreamId id, const ResponseHead& head, bool end, WriteQueue& out) override {
    if (!streams_.contains(id)) return;
    std::string text = absl::StrCat(head.status);
    for (const HeaderMap::Field field : head.headers) {
      absl::StrAppend(&text, "\n", field.name, ": ", field.value);
    }
    out.Append(MuxFrame(end ? 'h' : 'H', id, text));
    if (end) ResponseEnded(id);
  }
  void EncodeData(StreamId id, absl::string_view data, bool end, WriteQueue& out) override {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    found->second.waiting.append(data.data(), data.size());
    found->second.end_waits = end;
    most_waiting = std::max(most_waiting, found->second.waiting.size());
    SendWaiting(found->first, out);
  }
  void EncodeTrailers(StreamId id, const HeaderMap&, WriteQueue& out) override {
    EncodeData(id, "", true, out);
  }
  void Reset(StreamId id, ResetReason, WriteQueue& out) override {
    if (streams_.erase(id) > 0) out.Append(MuxFrame('R', id));
  }
  bool CanSend(StreamId id) const override {
    const auto found = streams_.find(id);
    return found == streams_.end() || found->second.waiting.empty();
  }
  void Pause(StreamId id) override {
    const auto found = streams_.find(id);
    if (found != streams_.end()) found->second.paused = true;
  }
  void Resume(StreamId id) override {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    found->second.paused = false;
    GiveCredit(id, found->second);
  }
  void GoAway(WriteQueue& out) override {
    if (std::exchange(going_away_, true)) return;
    out.Append(MuxFrame('G', last_));
  }
  bool closing() const override { return failed_ || (going_away_ && streams_.empty()); }
  bool idle() const override { return streams_.empty() && partial_.empty(); }
  bool in_head() const override { return streams_.empty() && !partial_.empty(); }
  uint32_t max_streams() const override { return 100; }

  static inline size_t most_waiting = 0;  // on one stream, ever

 private:
  struct State {
    size_t credit = kWindow;  // what the client may still take
    size_t taken = 0;         // of the client's data, not yet credited again
    std::string waiting;
    bool end_waits = false;
    bool paused = false;
    bool request_ended = false;
  };

  bool OnFrame(char type, StreamId id, absl::string_view payload) {
    const bool end = absl::ascii_islower(type);
    switch (absl::ascii_toupper(type)) {
      case 'H':
        return OnHead(id, payload, end);
      case 'D':
        return OnData(id, payload, end);
      case 'R':
        if (streams_.erase(id) > 0) events_.OnRequestReset(id, ResetReason::kCancelled);
        return true;
      case 'W':
        return OnCredit(id, payload);
      case 'P':
        own_.Append(MuxFrame('P', id));
        return true;
      default:
        return false;
    }
  }
  bool OnHead(StreamId id, absl::string_view payload, bool end) {
    if (id <= last_) return false;
    if (going_away_ || streams_.size() == max_streams()) {
      own_.Append(MuxFrame('R', id));
      return true;
    }
    last_ = id;
    streams_[id].request_ended = end;
    const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(payload, ' ');
    RequestHead head;
    head.method_name = std::string(words.first);
    head.method = MethodOf(words.first);
    head.path = std::string(words.second);
    head.authority = "x";
    if (!end) head.body.kind = BodySize::Kind::kUnknown;
    events_.OnRequestHead(id, head, end);
    return true;
  }
  bool OnData(StreamId id, absl::string_view payload, bool end) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return true;  // reset while it was on its way
    State& state = found->second;
    state.taken += payload.size();
    if (state.request_ended || state.taken > kWindow) return false;
    state.request_ended = end;
    events_.OnRequestData(id, payload, end);  // may end the stream
    const auto still = streams_.find(id);
    if (still != streams_.end() && !still->second.paused) GiveCredit(id, still->second);
    return true;
  }
  bool OnCredit(StreamId id, absl::string_view payload) {
    size_t more = 0;
    if (!absl::SimpleAtoi(payload, &more)) return false;
    const auto found = streams_.find(id);
    if (found == streams_.end()) return true;
    found->second.credit += more;
    const bool waited = !found->second.waiting.empty();
    SendWaiting(id, own_);
    if (waited && streams_.contains(id) && CanSend(id)) events_.OnSendReady(id);
    return true;
  }
  void GiveCredit(StreamId id, State& state) {
    if (state.taken == 0 || state.request_ended) return;
    own_.Append(MuxFrame('W', id, absl::StrCat(std::exchange(state.taken, 0))));
  }
  void SendWaiting(StreamId id, WriteQueue& out) {
    State& state = streams_[id];
    while (!state.waiting.empty() && state.credit > 0) {
      const size_t size = std::min({state.waiting.size(), state.credit, kMaxFrame});
      out.Append(MuxFrame('D', id, absl::string_view(state.waiting).substr(0, size)));
      state.waiting.erase(0, size);
      state.credit -= size;
    }
    if (state.waiting.empty() && state.end_waits) {
      out.Append(MuxFrame('d', id));
      ResponseEnded(id);
    }
  }
  // What of the request is still to come is not wanted any more (RFC 9113 8.1 says the same).
  void ResponseEnded(StreamId id) {
    if (!streams_[id].request_ended) own_.Append(MuxFrame('R', id));
    streams_.erase(id);
  }

  ServerCodecEvents& events_;
  WriteQueue& own_;
  std::string partial_;
  std::map<StreamId, State> streams_;
  StreamId last_ = 0;
  bool going_away_ = false;
  bool failed_ = false;
};

}  // namespace tollgate::proxy
