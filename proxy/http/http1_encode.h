// Writes HTTP/1 heads and bodies straight into a WriteQueue (RFC 9112). Pure formatting: the codecs
// decide on framing. What fields hold may come from tokens and policy: control characters in a
// value become spaces (RFC 9110 5.5), a field whose name is no token is left out, and so are those
// that a codec writes itself (Host, framing, Connection and the like).
#pragma once

#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "proxy/http/message.h"
#include "proxy/net/write_queue.h"

namespace tollgate::proxy {

// Lives for one head: reserves room for all of it, then fills it in.
class HeadWriter {
 public:
  // `extra`: an upper bound of what is put besides `fields`.
  HeadWriter(WriteQueue& out, const HeaderMap& fields, size_t extra);
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  void Put(absl::string_view text) {
    if (text.empty()) return;  // memcpy from nullptr is undefined even for no bytes
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void PutNumber(uint64_t number);
  void PutStatusLine(int status);
  void PutFields(const HeaderMap& fields);
  void Finish();  // the empty line

  static constexpr size_t kMaxStatusLine = 64;
  static constexpr size_t kMaxFraming = 128;  // Connection, Content-Length or Transfer-Encoding

 private:
  WriteQueue& out_;
  char* const begin_;
  char* at_;
};

// How the end of a body is told to the peer.
enum class Framing : uint8_t {
  kNone,  // there is no body: data is dropped (HEAD, 204, 304)
  kLength,
  kChunked,
  kUntilClose,  // HTTP/1.0 clients
  kRaw,         // a tunnel
};

class BodyWriter {
 public:
  void Begin(Framing framing, uint64_t length = 0);
  Framing framing() const { return framing_; }
  bool done() const { return done_; }

  // False: more than the promised length (the rest is dropped) or less (`end`): the message is
  // broken, and the connection can only be closed.
  bool Data(absl::string_view data, bool end, WriteQueue& out);
  // Ends the body. Trailers exist with kChunked only; elsewhere they are dropped.
  bool Trailers(const HeaderMap& trailers, WriteQueue& out);

 private:
  Framing framing_ = Framing::kNone;
  bool done_ = true;
  uint64_t remaining_ = 0;
};

}  // namespace tollgate::proxy
