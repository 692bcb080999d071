#include "proxy/filter/deadline.h"

#include <gtest/gtest.h>

namespace tollgate::proxy {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(Deadline, IsTakenOutOfTheRequest) {
  HeaderMap headers;
  headers.Add("X-Request-Deadline-Ms", "250");
  headers.Add("x-other", "1");
  std::optional<Duration> left;
  EXPECT_TRUE(TakeDeadline(headers, &left));
  EXPECT_EQ(left, milliseconds(250));
  EXPECT_EQ(headers.size(), 1u);
}

TEST(Deadline, MayBeMissing) {
  HeaderMap headers;
  std::optional<Duration> left;
  EXPECT_TRUE(TakeDeadline(headers, &left));
  EXPECT_FALSE(left.has_value());
}

TEST(Deadline, IsDigitsAndNothingElse) {
  for (const char* bad :
       {"", " 1", "1 ", "-1", "+1", "1,2", "1.0", "0x1", "1s", "\xd9\xa1", "12345678901"}) {
    HeaderMap headers;
    headers.Add(HeaderId::kXRequestDeadlineMs, bad);
    std::optional<Duration> left;
    EXPECT_FALSE(TakeDeadline(headers, &left)) << bad;
  }
  HeaderMap headers;
  headers.Add(HeaderId::kXRequestDeadlineMs, "9999999999");
  std::optional<Duration> left;
  EXPECT_TRUE(TakeDeadline(headers, &left));
  EXPECT_EQ(left, milliseconds(9'999'999'999));
}

TEST(Deadline, StandsThereOnce) {
  HeaderMap headers;
  headers.Add(HeaderId::kXRequestDeadlineMs, "5");
  headers.Add(HeaderId::kXRequestDeadlineMs, "5");
  std::optional<Duration> left;
  EXPECT_FALSE(TakeDeadline(headers, &left));
}

TEST(Deadline, IsToldInWholeMillisecondsAndNeverAsZero) {
  HeaderMap headers;
  const auto told = [&](Duration left) {
    SetDeadline(left, headers);
    EXPECT_EQ(headers.Count(HeaderId::kXRequestDeadlineMs), 1u);
    return std::string(*headers.Get(HeaderId::kXRequestDeadlineMs));
  };
  EXPECT_EQ(told(milliseconds(250)), "250");
  EXPECT_EQ(told(microseconds(1999)), "1");
  EXPECT_EQ(told(microseconds(1)), "1");
  EXPECT_EQ(told(Duration::zero()), "1");
  EXPECT_EQ(told(milliseconds(-5)), "1");
}

}  // namespace
}  // namespace tollgate::proxy
