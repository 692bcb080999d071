#include "common/crypto/encoding.h"

#include "gtest/gtest.h"

namespace tollgate {
namespace {

TEST(Base64Url, EncodesTheVectorsOfRfc4648WithoutPadding) {
  EXPECT_EQ(Base64UrlEncode(""), "");
  EXPECT_EQ(Base64UrlEncode("f"), "Zg");
  EXPECT_EQ(Base64UrlEncode("fo"), "Zm8");
  EXPECT_EQ(Base64UrlEncode("foo"), "Zm9v");
  EXPECT_EQ(Base64UrlEncode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64UrlEncode("\xfb\xff\xfe"), "-__-");  // the URL-safe characters
}

TEST(Base64Url, DecodesWhatItEncodes) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(Base64UrlDecode(Base64UrlEncode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST(Base64Url, RefusesEveryOtherSpelling) {
  for (const char* text : {"Zg==", "Zg=", "Zm9v=", "Z", "Zm9vY", "Zm 9v", "Zm9v\n", "Zm+v", "Zm/v",
                           "Zm9v.", "\xc3\xa9xx"}) {
    EXPECT_EQ(Base64UrlDecode(text), std::nullopt) << text;
  }
  EXPECT_EQ(Base64UrlDecode(absl::string_view("Zm9\0", 4)), std::nullopt);
}

TEST(Base64Url, RefusesUnusedBitsThatAreNotZero) {
  EXPECT_EQ(Base64UrlDecode("Zg"), "f");
  EXPECT_EQ(Base64UrlDecode("Zh"), std::nullopt);
  EXPECT_EQ(Base64UrlDecode("Zm8"), "fo");
  EXPECT_EQ(Base64UrlDecode("Zm9"), std::nullopt);
}

TEST(Hex, EncodesLowerCaseAndDecodesBoth) {
  EXPECT_EQ(HexEncode(absl::string_view("\x00\xAb\xff", 3)), "00abff");
  EXPECT_EQ(HexDecode("00aBFf"), std::string("\x00\xab\xff", 3));
  EXPECT_EQ(HexDecode(""), "");
  for (const char* text : {"0", "0g", "0x00", " 00", "00 "}) EXPECT_FALSE(HexDecode(text)) << text;
}

}  // namespace
}  // namespace tollgate
