#include "common/policy/path.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tollgate {
namespace {

// What a byte of a path is.
enum class ByteClass : uint8_t {
  kBad,
  kControl,
  kBackslash,
  kParameter,
  kSlash,
  kPercent,
  kReserved,
  kPlain
};

constexpr std::array<ByteClass, 256> MakeClasses() {
  std::array<ByteClass, 256> classes{};  // kBad
  for (int c = 0; c < 0x20; ++c) classes[c] = ByteClass::kControl;
  classes[0x7f] = ByteClass::kControl;
  for (int c = '0'; c <= '9'; ++c) classes[c] = ByteClass::kPlain;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = ByteClass::kPlain;
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] = ByteClass::kPlain;
  for (unsigned char c : {'-', '.', '_', '~'}) classes[c] = ByteClass::kPlain;  // unreserved
  // The other characters of pchar: an escape of these is not equivalent, so it stays.
  for (const char c : kReservedInPath)
    classes[static_cast<unsigned char>(c)] = ByteClass::kReserved;
  classes[';'] = ByteClass::kParameter;
  classes['/'] = ByteClass::kSlash;
  classes['\\'] = ByteClass::kBackslash;
  classes['%'] = ByteClass::kPercent;
  return classes;
}
constexpr std::array<ByteClass, 256> kClasses = MakeClasses();

ByteClass ClassOf(char c) { return kClasses[static_cast<unsigned char>(c)]; }

// The value of a hexadecimal digit, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

PathError ErrorOf(ByteClass c) {
  switch (c) {
    case ByteClass::kControl:
      return PathError::kControl;
    case ByteClass::kBackslash:
      return PathError::kBackslash;
    case ByteClass::kParameter:
      return PathError::kParameter;
    default:
      return PathError::kBadCharacter;
  }
}

struct Escape {
  PathError error = PathError::kNone;
  unsigned char byte = 0;
  bool unreserved = false;  // must be decoded
  bool reserved = false;    // one of kReservedInPath
};

// The escape at s[i] == '%'.
Escape ReadEscape(absl::string_view s, size_t i) {
  Escape escape;
  if (s.size() - i < 3) return {PathError::kBadEscape};
  const int high = HexValue(s[i + 1]);
  const int low = HexValue(s[i + 2]);
  if (high < 0 || low < 0) return {PathError::kBadEscape};
  escape.byte = static_cast<unsigned char>(high << 4 | low);
  switch (kClasses[escape.byte]) {
    case ByteClass::kControl:
      escape.error = PathError::kControl;
      break;
    case ByteClass::kBackslash:
      escape.error = PathError::kBackslash;
      break;
    case ByteClass::kParameter:
      escape.error = PathError::kParameter;
      break;
    case ByteClass::kSlash:
      escape.error = PathError::kEncodedSlash;
      break;
    case ByteClass::kReserved:
      escape.reserved = true;
      break;
    case ByteClass::kPlain:
      escape.unreserved = true;
      break;
    default:
      break;
  }
  return escape;
}

// Whether the segment that begins at s[i] is "." or "..".
bool DotSegmentAt(absl::string_view s, size_t i) {
  for (int dots = 0; dots < 2 && i < s.size() && s[i] == '.'; ++dots) ++i;
  return i == s.size() || s[i] == '/';
}

uint16_t ReservedBit(unsigned char byte) {
  return static_cast<uint16_t>(1u << kReservedInPath.find(static_cast<char>(byte)));
}

// Appends the segment of `raw` at *i to `out`, escapes normalised; *i moves to its end.
PathError AppendSegment(absl::string_view raw, size_t* i, std::string* out, uint16_t* escaped) {
  constexpr char kHex[] = "0123456789ABCDEF";
  while (*i < raw.size() && raw[*i] != '/') {
    const ByteClass c = ClassOf(raw[*i]);
    if (c >= ByteClass::kReserved) {
      out->push_back(raw[(*i)++]);
    } else if (c == ByteClass::kPercent) {
      const Escape escape = ReadEscape(raw, *i);
      if (escape.error != PathError::kNone) return escape.error;
      if (escape.unreserved) {
        out->push_back(static_cast<char>(escape.byte));
      } else {
        if (escape.reserved) *escaped |= ReservedBit(escape.byte);
        out->push_back('%');
        out->push_back(kHex[escape.byte >> 4]);
        out->push_back(kHex[escape.byte & 15]);
      }
      *i += 3;
    } else {
      return ErrorOf(c);
    }
  }
  return PathError::kNone;
}

// Segment by segment; `out` holds what is kept, each segment behind its slash. Slashes merge before
// dot segments are resolved, so "/a//../b" is "/b": an empty segment is no level to go up from.
PathError Rewrite(absl::string_view raw, std::string* out, uint16_t* escaped) {
  out->clear();
  bool slash_at_end = false;
  for (size_t i = 0; i < raw.size();) {
    ++i;  // the slash
    const size_t start = out->size();
    out->push_back('/');
    if (PathError e = AppendSegment(raw, &i, out, escaped); e != PathError::kNone) return e;
    const absl::string_view segment = absl::string_view(*out).substr(start + 1);
    slash_at_end = true;
    if (segment.empty() || segment == ".") {
      out->resize(start);
    } else if (segment == "..") {
      if (start == 0) return PathError::kAboveRoot;
      out->resize(out->rfind('/', start - 1));
    } else {
      slash_at_end = false;
    }
  }
  if (slash_at_end) out->push_back('/');
  return PathError::kNone;
}

}  // namespace

absl::string_view ToString(PathError error) {
  switch (error) {
    case PathError::kNone:
      return "no error";
    case PathError::kNotAbsolute:
      return "it does not begin with '/'";
    case PathError::kControl:
      return "a control character";
    case PathError::kBackslash:
      return "a backslash";
    case PathError::kEncodedSlash:
      return "an encoded slash (%2F)";
    case PathError::kBadEscape:
      return "'%' without two hexadecimal digits";
    case PathError::kBadCharacter:
      return "a character that must be percent-encoded";
    case PathError::kAboveRoot:
      return "dot segments that leave the root";
    case PathError::kParameter:
      return "a ';', bare or escaped: to some servers it begins a parameter that they take out";
  }
  return "an unknown error";
}

CanonicalResult CanonicalPath(absl::string_view raw, std::string* scratch) {
  if (raw.empty() || raw[0] != '/') return {{}, PathError::kNotAbsolute};
  bool canonical = true;
  uint16_t escaped = 0;
  for (size_t i = 0; canonical && i < raw.size();) {
    const ByteClass c = ClassOf(raw[i]);
    if (c >= ByteClass::kReserved) {
      ++i;
    } else if (c == ByteClass::kSlash) {
      ++i;
      canonical = i == raw.size() || (raw[i] != '/' && !(raw[i] == '.' && DotSegmentAt(raw, i)));
    } else if (c == ByteClass::kPercent) {
      const Escape escape = ReadEscape(raw, i);
      if (escape.error != PathError::kNone) return {{}, escape.error};
      if (escape.reserved) escaped |= ReservedBit(escape.byte);
      canonical = !escape.unreserved && raw[i + 1] <= 'F' && raw[i + 2] <= 'F';
      i += 3;
    } else {
      return {{}, ErrorOf(c)};
    }
  }
  if (canonical) return {raw, PathError::kNone, escaped};
  if (PathError e = Rewrite(raw, scratch, &escaped); e != PathError::kNone) return {{}, e};
  return {*scratch, PathError::kNone, escaped};
}

uint16_t ReservedIn(absl::string_view text) {
  uint16_t bits = 0;
  for (const char c : text) {
    if (ClassOf(c) == ByteClass::kReserved) bits |= ReservedBit(static_cast<unsigned char>(c));
  }
  return bits;
}

}  // namespace tollgate
