#include "common/base/backoff.h"

#include "gtest/gtest.h"

namespace tollgate {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, TriesAtOnceFirstThenWaitsForAPartOfABoundThatDoublesUpToTheMost) {
  Backoff backoff(7, {.first = milliseconds(100), .most = milliseconds(400)});
  EXPECT_EQ(backoff.Next(), Duration::zero());
  for (const int bound : {100, 200, 400, 400, 400}) {
    const Duration wait = backoff.Next();
    EXPECT_GE(wait, milliseconds(bound) / 10);
    EXPECT_LE(wait, milliseconds(bound));
  }
}

TEST(Backoff, AfterSuccessWaitsShortlyAndNotNothing) {
  Backoff backoff(7, {.first = milliseconds(100), .most = milliseconds(400)});
  for (int i = 0; i < 5; ++i) backoff.Next();
  backoff.Succeeded();
  const Duration wait = backoff.Next();
  EXPECT_GT(wait, Duration::zero());
  EXPECT_LE(wait, milliseconds(100));
}

TEST(Backoff, OfTwoSeedsDoesNotComeBackInStep) {
  Backoff one(1), other(2);
  one.Next();
  other.Next();
  EXPECT_NE(one.Next(), other.Next());
}

}  // namespace
}  // namespace tollgate
