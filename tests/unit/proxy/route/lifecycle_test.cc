#include "proxy/route/lifecycle.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kDeprecated = 1'688'169'599;  // 2023-06-30T23:59:59Z: RFC 9745's example
constexpr int64_t kSunset = 1'719'791'999;      // 2024-06-30T23:59:59Z

RouteTablePolicy Version(std::optional<int64_t> deprecated, std::optional<int64_t> sunset) {
  RouteTablePolicy table;
  table.state = VersionState::kDeprecated;
  if (deprecated) table.deprecated = FromUnixSeconds(*deprecated);
  if (sunset) table.sunset = FromUnixSeconds(*sunset);
  return table;
}

std::vector<std::string> Lines(const Lifecycle::Answer& answer) {
  std::vector<std::string> lines;
  if (answer.gone) lines.push_back("410");
  for (const HeaderValue& h : answer.headers) {
    lines.push_back(absl::StrCat(h.name, ": ", h.value));
  }
  return lines;
}

TEST(Lifecycle, AnActiveVersionSaysNothing) {
  FakeClock clock;
  EXPECT_THAT(Lines(Lifecycle(RouteTablePolicy{}).At(clock.Wall())), IsEmpty());
  EXPECT_THAT(Lines(Lifecycle().At(clock.Wall())), IsEmpty());
}

TEST(Lifecycle, DeprecationBeginsOnItsSecond) {
  FakeClock clock(FromUnixSeconds(kDeprecated - 1));
  const Lifecycle lifecycle(Version(kDeprecated, {}));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), IsEmpty());
  clock.Advance(std::chrono::nanoseconds(999'999'999));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), IsEmpty());
  clock.Advance(std::chrono::nanoseconds(1));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre("deprecation: @1688169599"));
  clock.Advance(std::chrono::seconds(1));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre("deprecation: @1688169599"));
}

TEST(Lifecycle, SunsetIsAnnouncedUntilItsSecondAndGoneAfter) {
  FakeClock clock(FromUnixSeconds(kSunset - 1));
  const Lifecycle lifecycle(Version({}, kSunset));
  const std::string announced = "sunset: Sun, 30 Jun 2024 23:59:59 GMT";
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre(announced));
  clock.Advance(std::chrono::seconds(1));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre(announced));
  clock.Advance(std::chrono::nanoseconds(999'999'999));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre(announced));
  clock.Advance(std::chrono::nanoseconds(1));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre("410"));
}

TEST(Lifecycle, AWholeLifeWithLinks) {
  RouteTablePolicy table = Version(kDeprecated, kSunset);
  table.link = "https://docs.example/v1";
  const Lifecycle lifecycle(table, "/v2/");
  FakeClock clock(FromUnixSeconds(kDeprecated - 1));
  const std::string sunset = "sunset: Sun, 30 Jun 2024 23:59:59 GMT";
  const std::string sunset_link = "link: <https://docs.example/v1>; rel=\"sunset\"";
  const std::string successor = "link: </v2/>; rel=\"successor-version\"";
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())), ElementsAre(sunset, sunset_link));
  clock.Advance(std::chrono::seconds(1));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())),
              ElementsAre("deprecation: @1688169599", sunset, sunset_link,
                          "link: <https://docs.example/v1>; rel=\"deprecation\"", successor));
  clock.SetWall(FromUnixSeconds(kSunset + 1));
  EXPECT_THAT(Lines(lifecycle.At(clock.Wall())),
              ElementsAre("410", "deprecation: @1688169599", sunset_link, successor));
}

TEST(Lifecycle, ARetiredVersionIsGoneWhateverTheDates) {
  RouteTablePolicy table = Version({}, kSunset);
  table.state = VersionState::kRetired;
  EXPECT_TRUE(Lifecycle(table).At(FromUnixSeconds(kSunset - 1'000'000)).gone);
}

TEST(Lifecycle, AClockThatWasSetBackServesAgain) {
  FakeClock clock(FromUnixSeconds(kSunset + 1));
  const Lifecycle lifecycle(Version({}, kSunset));
  EXPECT_TRUE(lifecycle.At(clock.Wall()).gone);
  clock.SetWall(FromUnixSeconds(kSunset));
  EXPECT_FALSE(lifecycle.At(clock.Wall()).gone);
}

TEST(Lifecycle, CopiesStandAlone) {
  std::optional<Lifecycle> first(Lifecycle(Version(kDeprecated, {})));
  const Lifecycle copy = *first;
  first.reset();
  EXPECT_THAT(Lines(copy.At(FromUnixSeconds(kDeprecated))),
              ElementsAre("deprecation: @1688169599"));
}

}  // namespace
}  // namespace tollgate::proxy
