#include "common/policy/words.h"

#include <algorithm>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/address.h"
#include "common/base/status.h"
#include "common/policy/path.h"

namespace tollgate::words {
namespace {

constexpr size_t kMaxIdentifier = 255;
constexpr size_t kMaxName = 63;
constexpr size_t kMaxHeaderName = 128;
constexpr size_t kMaxHeaderValue = 4096;
constexpr size_t kMaxBasePath = 255;
constexpr size_t kMaxHost = 253;  // RFC 1035 section 2.3.4
constexpr size_t kMaxLabel = 63;

bool IsSmallAlnum(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

bool IsTokenChar(unsigned char c) {
  return absl::ascii_isalnum(c) ||
         absl::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != absl::string_view::npos;
}

bool IsReserved(absl::string_view name) {
  static const auto* const kReserved = new absl::flat_hash_set<absl::string_view>{
      // Of one hop.
      "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
      "te", "trailer", "transfer-encoding", "upgrade",
      // Frame, address or date a message.
      "content-length", "date", "expect", "host", "via",
      // Read or written by Tollgate.
      "authorization", "deprecation", "forwarded", "retry-after", "sunset", "tollgate-outcome",
      "traceparent", "tracestate", "www-authenticate", "x-forwarded-for", "x-forwarded-host",
      "x-forwarded-port", "x-forwarded-proto", "x-request-deadline-ms", "x-request-id"};
  return kReserved->contains(name) || absl::StartsWith(name, "x-tollgate-");
}

bool IsHostName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxHost) return false;
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-') {
      return false;
    }
    if (!absl::c_all_of(label, [](char c) { return IsSmallAlnum(c) || c == '-' || c == '_'; })) {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::Status CheckIdentifier(absl::string_view text) {
  if (!text.empty() && text.size() <= kMaxIdentifier &&
      absl::c_none_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("expected 1 to 255 bytes without spaces");
}

absl::Status CheckWord(absl::string_view text) {
  RETURN_IF_ERROR(CheckIdentifier(text));
  if (text != "." && text != ".." && absl::c_all_of(text, [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
      })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("expected letters, digits, '-', '_' and '.'");
}

absl::Status CheckName(absl::string_view text) {
  if (!text.empty() && text.size() <= kMaxName && IsSmallAlnum(text.front()) &&
      IsSmallAlnum(text.back()) &&
      absl::c_all_of(text, [](char c) { return IsSmallAlnum(c) || c == '-' || c == '.'; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected at most 63 lower-case letters, digits, hyphens and dots, beginning and ending "
      "with a letter or a digit");
}

absl::Status CheckPermission(absl::string_view text) {
  if (CheckIdentifier(text).ok() &&
      absl::c_all_of(text, [](unsigned char c) { return c < 0x7f && c != '"' && c != '\\'; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected a permission without spaces, quotes or backslashes, e.g. payments.read");
}

absl::Status CheckHeaderName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxHeaderName || !absl::c_all_of(text, IsTokenChar) ||
      absl::c_any_of(text, absl::ascii_isupper)) {
    return absl::InvalidArgumentError(
        "expected a header name in lower case: letters, digits and hyphens, e.g. x-api-key");
  }
  if (absl::StrContains(text, '_')) {
    return absl::InvalidArgumentError(
        "an underscore in a header name is refused on the wire; expected a hyphen");
  }
  if (IsReserved(text)) {
    return absl::InvalidArgumentError(
        "this header is written by HTTP itself or by Tollgate; expected another");
  }
  return absl::OkStatus();
}

absl::Status CheckHeaderValue(absl::string_view text) {
  if (text.empty() || text.size() > kMaxHeaderValue) {
    return absl::InvalidArgumentError("a header value has 1 to 4096 bytes");
  }
  if (absl::c_any_of(text, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; })) {
    return absl::InvalidArgumentError("a header value has no line end and no control character");
  }
  if (absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back())) {
    return absl::InvalidArgumentError("a header value has no space at its ends");
  }
  return absl::OkStatus();
}

absl::Status CheckHost(absl::string_view text) {
  if (text == "*") return absl::OkStatus();
  if (absl::StartsWith(text, "*.")) {
    return absl::InvalidArgumentError("wildcards are not supported; list the hosts, or \"*\"");
  }
  const auto address = Address::Parse(absl::StrCat(text, ":0"));
  if (address.ok() && absl::StartsWith(text, "[")) {
    // An IPv6 address has many spellings; clients send what they were given, so there is one.
    if (absl::StrCat("[", address->host(), "]") == text) return absl::OkStatus();
  } else if (address.ok() && IsHostName(text)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected a host name in lower case without port, e.g. pay.example.com, or \"*\" for any");
}

absl::Status CheckBasePath(absl::string_view text) {
  std::string scratch;
  const CanonicalResult canonical = CanonicalPath(text, &scratch);
  if (!canonical.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds ", ToString(canonical.error), "; expected a path such as / or /cards"));
  }
  if (canonical.path != text) {
    return absl::InvalidArgumentError(
        absl::StrCat("is not canonical; expected \"", canonical.path, "\""));
  }
  if (text.size() > 1 && text.back() == '/') {
    return absl::InvalidArgumentError("ends with a slash; only the root does");
  }
  if (ReservedIn(text) != 0 || canonical.escaped != 0) {
    return absl::InvalidArgumentError(absl::StrCat("holds one of ", kReservedInPath,
                                                   ", which some servers take for its escape; "
                                                   "expected letters, digits, and any of -._~"));
  }
  if (text.size() > kMaxBasePath) {
    return absl::InvalidArgumentError("is longer than 255 bytes");
  }
  return absl::OkStatus();
}

}  // namespace tollgate::words
