#include "control-plane/model/values.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/policy/path.h"

namespace tollgate::control {
namespace {

constexpr Duration kDay = std::chrono::hours(24);

// Takes the leading decimal digits of `text`; no leading zero, at most 18 digits.
bool ConsumeNumber(absl::string_view* text, uint64_t* number) {
  const size_t length = std::min(text->find_first_not_of("0123456789"), text->size());
  const absl::string_view digits = text->substr(0, length);
  if (digits.empty() || digits.size() > 18 || (digits.size() > 1 && digits[0] == '0')) {
    return false;
  }
  text->remove_prefix(length);
  return absl::SimpleAtoi(digits, number);
}

// The length of a unit, zero if there is none such.
Duration UnitLength(absl::string_view unit) {
  if (unit == "ms") return std::chrono::milliseconds(1);
  if (unit == "s") return std::chrono::seconds(1);
  if (unit == "m") return std::chrono::minutes(1);
  if (unit == "h") return std::chrono::hours(1);
  return Duration::zero();
}

absl::StatusOr<WindowPolicy> ParseWindow(absl::string_view text) {
  static constexpr absl::string_view kExpected =
      "expected COUNT/PERIOD, e.g. 10/second, 100/minute, 1000/hour, 5/10s";
  WindowPolicy window;
  uint64_t count = 0;
  if (!ConsumeNumber(&text, &count) || text.empty() || text[0] != '/') {
    return absl::InvalidArgumentError(kExpected);
  }
  if (count < 1 || count > 1'000'000'000) {
    return absl::InvalidArgumentError("a count is from 1 to 1000000000");
  }
  window.count = static_cast<uint32_t>(count);
  const absl::string_view period = text.substr(1);
  if (period == "second") {
    window.period = std::chrono::seconds(1);
  } else if (period == "minute") {
    window.period = std::chrono::minutes(1);
  } else if (period == "hour") {
    window.period = std::chrono::hours(1);
  } else if (period == "day") {
    window.period = kDay;
  } else if (auto length = ParseDuration(period); length.ok()) {
    window.period = *length;
  } else {
    return absl::InvalidArgumentError(kExpected);
  }
  return window;
}

// RFC 9110 section 5.6.2.
bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           absl::StrContains("!#$%&'*+-.^_`|~",
                             absl::string_view(reinterpret_cast<const char*>(&c), 1));
  });
}

bool IsHostName(absl::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (absl::string_view label : absl::StrSplit(text, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    for (char c : label) {
      if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-' && c != '_') return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(absl::string_view text) {
  uint64_t number = 0;
  absl::string_view unit = text;
  if (!ConsumeNumber(&unit, &number) || UnitLength(unit) == Duration::zero()) {
    return absl::InvalidArgumentError("expected a duration: 250ms, 5s, 1m or 1h");
  }
  const Duration length = UnitLength(unit);
  if (number == 0) return absl::InvalidArgumentError("a duration is above zero");
  if (number > static_cast<uint64_t>(kDay / length)) {
    return absl::InvalidArgumentError("a duration is at most 24h");
  }
  return length * static_cast<int64_t>(number);
}

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  uint64_t number = 0;
  absl::string_view unit = text;
  int shift = -1;
  if (ConsumeNumber(&unit, &number)) {
    if (unit.empty()) shift = 0;
    if (unit == "KiB") shift = 10;
    if (unit == "MiB") shift = 20;
    if (unit == "GiB") shift = 30;
  }
  if (shift < 0) {
    return absl::InvalidArgumentError("expected a size: 64KiB, 1MiB, 1GiB or a number of bytes");
  }
  if (number > (uint64_t{1} << 40) >> shift) {
    return absl::InvalidArgumentError("a size is at most 1024GiB");
  }
  return number << shift;
}

absl::StatusOr<std::vector<WindowPolicy>> ParseLimit(absl::string_view text) {
  std::vector<WindowPolicy> windows;
  for (absl::string_view part : absl::StrSplit(text, ';')) {
    ASSIGN_OR_RETURN(WindowPolicy window, ParseWindow(part));
    for (const WindowPolicy& other : windows) {
      if (other.period == window.period) {
        return absl::InvalidArgumentError(
            absl::StrCat("two windows of the same length, the second is \"", part, "\""));
      }
    }
    windows.push_back(window);
    if (windows.size() > 8) return absl::InvalidArgumentError("at most 8 windows");
  }
  return windows;
}

absl::StatusOr<MatchValue> ParseMatch(absl::string_view text) {
  static constexpr absl::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                                   "PATCH", "DELETE", "OPTIONS"};
  const size_t space = text.find(' ');
  if (space == absl::string_view::npos) {
    return absl::InvalidArgumentError("expected METHOD /PATH, e.g. GET /payments/{id}");
  }
  const absl::string_view method = text.substr(0, space);
  MatchValue match;
  if (method != "ANY") {
    if (std::find(std::begin(kMethods), std::end(kMethods), method) == std::end(kMethods)) {
      return absl::InvalidArgumentError(absl::StrCat("unknown method; expected one of ",
                                                     absl::StrJoin(kMethods, ", "), " or ANY"));
    }
    match.method = std::string(method);
  }
  match.path = std::string(text.substr(space + 1));
  if (auto segments = ParsePathTemplate(match.path); !segments.ok()) return segments.status();
  return match;
}

absl::Status CheckBasePath(absl::string_view text) {
  std::string scratch;
  const CanonicalResult canonical = CanonicalPath(text, &scratch);
  if (!canonical.ok() || canonical.path != text) {
    return absl::InvalidArgumentError(
        canonical.ok() ? absl::StrCat("is not canonical; expected \"", canonical.path, "\"")
                       : absl::StrCat("holds ", ToString(canonical.error),
                                      "; expected a path such as / or /cards"));
  }
  if (text.size() > 1 && text.back() == '/') {
    return absl::InvalidArgumentError("ends with a slash; only the root does");
  }
  if (ReservedIn(text) != 0 || canonical.escaped != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds one of ", kReservedInPath, ", whose escape some servers take for it"));
  }
  if (text.size() > 255) return absl::InvalidArgumentError("is longer than 255 bytes");
  return absl::OkStatus();
}

absl::Status CheckHost(absl::string_view text) {
  if (text == "*") return absl::OkStatus();
  if (absl::StartsWith(text, "*.")) {
    return absl::InvalidArgumentError("wildcards are not supported; list the hosts, or \"*\"");
  }
  if (absl::StartsWith(text, "[")) {
    auto address = Address::Parse(absl::StrCat(text, ":0"));
    if (address.ok() && absl::StrCat("[", address->host(), "]") == text) return absl::OkStatus();
  } else if (IsHostName(text) && Address::Parse(absl::StrCat(text, ":0")).ok()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected a host name in lower case without port, e.g. pay.example.com, or \"*\" for any");
}

absl::StatusOr<std::string> ParseHeaderName(absl::string_view text) {
  static const auto* const kReserved =
      new absl::flat_hash_set<absl::string_view>{"connection",
                                                 "keep-alive",
                                                 "proxy-connection",
                                                 "te",
                                                 "trailer",
                                                 "transfer-encoding",
                                                 "upgrade",
                                                 "proxy-authenticate",
                                                 "proxy-authorization",
                                                 "content-length",
                                                 "host",
                                                 "date",
                                                 "via",
                                                 "expect",
                                                 "x-request-id",
                                                 "traceparent",
                                                 "tracestate",
                                                 "forwarded",
                                                 "x-forwarded-for",
                                                 "x-forwarded-proto",
                                                 "x-forwarded-host",
                                                 "x-forwarded-port",
                                                 "www-authenticate",
                                                 "retry-after",
                                                 "deprecation",
                                                 "sunset",
                                                 "authorization"};
  if (!IsToken(text) || text.size() > 128) {
    return absl::InvalidArgumentError(
        "expected a header name: letters, digits and hyphens, e.g. X-Api-Key");
  }
  std::string name = absl::AsciiStrToLower(text);
  if (absl::StrContains(name, '_')) {
    return absl::InvalidArgumentError("an underscore in a header name is refused on the wire");
  }
  if (kReserved->contains(name) || absl::StartsWith(name, "x-tollgate-")) {
    return absl::InvalidArgumentError("this header is written by HTTP itself or by Tollgate");
  }
  return name;
}

absl::Status CheckHeaderValue(absl::string_view text) {
  if (text.empty() || text.size() > 4096) {
    return absl::InvalidArgumentError("a header value has 1 to 4096 bytes");
  }
  for (unsigned char c : text) {
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      return absl::InvalidArgumentError("a header value has no line end and no control character");
    }
  }
  if (absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back())) {
    return absl::InvalidArgumentError("a header value has no space at its ends");
  }
  return absl::OkStatus();
}

absl::Status CheckName(absl::string_view text) {
  const auto alnum = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  if (!text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
      std::all_of(text.begin(), text.end(),
                  [&](char c) { return alnum(c) || c == '-' || c == '.'; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected at most 63 lower-case letters, digits, hyphens and dots, beginning and ending "
      "with a letter or a digit");
}

absl::Status CheckIdentifier(absl::string_view text) {
  if (!text.empty() && text.size() <= 255 &&
      std::none_of(text.begin(), text.end(),
                   [](unsigned char c) { return c <= 0x20 || c == 0x7f; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("expected 1 to 255 bytes without spaces");
}

absl::Status CheckPermission(absl::string_view text) {
  if (!text.empty() && text.size() <= 255 &&
      std::all_of(text.begin(), text.end(),
                  [](unsigned char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "expected a permission without spaces, quotes or backslashes, e.g. payments.read");
}

}  // namespace tollgate::control
