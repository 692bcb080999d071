// What has arrived of a request's body, as long as somebody may still need it: a step of the chain
// that asked for the whole, an attempt that has no connection yet, or one that is to be made after
// another. Part of its stream; worker thread only.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "proxy/http/message.h"
#include "proxy/net/buffer.h"

namespace tollgate::proxy {

class RequestBody {
 public:
  // Of a body that is being sent, what is kept to be sent again when a retry is permitted.
  static constexpr size_t kReplayBytes = 64 << 10;

  explicit RequestBody(BufferPool& buffers) : held_(buffers) {}

  // `none`: the head was all.
  void Begin(bool none) { none_ = ended_ = none; }
  // It waits here.
  void Hold(absl::string_view data, bool end) {
    ended_ = end;
    held_.Append(data);
  }
  // It is sent as it comes, and all before it was: kept as long as the whole is small.
  void Pass(absl::string_view data, bool end) {
    ended_ = end;
    if (replayable_ && held_.size() + data.size() <= kReplayBytes) {
      held_.Append(data);
    } else {
      replayable_ = false;
      held_.Clear();
    }
  }
  void End(HeaderMap&& trailers) {
    ended_ = true;
    trailers_.emplace(std::move(trailers));
  }
  // As new, but for the storage.
  void Clear() {
    held_.Clear();
    trailers_.reset();
    none_ = ended_ = false;
    replayable_ = true;
  }

  bool none() const { return none_; }
  bool ended() const { return ended_; }
  // What is held is all that has arrived.
  bool replayable() const { return replayable_; }
  bool full() const { return held_.size() >= kReplayBytes; }
  size_t held_bytes() const { return held_.size(); }
  absl::string_view held() { return held_.view(); }
  const HeaderMap* trailers() const { return trailers_.has_value() ? &*trailers_ : nullptr; }

 private:
  Buffer held_;
  bool none_ = false;
  bool ended_ = false;
  bool replayable_ = true;
  std::optional<HeaderMap> trailers_;
};

}  // namespace tollgate::proxy
