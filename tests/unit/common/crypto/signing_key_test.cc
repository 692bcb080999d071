#include "common/crypto/signing_key.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/encoding.h"
#include "common/crypto/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/crypto/jose_vectors.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;

// Signs the header and payload of `token` again.
std::string SignAgain(const SigningKey& key, absl::string_view token) {
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  return key.SignWithHeader(*Base64UrlDecode(parts[0]), *Base64UrlDecode(parts[1])).value();
}

std::string Refusal(absl::string_view jwk, absl::string_view kid = "", absl::string_view alg = "") {
  const auto key = SigningKey::Parse(jwk, kid, alg);
  return key.ok() ? "accepted" : std::string(key.status().message());
}

TEST(SigningKey, ReproducesTheDeterministicVectors) {
  EXPECT_EQ(SignAgain(SigningKey::Parse(kRfc7515A1Key).value(), kRfc7515A1), kRfc7515A1);
  EXPECT_EQ(SignAgain(SigningKey::Parse(kRfc7520RsaPrivateKey).value(), kRfc7520Section41),
            kRfc7520Section41);
  EXPECT_EQ(SignAgain(SigningKey::Parse(kRfc7520OctKey).value(), kRfc7520Section44),
            kRfc7520Section44);
  EXPECT_EQ(SignAgain(SigningKey::Parse(kRfc8037PrivateKey).value(), kRfc8037A4), kRfc8037A4);
}

TEST(SigningKey, WritesAHeaderOfAlgKidAndTyp) {
  const SigningKey key = SigningKey::Parse(kRfc7520OctKey).value();
  const std::vector<std::string> with = absl::StrSplit(key.Sign("{}", "at+jwt").value(), '.');
  EXPECT_EQ(Base64UrlDecode(with[0]),
            R"({"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","typ":"at+jwt"})");
  const SigningKey bare = SigningKey::Parse(kRfc7515A1Key).value();
  const std::vector<std::string> without = absl::StrSplit(bare.Sign("{}", "").value(), '.');
  EXPECT_EQ(Base64UrlDecode(without[0]), R"({"alg":"HS256"})");
}

TEST(SigningKey, EscapesWhatItPutsIntoJson) {
  std::string json;
  AppendJsonString("a\"b\\c\n\x01é", &json);
  EXPECT_EQ(json, "\"a\\\"b\\\\c\\u000a\\u0001é\"");
}

TEST(SigningKey, RoundTripsThroughItsPrivateJwk) {
  for (const JwsAlgorithm alg :
       {JwsAlgorithm::kHs512, JwsAlgorithm::kPs256, JwsAlgorithm::kEs384, JwsAlgorithm::kEdDsa}) {
    const SigningKey key = SigningKey::Generate(alg, "kid \"1\"").value();
    const auto again = SigningKey::Parse(key.PrivateJwk());
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->alg(), alg);
    EXPECT_EQ(again->kid(), "kid \"1\"");
    EXPECT_EQ(again->PrivateJwk(), key.PrivateJwk());
  }
}

TEST(SigningKey, PublicJwkHoldsNothingPrivate) {
  const SigningKey key = SigningKey::Parse(kRfc7520RsaPrivateKey).value();
  const std::string jwk = key.PublicJwk().value();
  for (const char* member : {"\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\""}) {
    EXPECT_EQ(jwk.find(member), std::string::npos) << member;
  }
  EXPECT_FALSE(SigningKey::Parse(kRfc7520OctKey)->PublicJwk().ok());
}

TEST(SigningKey, ChoosesFromASetByKid) {
  const std::string a = SigningKey::Generate(JwsAlgorithm::kEs256, "a")->PrivateJwk();
  const std::string b = SigningKey::Generate(JwsAlgorithm::kEdDsa, "b")->PrivateJwk();
  const std::string set = absl::StrCat("{\"keys\":[", a, ",", b, "]}");
  EXPECT_EQ(SigningKey::Parse(set, "b")->alg(), JwsAlgorithm::kEdDsa);
  EXPECT_THAT(Refusal(set), HasSubstr("several keys; name one by its kid"));
  EXPECT_THAT(Refusal(set, "c"), HasSubstr("no key has the kid 'c'"));
}

TEST(SigningKey, RefusesKeysThatCannotSign) {
  EXPECT_THAT(Refusal(kRfc7515A3Key), HasSubstr("a public key cannot sign"));
  EXPECT_THAT(Refusal(kRfc7520EcKey), HasSubstr("crv P-521 is not supported"));
  EXPECT_THAT(Refusal(kRfc7520OctKey, "", "RS256"), HasSubstr("for HS256 only"));
  EXPECT_THAT(Refusal(kRfc8037PrivateKey, "", "ES256"), HasSubstr("not supported for crv Ed25519"));
  EXPECT_THAT(Refusal(R"({"kty":"oct","k":"c2hvcnQ"})"), HasSubstr("at least 32"));
  EXPECT_THAT(Refusal(R"({"kty":"oct","k":"c2hvcnQ","use":"enc"})"), HasSubstr("not sig"));
  EXPECT_THAT(Refusal("{"), HasSubstr("not valid JSON"));
}

TEST(SigningKey, RefusesAPrivateKeyThatIsNotThatOfThePublicOne) {
  EXPECT_THAT(Refusal(R"({"kty":"OKP","crv":"Ed25519",)"
                      R"("d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",)"
                      R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"),
              HasSubstr("x is not the public key of d"));
  const std::string p256(kRfc7515A3Key);
  EXPECT_THAT(Refusal(absl::StrCat(p256.substr(0, p256.size() - 1),
                                   R"(,"d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"})")),
              HasSubstr("not that of d"));
}

}  // namespace
}  // namespace tollgate
