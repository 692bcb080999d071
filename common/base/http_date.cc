#include "common/base/http_date.h"

#include <cstring>

namespace tollgate {
namespace {

char* Copy(char* out, const char* text, size_t n) {
  std::memcpy(out, text, n);
  return out + n;
}

char* TwoDigits(char* out, int64_t value, char after) {
  *out++ = static_cast<char>('0' + value / 10);
  *out++ = static_cast<char>('0' + value % 10);
  *out++ = after;
  return out;
}

}  // namespace

void FormatHttpDate(WallTime time, char* out) {
  namespace chrono = std::chrono;
  constexpr char kDays[] = "SunMonTueWedThuFriSat";
  constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const chrono::sys_seconds seconds{chrono::seconds(UnixSeconds(time))};
  const auto day = chrono::floor<chrono::days>(seconds);
  const chrono::year_month_day date(day);
  const chrono::weekday weekday(day);
  const int64_t of_day = (seconds - day).count();
  const int year = static_cast<int>(date.year());

  out = Copy(out, kDays + 3 * weekday.c_encoding(), 3);
  out = Copy(out, ", ", 2);
  out = TwoDigits(out, static_cast<unsigned>(date.day()), ' ');
  out = Copy(out, kMonths + 3 * (static_cast<unsigned>(date.month()) - 1), 3);
  *out++ = ' ';
  *out++ = static_cast<char>('0' + year / 1000);
  *out++ = static_cast<char>('0' + year / 100 % 10);
  out = TwoDigits(out, year % 100, ' ');
  out = TwoDigits(out, of_day / 3600, ':');
  out = TwoDigits(out, of_day / 60 % 60, ':');
  out = TwoDigits(out, of_day % 60, ' ');
  Copy(out, "GMT", 3);
}

std::string HttpDate(WallTime time) {
  std::string text(kHttpDateLength, ' ');
  FormatHttpDate(time, text.data());
  return text;
}

}  // namespace tollgate
