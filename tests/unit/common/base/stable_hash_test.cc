#include "common/base/stable_hash.h"

#include <bit>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

TEST(StableHash, IsTheSameInEveryRelease) {
  // Sidecars of two releases run side by side and must agree.
  EXPECT_EQ(StableHash(""), 5197578548964807871u);
  EXPECT_EQ(StableHash("acme"), 15274871754232857899u);
  EXPECT_EQ(StableHash("10.0.1.11:8080"), 16246757200004842862u);
  EXPECT_EQ(StableHash("acme", 1), 5696357749929627386u);
}

TEST(StableHash, TellsTextsOfEqualBytesAndOtherLengthsApart) {
  std::set<uint64_t> seen;
  for (size_t size = 0; size < 20; ++size) seen.insert(StableHash(std::string(size, '\0')));
  EXPECT_EQ(seen.size(), 20u);
}

TEST(StableHash, EveryBitOfTheTextChangesHalfOfTheHash) {
  const std::string text = "consumer-4711";
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string other = text;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
    const int changed = std::popcount(StableHash(text) ^ StableHash(other));
    EXPECT_GT(changed, 12) << bit;
    EXPECT_LT(changed, 52) << bit;
  }
}

}  // namespace
}  // namespace tollgate
