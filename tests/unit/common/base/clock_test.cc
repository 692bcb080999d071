#include "common/base/clock.h"

#include "gtest/gtest.h"

namespace tollgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(FakeClock, MovesOnlyWhenTold) {
  FakeClock clock(FromUnixSeconds(100));
  const MonoTime mono = clock.Mono();
  EXPECT_EQ(clock.Mono(), mono);
  clock.Advance(milliseconds(1500));
  EXPECT_EQ(clock.Mono() - mono, milliseconds(1500));
  EXPECT_EQ(clock.Wall(), FromUnixSeconds(100) + milliseconds(1500));
}

TEST(FakeClock, SettingWallTimeLeavesMonotonicTime) {
  FakeClock clock;
  const MonoTime mono = clock.Mono();
  clock.SetWall(FromUnixSeconds(5));
  EXPECT_EQ(clock.Wall(), FromUnixSeconds(5));
  EXPECT_EQ(clock.Mono(), mono);
}

TEST(SystemClock, GoesForwardAndAgreesWithTheSystem) {
  SystemClock clock;
  const MonoTime before = clock.Mono();
  EXPECT_GE(clock.Mono(), before);
  const auto system = std::chrono::system_clock::now().time_since_epoch();
  const auto difference = clock.Wall().time_since_epoch() - system;
  EXPECT_LT(std::chrono::abs(difference), std::chrono::minutes(1));
}

TEST(UnixTime, RoundsDown) {
  EXPECT_EQ(UnixSeconds(FromUnixSeconds(7) + nanoseconds(999'999'999)), 7);
  EXPECT_EQ(UnixSeconds(FromUnixSeconds(0) - nanoseconds(1)), -1);
  EXPECT_EQ(UnixMillis(FromUnixSeconds(7) + nanoseconds(999'999'999)), 7999);
  EXPECT_EQ(FromUnixSeconds(3).time_since_epoch(), seconds(3));
}

TEST(MonoTime, NeverIsLaterThanAnyTime) {
  FakeClock clock;
  clock.Advance(std::chrono::hours(24 * 365 * 100));
  EXPECT_LT(clock.Mono(), kNever);
}

}  // namespace
}  // namespace tollgate
