#include "common/base/http_date.h"

#include <ctime>

#include "common/base/random.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

TEST(HttpDate, FormatsTheExamplesOfTheStandards) {
  EXPECT_EQ(HttpDate(FromUnixSeconds(784'111'777)), "Sun, 06 Nov 1994 08:49:37 GMT");    // RFC 9110
  EXPECT_EQ(HttpDate(FromUnixSeconds(1'688'169'599)), "Fri, 30 Jun 2023 23:59:59 GMT");  // RFC 9745
  EXPECT_EQ(HttpDate(FromUnixSeconds(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDate, KnowsLeapYears) {
  EXPECT_EQ(HttpDate(FromUnixSeconds(951'782'400)), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(HttpDate(FromUnixSeconds(1'709'251'199)), "Thu, 29 Feb 2024 23:59:59 GMT");
  EXPECT_EQ(HttpDate(FromUnixSeconds(1'709'251'200)), "Fri, 01 Mar 2024 00:00:00 GMT");
}

TEST(HttpDate, RoundsDown) {
  EXPECT_EQ(HttpDate(FromUnixSeconds(0) + std::chrono::nanoseconds(999'999'999)),
            "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(HttpDate(FromUnixSeconds(0) - std::chrono::nanoseconds(1)),
            "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST(HttpDate, FillsExactlyItsLength) {
  char buffer[kHttpDateLength + 1];
  buffer[kHttpDateLength] = '#';
  FormatHttpDate(FromUnixSeconds(1), buffer);
  EXPECT_EQ(buffer[kHttpDateLength - 1], 'T');
  EXPECT_EQ(buffer[kHttpDateLength], '#');
}

TEST(HttpDate, AgreesWithTheSystemLibrary) {
  Random random(1);
  for (int i = 0; i < 5000; ++i) {
    const time_t seconds = random() % 9'000'000'000;  // until 2255
    std::tm tm;
    gmtime_r(&seconds, &tm);
    char expected[64];
    strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    ASSERT_EQ(HttpDate(FromUnixSeconds(seconds)), expected) << seconds;
  }
}

}  // namespace
}  // namespace tollgate
