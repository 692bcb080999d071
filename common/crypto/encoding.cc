#include "common/crypto/encoding.h"

#include <array>

namespace tollgate {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kBad = 0xff;

constexpr std::array<uint8_t, 256> MakeValues() {
  std::array<uint8_t, 256> values{};
  for (auto& v : values) v = kBad;
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = i;
  return values;
}
constexpr std::array<uint8_t, 256> kValues = MakeValues();

uint8_t HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return kBad;
}

}  // namespace

std::string Base64UrlEncode(absl::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6;) {
      count -= 6;
      out += kAlphabet[bits >> count & 63];
    }
  }
  if (count > 0) out += kAlphabet[bits << (6 - count) & 63];
  return out;
}

bool Base64UrlDecodeTo(absl::string_view text, char* out, size_t* out_size) {
  const auto* in = reinterpret_cast<const uint8_t*>(text.data());
  const size_t whole = text.size() / 4;
  const size_t rest = text.size() % 4;
  char* o = out;
  uint8_t bad = 0;  // a value of 64 or more has its high bits set: one test for the whole text
  for (size_t i = 0; i < whole; ++i, in += 4) {
    const uint8_t a = kValues[in[0]], b = kValues[in[1]], c = kValues[in[2]], d = kValues[in[3]];
    bad |= a | b | c | d;
    *o++ = static_cast<char>(a << 2 | b >> 4);
    *o++ = static_cast<char>(b << 4 | c >> 2);
    *o++ = static_cast<char>(c << 6 | d);
  }
  if (rest == 1) return false;
  if (rest >= 2) {
    const uint8_t a = kValues[in[0]], b = kValues[in[1]];
    const uint8_t c = rest == 3 ? kValues[in[2]] : 0;
    bad |= a | b | c;
    *o++ = static_cast<char>(a << 2 | b >> 4);
    if (rest == 3) *o++ = static_cast<char>(b << 4 | c >> 2);
    const uint8_t unused = rest == 2 ? b & 0x0f : c & 0x03;
    if (unused != 0) return false;
  }
  *out_size = o - out;
  return (bad & 0xc0) == 0;
}

std::optional<std::string> Base64UrlDecode(absl::string_view text) {
  std::string out(Base64UrlDecodedSize(text.size()), '\0');
  size_t size = 0;
  if (!Base64UrlDecodeTo(text, out.data(), &size)) return std::nullopt;
  out.resize(size);
  return out;
}

std::string HexEncode(absl::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

std::optional<std::string> HexDecode(absl::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const uint8_t high = HexValue(text[i]), low = HexValue(text[i + 1]);
    if (high == kBad || low == kBad) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

}  // namespace tollgate
