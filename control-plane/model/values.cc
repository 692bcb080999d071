#include "control-plane/model/values.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
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

absl::StatusOr<uint32_t> ParsePermille(absl::string_view text, uint32_t most) {
  uint64_t whole = 0;
  bool good = ConsumeNumber(&text, &whole) && whole <= most;
  uint64_t thousandths = 0;
  if (good && absl::ConsumePrefix(&text, ".")) {
    good = !text.empty() && text.size() <= 3 &&
           text.find_first_not_of("0123456789") == absl::string_view::npos &&
           absl::SimpleAtoi(absl::StrCat(text, std::string(3 - text.size(), '0')), &thousandths);
    text = {};
  }
  if (!good || !text.empty() || whole * 1000 + thousandths > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a number from 0 to ", most / 1000,
                     ", with at most three decimals, e.g. 1.5"));
  }
  return static_cast<uint32_t>(whole * 1000 + thousandths);
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

absl::StatusOr<std::string> ParseHeaderName(absl::string_view text) {
  std::string name = absl::AsciiStrToLower(text);
  RETURN_IF_ERROR(words::CheckHeaderName(name));
  return name;
}

}  // namespace tollgate::control
