#include "control-plane/model/values.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Durations, HaveOneUnit) {
  EXPECT_EQ(ParseDuration("250ms").value(), milliseconds(250));
  EXPECT_EQ(ParseDuration("5s").value(), seconds(5));
  EXPECT_EQ(ParseDuration("1m").value(), minutes(1));
  EXPECT_EQ(ParseDuration("24h").value(), hours(24));
  for (const char* bad : {"", "5", "s", "5 s", "+5s", "-5s", "05s", "1.5s", "5S", "1h30m", "5us",
                          "0s", "25h", "99999999999999999999s", "5s "}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(Sizes, AreBinary) {
  EXPECT_EQ(ParseSize("64KiB").value(), 65536u);
  EXPECT_EQ(ParseSize("1MiB").value(), 1u << 20);
  EXPECT_EQ(ParseSize("1024GiB").value(), uint64_t{1} << 40);
  EXPECT_EQ(ParseSize("1000").value(), 1000u);
  EXPECT_EQ(ParseSize("0").value(), 0u);
  for (const char* bad : {"", "64KB", "64k", "1.5MiB", "-1", "1025GiB", "KiB", "1 MiB", "01"}) {
    EXPECT_FALSE(ParseSize(bad).ok()) << bad;
  }
}

TEST(Limits, AreWindows) {
  EXPECT_THAT(ParseLimit("10/second;100/minute").value(),
              ElementsAre(WindowPolicy{10, seconds(1)}, WindowPolicy{100, minutes(1)}));
  EXPECT_THAT(ParseLimit("1000/hour").value(), ElementsAre(WindowPolicy{1000, hours(1)}));
  EXPECT_THAT(ParseLimit("5/10s;7/day").value(),
              ElementsAre(WindowPolicy{5, seconds(10)}, WindowPolicy{7, hours(24)}));
  for (const char* bad :
       {"", "10", "10/", "/second", "0/second", "10/seconds", "10/second;", ";10/second",
        "10/second, 5/minute", "1000000001/second", "10/0s", "10/second;20/1s", "10/25h",
        "1/1s;1/2s;1/3s;1/4s;1/5s;1/6s;1/7s;1/8s;1/9s", " 10/second"}) {
    EXPECT_FALSE(ParseLimit(bad).ok()) << bad;
  }
}

TEST(Permille, HaveAtMostThreeDecimals) {
  EXPECT_EQ(ParsePermille("1", 10'000).value(), 1000u);
  EXPECT_EQ(ParsePermille("0.5", 10'000).value(), 500u);
  EXPECT_EQ(ParsePermille("1.25", 10'000).value(), 1250u);
  EXPECT_EQ(ParsePermille("0.001", 10'000).value(), 1u);
  EXPECT_EQ(ParsePermille("10.000", 10'000).value(), 10'000u);
  EXPECT_EQ(ParsePermille("0", 10'000).value(), 0u);
  for (const char* bad : {"", "1.", ".5", "1.2345", "-1", "+1", "1e1", "10.001", "11", "1,5", "x",
                          "1 ", " 1", "0.5x", "99999999999999999999"}) {
    EXPECT_FALSE(ParsePermille(bad, 10'000).ok()) << bad;
  }
  EXPECT_THAT(ParsePermille("11", 10'000).status().message(),
              HasSubstr("expected a number from 0 to 10, with at most three decimals"));
}

TEST(Matches, AreAMethodAndATemplate) {
  EXPECT_EQ(ParseMatch("POST /payments/{id}")->method, "POST");
  EXPECT_EQ(ParseMatch("POST /payments/{id}")->path, "/payments/{id}");
  EXPECT_EQ(ParseMatch("ANY /x/**")->method, "");
  for (const char* bad :
       {"",           "GET",        "/x",           "get /x",    "FETCH /x", "TRACE /x",
        "CONNECT /x", "GET x",      "GET  /x",      "GET /x y",  "GET /x?y", "GET /../x",
        "GET //x",    "GET /%41",   "GET /{a}/{a}", "GET /a{b}", "GET /{}",  "GET /**/x",
        "GET /x/**y", "GET /a%2Fb", "GET /x\\y"}) {
    EXPECT_FALSE(ParseMatch(bad).ok()) << bad;
  }
  EXPECT_THAT(ParseMatch("FETCH /x").status().message(),
              HasSubstr("unknown method; expected one of GET, HEAD, POST, PUT, PATCH, DELETE, "
                        "OPTIONS or ANY"));
}

TEST(Dates, AreRfc3339) {
  // RFC 9745: @1688169599 is 2023-06-30T23:59:59Z.
  EXPECT_EQ(UnixSeconds(ParseDate("2023-06-30T23:59:59Z").value()), 1688169599);
  EXPECT_EQ(ParseDate("2023-07-01T01:59:59+02:00").value(), FromUnixSeconds(1688169599));
  EXPECT_EQ(ParseDate("2023-06-30T18:29:59-05:30").value(), FromUnixSeconds(1688169599));
  EXPECT_EQ(UnixSeconds(ParseDate("2024-02-29T00:00:00Z").value()), 1709164800);
  for (const char* bad :
       {"", "2023-06-30", "2023-06-30T23:59:59", "2023-06-30 23:59:59Z", "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z", "2023-06-30T24:00:00Z", "2023-06-30T23:59:60Z",
        "2023-06-30T23:59:59z", "2023-06-30T23:59:59+0200", "2023-06-30T23:59:59+24:00",
        "2023-06-30T23:59:59.5Z", "1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z",
        "2023-06-30T23:59:59ZZ", "+023-06-30T23:59:59Z"}) {
    EXPECT_FALSE(ParseDate(bad).ok()) << bad;
  }
}

TEST(HeaderNames, AreTokensThatAreNobodyElses) {
  EXPECT_EQ(ParseHeaderName("X-Api-Key").value(), "x-api-key");
  for (const char* bad :
       {"", "x y", "x:", "x_y", "Connection", "Transfer-Encoding", "Host", "TE", "Content-Length",
        "Authorization", "X-Request-Id", "X-Tollgate-Api", "Deprecation", "\xc3\xa9"}) {
    EXPECT_FALSE(ParseHeaderName(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tollgate::control
