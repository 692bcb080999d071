#include "common/crypto/api_key.h"

#include <set>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

TEST(ApiKey, GeneratesRecognisableKeysThatParse) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    const GeneratedApiKey key = GenerateApiKey();
    EXPECT_TRUE(absl::StartsWith(key.id, "tg_"));
    const std::string text = key.text();
    const auto parsed = ParseApiKey(text);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->id, key.id);
    EXPECT_EQ(parsed->secret, key.secret);
    ids.insert(key.id);
    ids.insert(key.secret);
  }
  EXPECT_EQ(ids.size(), 200u);
}

TEST(ApiKey, HasAtLeast64BitsOfIdAnd128OfSecret) {
  const GeneratedApiKey key = GenerateApiKey();
  EXPECT_GE((key.id.size() - kApiKeyPrefix.size()) * 5, 64u);
  EXPECT_GE(key.secret.size() * 5, 128u);
}

TEST(ApiKey, RefusesOtherForms) {
  const std::string secret(26, 'a');
  EXPECT_TRUE(ParseApiKey("tg_x." + secret));
  for (const std::string& text :
       {std::string(), secret, "." + secret, "tg_x." + secret.substr(1), "tg_x.." + secret,
        "tg_x." + secret + ".", "tg_X." + secret, "tg_x." + secret + " ", "tg x." + secret,
        "tg_x." + std::string(300, 'a')}) {
    EXPECT_FALSE(ParseApiKey(text)) << text;
  }
}

TEST(ApiKey, HashDependsOnPepperAndSecret) {
  EXPECT_EQ(HashApiKeySecret("pepper", "secret"), HmacSha256("pepper", "secret"));
  EXPECT_NE(HashApiKeySecret("pepper", "secret"), HashApiKeySecret("other", "secret"));
  EXPECT_NE(HashApiKeySecret("pepper", "secret"), HashApiKeySecret("pepper", "secres"));
}

}  // namespace
}  // namespace tollgate
