#include "proxy/limit/siphash.h"

#include <string>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

// Key 00 01 .. 0f; texts 00 01 .. of growing length: the paper's appendix A, and the table of the
// authors' reference implementation (vectors_sip64).
constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::string Text(size_t length) {
  std::string text;
  for (size_t i = 0; i < length; ++i) text.push_back(static_cast<char>(i));
  return text;
}

TEST(SipHash, GivesThePublishedValues) {
  EXPECT_EQ(SipHash(kKey, Text(0)), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(SipHash(kKey, Text(1)), 0x74f839c593dc67fdu);
  EXPECT_EQ(SipHash(kKey, Text(15)), 0xa129ca6149be45e5u);
}

TEST(SipHash, ProcessesDiffer) {
  EXPECT_NE(SipHash(RandomSipKey(), "shop-42"), SipHash(RandomSipKey(), "shop-42"));
}

}  // namespace
}  // namespace tollgate::proxy
