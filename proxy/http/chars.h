// Character classes of HTTP (RFC 9110 5.5, 5.6.2) as tables and word-wise tests. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

inline constexpr char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

namespace internal {
constexpr std::array<char, 256> MakeTokenTable() {
  std::array<char, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = static_cast<char>(c);
  for (int c = 'a'; c <= 'z'; ++c) table[c] = static_cast<char>(c);
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = static_cast<char>(c + ('a' - 'A'));
  for (char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = c;
  }
  return table;
}
inline constexpr std::array<char, 256> kTokenTable = MakeTokenTable();

// For a pass over a field name: the lower-case character, and above it what is wrong with it.
constexpr std::array<uint16_t, 256> MakeNameTable() {
  std::array<uint16_t, 256> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    const auto lower = static_cast<unsigned char>(kTokenTable[i]);
    table[i] = static_cast<uint16_t>(lower | (lower == 0 ? 0x100 : 0) | (lower == '_' ? 0x200 : 0));
  }
  return table;
}
inline constexpr std::array<uint16_t, 256> kNameTable = MakeNameTable();
}  // namespace internal

inline constexpr unsigned kNotToken = 0x100;
inline constexpr unsigned kUnderscore = 0x200;
// Writes the lower-case form of `name` to `out`; returns the flaws found (kNotToken, kUnderscore).
inline unsigned LowerName(absl::string_view name, char* out) {
  unsigned seen = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const unsigned entry = internal::kNameTable[static_cast<unsigned char>(name[i])];
    out[i] = static_cast<char>(entry);
    seen |= entry;
  }
  return seen & (kNotToken | kUnderscore);
}

// The lower-case form of a token character; 0 for any other byte.
inline char TokenLower(char c) { return internal::kTokenTable[static_cast<unsigned char>(c)]; }

inline bool IsToken(absl::string_view s) {
  for (char c : s) {
    if (TokenLower(c) == 0) return false;
  }
  return !s.empty();
}

inline bool IsOws(char c) { return c == ' ' || c == '\t'; }

inline absl::string_view TrimOws(absl::string_view s) {
  while (!s.empty() && IsOws(s.front())) s.remove_prefix(1);
  while (!s.empty() && IsOws(s.back())) s.remove_suffix(1);
  return s;
}

// Ignores the case of `a`; `lower` is lower case.
inline bool EqualsLower(absl::string_view a, absl::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != lower[i]) return false;
  }
  return true;
}

namespace internal {
// Not zero if one of eight bytes is below 0x20 or DEL (HTAB too).
inline uint64_t ControlsIn(const char* p) {
  constexpr uint64_t kOnes = ~uint64_t{0} / 255;
  uint64_t x;
  std::memcpy(&x, p, 8);
  const uint64_t del = x ^ (kOnes * 0x7f);
  return (((x - kOnes * 0x20) & ~x) | ((del - kOnes) & ~del)) & (kOnes * 0x80);
}
}  // namespace internal

// True if `s` holds a control character that no field value may hold: below 0x20 except HTAB, or
// DEL. Eight bytes at a time, the last eight perhaps twice; HTAB is rare and takes the slow way.
inline bool HasControl(absl::string_view s) {
  if (s.size() >= 8) {
    const char* const last = s.data() + s.size() - 8;
    uint64_t found = internal::ControlsIn(last);
    for (const char* p = s.data(); p < last; p += 8) found |= internal::ControlsIn(p);
    if (found == 0) return false;
  }
  for (char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    if ((c < 0x20 && c != '\t') || c == 0x7f) return true;
  }
  return false;
}

// Visible ASCII only: what a method, target or authority may be made of at most.
inline bool IsVisibleAscii(absl::string_view s) {
  unsigned bad = 0;
  for (char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    bad |= static_cast<unsigned>(c - 0x21u > 0x7eu - 0x21u);
  }
  return bad == 0;
}

}  // namespace tollgate::proxy
