// Finds the end of one HTTP/1 message body, strictly (RFC 9112 6.3, 7.1). A state machine over
// bytes; a call returns at most one piece, so that the codec can stop between two. It is our own
// because llhttp 8.1 takes any two bytes behind a chunk for its line end. Owned by a codec; loop
// thread only.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "proxy/http/codec.h"
#include "proxy/http/http1_head.h"

namespace tollgate::proxy {

class BodyDecoder {
 public:
  BodyDecoder(HeadKind trailers_kind, const CodecLimits& limits)
      : trailers_kind_(trailers_kind), trailers_reader_(trailers_kind, limits) {}

  void BeginLength(uint64_t length);  // > 0
  void BeginChunked();
  void BeginUntilClose();

  struct Piece {
    enum class Kind : uint8_t {
      kMore,    // all bytes were consumed, nothing to deliver
      kData,    // `data`, the last if `end`
      kEnd,     // of a chunked body; trailers() has what came with it
      kFailed,  // `error`
    };
    Kind kind = Kind::kMore;
    bool end = false;
    size_t consumed = 0;
    absl::string_view data;
    ProtocolError error;
  };
  Piece Next(absl::string_view bytes);

  bool until_close() const { return state_ == State::kUntilClose; }
  HeaderMap& trailers() { return trailers_; }

 private:
  enum class State : uint8_t {
    kLength,
    kUntilClose,
    kSize,       // hexadecimal digits of chunk-size
    kExtension,  // see ext_
    kSizeLf,     // CR of a chunk line was read
    kChunk,      // chunk-data
    kChunkCr,
    kChunkLf,
    kTrailers,
  };
  // Inside of chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
  enum class Ext : uint8_t {
    kSemicolon,  // white space before ";" was read
    kNameStart,
    kName,
    kNameEnd,  // white space after a name
    kValueStart,
    kToken,
    kQuoted,
    kQuotedPair,
    kValueEnd,
  };

  bool OnSizeByte(char c, ProtocolError& error);
  bool OnExtensionByte(char c, ProtocolError& error);
  Piece ReadTrailers(absl::string_view bytes, size_t consumed);

  HeadKind trailers_kind_;
  State state_ = State::kLength;
  Ext ext_ = Ext::kNameStart;
  uint8_t digits_ = 0;
  uint16_t ext_bytes_ = 0;
  uint64_t remaining_ = 0;  // of the body, or of the chunk
  HeadReader trailers_reader_;
  ConnectionFields fields_;
  HeaderMap trailers_;
};

}  // namespace tollgate::proxy
