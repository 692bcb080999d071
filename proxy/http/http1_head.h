// Heads of HTTP/1 messages, and trailer sections (RFC 9112 2 to 5). Two steps, so that the result
// does not depend on how the bytes were cut into reads:
//  - HeadReader finds where a head ends, checks its line structure and start line, and makes it
//    contiguous (no copy when it arrived in one piece);
//  - HeadParser has llhttp parse the whole head and holds its result against the lines. llhttp 8.1
//    is lenient about a space before a colon, folded lines and line ends: those are refused here.
// Owned by a codec; loop thread only.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "proxy/http/codec.h"
#include "proxy/http/http1_fields.h"

namespace tollgate::proxy {

// What the first line said: lengths into the head.
struct StartLine {
  uint32_t method_size = 0;
  uint32_t target_size = 0;
  int status = 0;
  uint8_t minor = 1;
  absl::string_view method(absl::string_view head) const { return head.substr(0, method_size); }
  absl::string_view target(absl::string_view head) const {
    return head.substr(method_size + 1, target_size);
  }
};

class HeadReader {
 public:
  HeadReader(HeadKind kind, const CodecLimits& limits) : kind_(kind), limits_(limits) { Reset(); }

  enum class State : uint8_t { kMore, kDone, kFailed };
  struct Result {
    State state;
    size_t consumed = 0;
    absl::string_view head;  // kDone: with the empty line; valid as long as `bytes`, until Reset
    ProtocolError error;     // kFailed
  };
  // kMore: all of `bytes` was consumed.
  Result Read(absl::string_view bytes);
  // After a head was used, before the next one.
  void Reset();

  bool begun() const { return scanned_ > 0; }
  const StartLine& start_line() const { return start_; }
  uint32_t fields() const { return fields_; }  // lines between start line and empty line

 private:
  State Scan(absl::string_view bytes, ProtocolError& error);
  bool EndLine(absl::string_view line, ProtocolError& error);
  bool CheckSize(size_t line_end, ProtocolError& error) const;

  HeadKind kind_;
  CodecLimits limits_;
  std::string held_;       // a head that came in pieces
  size_t scanned_ = 0;     // bytes of the head looked at
  size_t line_start_ = 0;  // of the line that is not complete
  uint32_t fields_ = 0;
  bool first_line_;  // the start line is still to come (trailers have none)
  StartLine start_;
};

class HeadParser {
 public:
  explicit HeadParser(HeadKind kind) : kind_(kind) {}
  HeadParser(const HeadParser&) = delete;
  HeadParser& operator=(const HeadParser&) = delete;

  // Gives every field to `fields`. `head` as the reader made it.
  bool Parse(absl::string_view head, const HeadReader& reader, ConnectionFields& fields,
             ProtocolError& error);

 private:
  static const llhttp_settings_t& Settings();
  static int OnName(llhttp_t* parser, const char* at, size_t size);
  static int OnValue(llhttp_t* parser, const char* at, size_t size);
  static int OnTarget(llhttp_t* parser, const char* at, size_t size);
  static int OnComplete(llhttp_t* parser);
  bool EndField();
  ProtocolError Explain(llhttp_errno_t code) const;

  HeadKind kind_;
  llhttp_t llhttp_;
  ConnectionFields* fields_ = nullptr;
  absl::string_view target_;
  absl::string_view name_;  // of the field whose value is being read
  absl::string_view value_;
  uint32_t count_ = 0;
  bool complete_ = false;
  ProtocolError error_;  // ours, when a callback stopped the parser
};

// The lines of a trailer section, through the same checks.
bool ParseTrailers(absl::string_view section, ConnectionFields& fields, ProtocolError& error);

}  // namespace tollgate::proxy
