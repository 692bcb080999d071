#include "proxy/http/http1_body.h"

#include <algorithm>
#include <limits>

#include "proxy/http/chars.h"

namespace tollgate::proxy {
namespace {

constexpr int kMaxSizeDigits = 16;
constexpr int kMaxExtensionBytes = 1024;  // of one chunk; they carry nothing that we use

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = ToLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool Refuse(ProtocolError& error, const char* reason) {
  error = {400, reason};
  return false;
}

// qdtext and quoted-pair: any text but control characters (RFC 9110 5.6.4).
bool IsText(char ch) {
  const auto c = static_cast<unsigned char>(ch);
  return c == '\t' || (c >= 0x20 && c != 0x7f);
}

}  // namespace

void BodyDecoder::BeginLength(uint64_t length) {
  state_ = State::kLength;
  remaining_ = length;
}

void BodyDecoder::BeginChunked() {
  state_ = State::kSize;
  remaining_ = 0;
  digits_ = 0;
  trailers_reader_.Reset();
  trailers_.Clear();
}

void BodyDecoder::BeginUntilClose() { state_ = State::kUntilClose; }

BodyDecoder::Piece BodyDecoder::Next(absl::string_view bytes) {
  Piece piece;
  size_t& at = piece.consumed;
  while (at < bytes.size()) {
    bool ok = true;
    switch (state_) {
      case State::kUntilClose:
        piece.kind = Piece::Kind::kData;
        piece.data = bytes;
        at = bytes.size();
        return piece;
      case State::kLength:
      case State::kChunk: {
        const size_t size = static_cast<size_t>(std::min<uint64_t>(remaining_, bytes.size() - at));
        piece.kind = Piece::Kind::kData;
        piece.data = bytes.substr(at, size);
        remaining_ -= size;
        at += size;
        if (remaining_ == 0) {
          if (state_ == State::kLength) piece.end = true;
          if (state_ == State::kChunk) state_ = State::kChunkCr;
        }
        return piece;
      }
      case State::kSize:
        ok = OnSizeByte(bytes[at++], piece.error);
        break;
      case State::kExtension:
        ok = OnExtensionByte(bytes[at++], piece.error);
        break;
      case State::kSizeLf:
        ok = bytes[at++] == '\n' || Refuse(piece.error, "bad_chunk_line");
        state_ = remaining_ > 0 ? State::kChunk : State::kTrailers;
        break;
      case State::kChunkCr:
        ok = bytes[at++] == '\r' || Refuse(piece.error, "chunk_overrun");
        state_ = State::kChunkLf;
        break;
      case State::kChunkLf:
        ok = bytes[at++] == '\n' || Refuse(piece.error, "chunk_overrun");
        state_ = State::kSize;
        digits_ = 0;
        break;
      case State::kTrailers:
        return ReadTrailers(bytes.substr(at), at);
    }
    if (!ok) {
      piece.kind = Piece::Kind::kFailed;
      return piece;
    }
  }
  return piece;
}

// chunk-size = 1*HEXDIG, at most 16 of them and below 2^63 (RFC 9112 7.1).
bool BodyDecoder::OnSizeByte(char c, ProtocolError& error) {
  const int value = HexValue(c);
  if (value >= 0) {
    if (++digits_ > kMaxSizeDigits) return Refuse(error, "bad_chunk_size");
    remaining_ = remaining_ * 16 + static_cast<uint64_t>(value);
    return true;
  }
  if (digits_ == 0 || remaining_ > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return Refuse(error, "bad_chunk_size");
  }
  switch (c) {
    case '\r':
      state_ = State::kSizeLf;
      return true;
    case ';':
      ext_ = Ext::kNameStart;
      break;
    case ' ':
    case '\t':
      ext_ = Ext::kSemicolon;
      break;
    default:
      return Refuse(error, "bad_chunk_size");
  }
  state_ = State::kExtension;
  ext_bytes_ = 0;
  return true;
}

bool BodyDecoder::OnExtensionByte(char c, ProtocolError& error) {
  if (++ext_bytes_ > kMaxExtensionBytes) return Refuse(error, "chunk_extension_too_long");
  if (ext_ == Ext::kQuoted) {
    if (c == '"') {
      ext_ = Ext::kValueEnd;
    } else if (c == '\\') {
      ext_ = Ext::kQuotedPair;
    } else if (!IsText(c)) {
      return Refuse(error, "bad_chunk_extension");
    }
    return true;
  }
  if (ext_ == Ext::kQuotedPair) {
    ext_ = Ext::kQuoted;
    return IsText(c) || Refuse(error, "bad_chunk_extension");
  }
  const bool complete =
      ext_ == Ext::kName || ext_ == Ext::kNameEnd || ext_ == Ext::kToken || ext_ == Ext::kValueEnd;
  if (c == '\r' && (ext_ == Ext::kName || ext_ == Ext::kToken || ext_ == Ext::kValueEnd)) {
    state_ = State::kSizeLf;
  } else if (c == ';' && (complete || ext_ == Ext::kSemicolon)) {
    ext_ = Ext::kNameStart;
  } else if (c == '=' && (ext_ == Ext::kName || ext_ == Ext::kNameEnd)) {
    ext_ = Ext::kValueStart;
  } else if (c == '"' && ext_ == Ext::kValueStart) {
    ext_ = Ext::kQuoted;
  } else if (IsOws(c)) {
    // White space ends a name or a value; a line must not end in it (kNameEnd and kSemicolon want
    // more), which is why a value is followed by kSemicolon.
    if (ext_ == Ext::kName) ext_ = Ext::kNameEnd;
    if (ext_ == Ext::kToken || ext_ == Ext::kValueEnd) ext_ = Ext::kSemicolon;
  } else if (TokenLower(c) != 0 && (ext_ == Ext::kNameStart || ext_ == Ext::kName)) {
    ext_ = Ext::kName;
  } else if (TokenLower(c) != 0 && (ext_ == Ext::kValueStart || ext_ == Ext::kToken)) {
    ext_ = Ext::kToken;
  } else {
    return Refuse(error, "bad_chunk_extension");
  }
  return true;
}

BodyDecoder::Piece BodyDecoder::ReadTrailers(absl::string_view bytes, size_t consumed) {
  Piece piece;
  const HeadReader::Result result = trailers_reader_.Read(bytes);
  piece.consumed = consumed + result.consumed;
  piece.error = result.error;
  if (result.state == HeadReader::State::kMore) return piece;
  piece.kind = Piece::Kind::kFailed;
  if (result.state == HeadReader::State::kDone) {
    fields_.Begin(trailers_kind_, result.head, trailers_);
    if (ParseTrailers(result.head, fields_, piece.error)) piece.kind = Piece::Kind::kEnd;
  }
  return piece;
}

}  // namespace tollgate::proxy
