#include "proxy/observe/json_text.h"

#include <cstdint>
#include <cstring>

namespace tollgate::proxy {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = kOnes * 0x80;

// Whether one of eight bytes must not be copied as it is. (v ^ x) - 1 borrows into the high bit of
// a byte that equals x; v - 0x20 into that of a control character. A borrow can cross into the next
// byte only from one that has answered yes already.
bool NeedsCare(uint64_t v) {
  const uint64_t quote = v ^ (kOnes * '"');
  const uint64_t backslash = v ^ (kOnes * '\\');
  const uint64_t low = (v - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes);
  return ((low | v | (v + kOnes)) & kHighs) != 0;  // v + 1: DEL
}

bool IsPlain(uint8_t c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

uint64_t Load8(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

uint64_t Load4(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// Whether all of it may be copied as it is. The last word may overlap the one before.
bool IsAllPlain(absl::string_view text) {
  const char* const p = text.data();
  const size_t size = text.size();
  if (size < 4) {
    for (const char c : text) {
      if (!IsPlain(static_cast<uint8_t>(c))) return false;
    }
    return true;
  }
  if (size < 8) return !NeedsCare(Load4(p) | Load4(p + size - 4) << 32);
  for (size_t i = 0; i + 8 < size; i += 8) {
    if (NeedsCare(Load8(p + i))) return false;
  }
  return !NeedsCare(Load8(p + size - 8));
}

bool IsContinuation(uint8_t c) { return (c & 0xC0) == 0x80; }

// Bytes of the well-formed sequence at `p` (Unicode 15, table 3-7), which does not begin with
// ASCII; 0: there is none.
size_t SequenceLength(const uint8_t* p, size_t size) {
  const uint8_t lead = p[0];
  if (size < 2 || lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return IsContinuation(p[1]) ? 2 : 0;
  uint8_t low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;   // overlong
  if (lead == 0xED) high = 0x9F;  // surrogates
  if (lead == 0xF0) low = 0x90;   // overlong
  if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
  if (p[1] < low || p[1] > high) return 0;
  if (size < 3 || !IsContinuation(p[2])) return 0;
  if (lead < 0xF0) return 3;
  return size >= 4 && IsContinuation(p[3]) ? 4 : 0;
}

char* EscapeControl(uint8_t c, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  std::memcpy(out, "\\u00", 4);
  out[4] = kHex[c >> 4];
  out[5] = kHex[c & 15];
  return out + 6;
}

char* EscapeAscii(uint8_t c, char* out) {
  char letter;
  switch (c) {
    case '"':
      letter = '"';
      break;
    case '\\':
      letter = '\\';
      break;
    case '\n':
      letter = 'n';
      break;
    case '\r':
      letter = 'r';
      break;
    case '\t':
      letter = 't';
      break;
    default:
      return EscapeControl(c, out);
  }
  *out++ = '\\';
  *out++ = letter;
  return out;
}

}  // namespace

char* EscapeJson(absl::string_view text, char* out) {
  if (IsAllPlain(text)) {
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return out + text.size();
  }
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = p + text.size();
  while (p < end) {
    while (end - p >= 8) {
      uint64_t v;
      std::memcpy(&v, p, 8);
      if (NeedsCare(v)) break;
      std::memcpy(out, &v, 8);
      out += 8;
      p += 8;
    }
    while (p < end && IsPlain(*p)) *out++ = static_cast<char>(*p++);
    if (p == end) break;
    if (*p < 0x80) {
      out = EscapeAscii(*p++, out);
      continue;
    }
    const size_t length = SequenceLength(p, static_cast<size_t>(end - p));
    if (length == 0) {
      std::memcpy(out, "\xEF\xBF\xBD", 3);
      out += 3;
      ++p;
    } else if (length == 2 && p[0] == 0xC2 && p[1] < 0xA0) {
      out = EscapeControl(p[1], out);
      p += 2;
    } else {
      std::memcpy(out, p, length);
      out += length;
      p += length;
    }
  }
  return out;
}

void AppendJsonQuoted(absl::string_view text, std::string* out) {
  const size_t at = out->size();
  out->resize(at + text.size() * kJsonEscapeFactor + 2);
  (*out)[at] = '"';
  char* end = EscapeJson(text, out->data() + at + 1);
  *end++ = '"';
  out->resize(static_cast<size_t>(end - out->data()));
}

}  // namespace tollgate::proxy
