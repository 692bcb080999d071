// ParseDate of values.h.
#include <cstdint>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

// The number in text[at, at+length), which must be digits.
std::optional<int> Digits(absl::string_view text, size_t at, size_t length) {
  int value = 0;
  if (at + length > text.size()) return std::nullopt;
  for (char c : text.substr(at, length)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

absl::StatusOr<WallTime> ParseDate(absl::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError(
      "expected a date and time (RFC 3339), e.g. \"2026-09-01T00:00:00Z\"");
  const auto year = Digits(text, 0, 4), month = Digits(text, 5, 2), day = Digits(text, 8, 2);
  const auto hour = Digits(text, 11, 2), minute = Digits(text, 14, 2), second = Digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' || text[7] != '-' ||
      text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return bad;
  }
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 2000 || *hour > 23 || *minute > 59 || *second > 59) {
    return absl::InvalidArgumentError("there is no such date and time");
  }
  if (*year > 2198) return absl::InvalidArgumentError("a date is before the year 2199");
  std::chrono::seconds offset{0};
  const absl::string_view zone = text.substr(19);
  if (zone != "Z") {
    const auto hours = Digits(zone, 1, 2), minutes = Digits(zone, 4, 2);
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours ||
        !minutes || *hours > 23 || *minutes > 59) {
      return bad;
    }
    offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
    if (zone[0] == '-') offset = -offset;
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  return WallTime(std::chrono::duration_cast<Duration>(days + std::chrono::hours(*hour) +
                                                       std::chrono::minutes(*minute) +
                                                       std::chrono::seconds(*second) - offset));
}

}  // namespace tollgate::control
