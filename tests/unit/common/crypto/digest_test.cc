#include "common/crypto/digest.h"

#include "common/crypto/encoding.h"
#include "common/crypto/secret.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

std::string Mac(HashAlgorithm hash, absl::string_view key, absl::string_view data) {
  uint8_t out[64];
  HmacKey(hash, key).Compute(data, out);
  return HexEncode(absl::string_view(reinterpret_cast<char*>(out), HashSize(hash)));
}

TEST(Sha256, AgreesWithFips180) {
  EXPECT_EQ(HexEncode(AsBytes(Sha256("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexEncode(AsBytes(Sha256(""))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, HasherMayBeUsedAgain) {
  Sha256Hasher hasher;
  EXPECT_EQ(hasher.Hash("abc"), Sha256("abc"));
  EXPECT_EQ(hasher.Hash(""), Sha256(""));
  EXPECT_EQ(hasher.Hash("abc"), Sha256("abc"));
}

TEST(Hmac, AgreesWithRfc4231) {
  const std::string key1(20, '\x0b');  // test case 1
  EXPECT_EQ(Mac(HashAlgorithm::kSha256, key1, "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Mac(HashAlgorithm::kSha384, key1, "Hi There"),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
            "faea9ea9076ede7f4af152e8b2fa9cb6");
  EXPECT_EQ(Mac(HashAlgorithm::kSha512, key1, "Hi There"),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
            "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
  EXPECT_EQ(Mac(HashAlgorithm::kSha256, "Jefe", "what do ya want for nothing?"),  // test case 2
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexEncode(AsBytes(HmacSha256("Jefe", "what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hmac, KeyServesAnyNumberOfMessages) {
  const HmacKey key(HashAlgorithm::kSha256, "Jefe");
  Digest256 first, second, again;
  key.Compute("one", first.data());
  key.Compute("two", second.data());
  key.Compute("one", again.data());
  EXPECT_EQ(first, again);
  EXPECT_NE(first, second);
}

TEST(Hmac, AnEmptyKeyIsAKey) {
  EXPECT_EQ(Mac(HashAlgorithm::kSha256, "", ""),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(ConstantTimeEqual, ComparesSizeAndEveryByte) {
  EXPECT_TRUE(ConstantTimeEqual("", ""));
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("xbc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abcd"));
}

TEST(RandomBytes, DifferEachTime) {
  EXPECT_EQ(RandomBytes(32).size(), 32u);
  EXPECT_NE(RandomBytes(32), RandomBytes(32));
}

TEST(SecretBytes, MovesAndLeavesNothingBehind) {
  SecretBytes a("secret");
  SecretBytes b(std::move(a));
  EXPECT_EQ(b.view(), "secret");
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  b = SecretBytes("other");
  EXPECT_EQ(b.view(), "other");
}

}  // namespace
}  // namespace tollgate
