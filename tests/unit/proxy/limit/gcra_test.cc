#include "proxy/limit/gcra.h"

#include <limits>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(Gcra, AdmitsTheBurstThenOneEachInterval) {
  const GcraRate rate = MakeGcraRate(10, 60 * kSecond, 10);
  int64_t tat = 0;
  const int64_t start = 1000 * kSecond;
  int admitted = 0;
  for (int64_t now = start; now < start + 60 * kSecond; now += kSecond / 10) {
    if (GcraWait(rate, tat, now, 1) > 0) continue;
    tat = GcraTake(rate, tat, now, 1);
    ++admitted;
  }
  EXPECT_EQ(admitted, 19) << "burst + W * n / period, the end of the window excluded";
}

TEST(Gcra, TellsHowLongToWait) {
  const GcraRate rate = MakeGcraRate(4, kSecond, 4);
  int64_t tat = GcraTake(rate, 0, 5 * kSecond, 4);
  EXPECT_EQ(GcraWait(rate, tat, 5 * kSecond, 1), kSecond / 4);
  EXPECT_EQ(GcraWait(rate, tat, 5 * kSecond, 4), kSecond);
  EXPECT_EQ(GcraWait(rate, tat, 5 * kSecond + kSecond / 4 - 1, 1), 1);
  EXPECT_EQ(GcraWait(rate, tat, 5 * kSecond + kSecond / 4, 1), 0);
}

TEST(Gcra, RoundsTheIntervalUpSoThatItNeverAdmitsMore) {
  const GcraRate rate = MakeGcraRate(3, kSecond, 3);
  EXPECT_EQ(rate.interval, 333'333'334);
  EXPECT_EQ(MakeGcraRate(4'000'000'000, kSecond, 1).interval, 1);
}

TEST(Gcra, CountsWhatRemains) {
  const GcraRate rate = MakeGcraRate(10, 10 * kSecond, 10);
  const int64_t now = 100 * kSecond;
  EXPECT_EQ(GcraRemaining(rate, 0, now), 10u);
  const int64_t tat = GcraTake(rate, 0, now, 3);
  EXPECT_EQ(GcraRemaining(rate, tat, now), 7u);
  EXPECT_EQ(GcraRemaining(rate, tat, now + kSecond / 2), 7u);
  EXPECT_EQ(GcraRemaining(rate, tat, now + kSecond), 8u);
  EXPECT_EQ(GcraRemaining(rate, now + 20 * kSecond, now), 0u);
  EXPECT_EQ(GcraConsumed(rate, tat, now), 3);
  EXPECT_EQ(GcraConsumed(rate, tat, now + kSecond / 2), 3);
  EXPECT_EQ(GcraConsumed(rate, tat, now + 3 * kSecond), 0);
}

TEST(Gcra, ConvertsConsumedUnitsToAnotherRate) {
  const GcraRate slow = MakeGcraRate(10, 60 * kSecond, 10);
  const GcraRate fast = MakeGcraRate(100, 60 * kSecond, 100);
  const int64_t now = 7 * kSecond;
  const int64_t tat = GcraTake(slow, 0, now, 8);
  const int64_t converted = GcraConvert(slow, tat, fast, now);
  EXPECT_EQ(GcraRemaining(fast, converted, now), 92u);
  EXPECT_EQ(GcraConvert(fast, converted, slow, now), tat);
  // 92 consumed is more than the slow one holds: it is exhausted, not in debt.
  const int64_t much = GcraTake(fast, 0, now, 92);
  EXPECT_EQ(GcraWait(slow, GcraConvert(fast, much, slow, now), now, 1), slow.interval);
}

TEST(Gcra, SaturatesInsteadOfOverflowing) {
  const GcraRate rate = MakeGcraRate(1, std::numeric_limits<int64_t>::max(), 4'000'000'000);
  EXPECT_GT(rate.tolerance, 0);
  const int64_t now = int64_t{1} << 60;
  const int64_t tat = GcraTake(rate, now, now, 4'000'000'000);
  EXPECT_GT(tat, now);
  EXPECT_GT(GcraTake(rate, tat, now, 1), tat);
  EXPECT_GE(GcraConvert(MakeGcraRate(1'000'000, 1, 1), tat, rate, now), now);
}

}  // namespace
}  // namespace tollgate::proxy
