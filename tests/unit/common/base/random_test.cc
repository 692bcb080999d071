#include "common/base/random.h"

#include <array>
#include <set>

#include "gtest/gtest.h"

namespace tollgate {
namespace {

TEST(Random, RepeatsItselfFromTheSameSeed) {
  Random a(42), b(42), c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a();
    EXPECT_EQ(value, b());
    differs |= value != c();
  }
  EXPECT_TRUE(differs);
}

// splitmix64 seeded with 0 (the reference generator's first outputs) fills the state, so the first
// number is rotl(s1 * 5, 7) * 9 of it.
TEST(Random, IsXoshiro256StarStar) {
  const uint64_t s1 = 0x6e789e6aa1b965f4;  // second output of splitmix64 from 0
  const uint64_t product = s1 * 5;
  Random random(0);
  EXPECT_EQ(random(), (product << 7 | product >> 57) * 9);
}

TEST(Random, BelowIsUniform) {
  constexpr int kSides = 6, kThrows = 60'000;
  Random random(1);
  std::array<int, kSides> seen{};
  for (int i = 0; i < kThrows; ++i) ++seen.at(random.Below(kSides));
  double chi_square = 0;
  for (int count : seen) {
    const double off = count - kThrows / kSides;
    chi_square += off * off / (kThrows / kSides);
  }
  EXPECT_LT(chi_square, 20.5);  // 5 degrees of freedom, p = 0.001; the seed is fixed
}

TEST(Random, BelowOneIsZero) {
  Random random(1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.Below(1), 0u);
}

TEST(Random, UnitIsInItsInterval) {
  Random random(1);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = random.Unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

TEST(Random, HasNoShortCycle) {
  Random random(7);
  std::set<uint64_t> seen;
  for (int i = 0; i < 10'000; ++i) seen.insert(random());
  EXPECT_EQ(seen.size(), 10'000u);
}

}  // namespace
}  // namespace tollgate
