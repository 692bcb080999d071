#include "common/crypto/sealed.h"

#include "common/crypto/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;

SecretBytes Key(char c = 'k') { return SecretBytes(std::string(kSealKeyBytes, c)); }

TEST(Sealed, OpensWhatWasSealed) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(100'000, 'x')}) {
    const std::string blob = Seal(Key(), "node-1", text).value();
    EXPECT_EQ(blob.size(), text.size() + 33);
    EXPECT_EQ(Open(Key(), "node-1", blob).value(), text);
  }
}

TEST(Sealed, HidesThePlaintextUnderAFreshNonce) {
  const std::string one = Seal(Key(), "", "the pepper").value();
  EXPECT_EQ(one.find("pepper"), std::string::npos);
  EXPECT_NE(one, Seal(Key(), "", "the pepper").value());
}

TEST(Sealed, StaysClosedToAnotherKeyOrNode) {
  const std::string blob = Seal(Key(), "node-1", "text").value();
  EXPECT_EQ(Open(Key('x'), "node-1", blob).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Open(Key(), "node-2", blob).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Open(Key(), "", blob).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST(Sealed, AnyFlippedBitKeepsItClosed) {
  const std::string blob = Seal(Key(), "node", "some text").value();
  for (size_t bit = 0; bit < blob.size() * 8; ++bit) {
    std::string bad = blob;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_FALSE(Open(Key(), "node", bad).ok()) << bit;
  }
}

TEST(Sealed, AnyTruncationKeepsItClosed) {
  const std::string blob = Seal(Key(), "node", "some text").value();
  for (size_t size = 0; size < blob.size(); ++size) {
    EXPECT_FALSE(Open(Key(), "node", blob.substr(0, size)).ok()) << size;
  }
}

TEST(Sealed, SaysWhichVersionItReads) {
  std::string blob = Seal(Key(), "", "text").value();
  blob[4] = 2;
  EXPECT_THAT(Open(Key(), "", blob).status().message(), HasSubstr("version 2"));
  EXPECT_THAT(Open(Key(), "", "plain text, long enough to be a blob").status().message(),
              HasSubstr("not a sealed blob"));
}

// The layout is fixed: a blob written by an earlier build must open in every later one.
TEST(Sealed, OpensABlobOfVersion1) {
  const std::string blob = *HexDecode(
      "5447534201000102030405060708090a0b"
      "06bc875a24bbe81a34f573ed0baa6cd84c022b6e8029b5082c5fbda7c07e01");
  EXPECT_EQ(Open(Key(), "node-1", blob).value(), "last known good");
}

TEST(SealKey, IsHexOrRawBytes) {
  const std::string raw(32, '\x7f');
  EXPECT_EQ(ParseSealKey(raw)->view(), raw);
  EXPECT_EQ(ParseSealKey(HexEncode(raw) + "\n")->view(), raw);
  EXPECT_THAT(ParseSealKey("short").status().message(), HasSubstr("64 hex digits"));
  EXPECT_FALSE(ParseSealKey(HexEncode(raw) + "00").ok());
  EXPECT_FALSE(ParseSealKey(std::string(64, 'z')).ok());
  EXPECT_FALSE(Seal(SecretBytes("short"), "", "text").ok());
}

}  // namespace
}  // namespace tollgate
