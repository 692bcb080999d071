#include "common/crypto/jwk.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/crypto/encoding.h"
#include "common/crypto/signing_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/crypto/jose_vectors.h"

namespace tollgate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using A = JwsAlgorithm;

const std::vector<A> kAll = {A::kHs256, A::kHs384, A::kHs512, A::kRs256,
                             A::kPs256, A::kEs256, A::kEs384, A::kEdDsa};

std::string Set(absl::string_view keys) { return absl::StrCat("{\"keys\":[", keys, "]}"); }

// The message of the refusal.
std::string Refusal(absl::string_view keys, std::vector<A> allowed = kAll) {
  const auto set = JwkSet::Parse(Set(keys), allowed);
  return set.ok() ? "accepted" : std::string(set.status().message());
}

std::string Oct(size_t bytes, absl::string_view more = "") {
  return absl::StrCat(R"({"kty":"oct","k":")", Base64UrlEncode(std::string(bytes, 'k')), "\"", more,
                      "}");
}
std::string With(absl::string_view jwk, absl::string_view more) {
  return absl::StrCat(jwk.substr(0, jwk.size() - 1), ",", more, "}");
}
std::string P256(absl::string_view kid) {
  return SigningKey::Generate(A::kEs256, kid)->PublicJwk().value();
}

TEST(JwkSet, CurvesNameTheirAlgorithm) {
  const auto set = JwkSet::Parse(Set(absl::StrCat(With(kRfc7515A3Key, R"("kid":"p")"), ",",
                                                  With(kRfc8037Key, R"("kid":"e")"))),
                                 kAll);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->size(), 2u);
  EXPECT_NE(set->Find("p", A::kEs256).key, nullptr);
  EXPECT_NE(set->Find("e", A::kEdDsa).key, nullptr);
  EXPECT_EQ(set->Find("e", A::kEs256).key, nullptr);
  EXPECT_TRUE(set->Find("e", A::kEs256).other_alg);
  EXPECT_FALSE(set->Find("x", A::kEs256).other_alg);
}

TEST(JwkSet, TheIssuersListSettlesTheAlgorithmOfRsaAndOctKeys) {
  EXPECT_NE(JwkSet::Parse(Set(kRfc7515A2Key), {{A::kPs256}})->Find({}, A::kPs256).key, nullptr);
  EXPECT_NE(JwkSet::Parse(Set(Oct(64)), {{A::kHs512}})->Find({}, A::kHs512).key, nullptr);
}

TEST(JwkSet, RefusesRsaAndOctKeysWhoseAlgorithmIsNotSettled) {
  EXPECT_THAT(
      Refusal(kRfc7515A2Key, {A::kRs256, A::kPs256}),
      HasSubstr("keys[0]: has no alg, and the issuer allows RS256 and PS256 for kty RSA; add "
                "alg to the key"));
  EXPECT_THAT(Refusal(Oct(64), {A::kHs256, A::kHs512}), HasSubstr("HS256 and HS512"));
}

TEST(JwkSet, LeavesOutKeysOfNoUseHere) {
  const auto set = JwkSet::Parse(
      Set(absl::StrCat(With(P256("a"), R"("x5t":"ignored")"), ",",
                       absl::StrReplaceAll(P256("b"), {{R"("use":"sig")", R"("use":"enc")"}}), ",",
                       With(P256("c"), R"("key_ops":["sign"])"), ",", kRfc7520EcKey, ",",
                       R"({"kty":"XYZ"},)", With(kRfc7515A2Key, R"("alg":"RSA-OAEP")"), ",",
                       kRfc8037Key)),
      {{A::kEs256}});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->size(), 1u);
  EXPECT_THAT(
      set->left_out(),
      ElementsAre("keys[1]: use is 'enc', not sig", "keys[2]: key_ops lacks verify",
                  "keys[3]: crv P-521 is not supported", "keys[4]: kty XYZ is not supported",
                  "keys[5]: alg 'RSA-OAEP' is not supported",
                  "keys[6]: crv Ed25519 is for none of the issuer's algorithms"));
}

TEST(JwkSet, RefusesASetWithoutAnyUsableKey) {
  EXPECT_THAT(Refusal(""), HasSubstr("no key that can verify"));
  EXPECT_THAT(Refusal(kRfc7515A4Key), HasSubstr("left out: keys[0]: crv P-521 is not supported"));
}

TEST(JwkSet, AcceptsKeyOpsThatIncludeVerify) {
  EXPECT_EQ(Refusal(With(kRfc7515A3Key, R"("key_ops":["verify"])")), "accepted");
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("key_ops":["verify","verify"])")), HasSubstr("twice"));
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("use":"sig","key_ops":["encrypt"])")),
              HasSubstr("contradict"));
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("key_ops":"verify")")), HasSubstr("not an array"));
}

TEST(JwkSet, RefusesAnAlgorithmThatDoesNotFitTheKey) {
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("alg":"RS256")")),
              HasSubstr("does not fit crv P-256"));
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("alg":"ES384")")), HasSubstr("does not fit"));
  EXPECT_THAT(Refusal(With(kRfc7515A2Key, R"("alg":"HS256")")), HasSubstr("does not fit kty RSA"));
  EXPECT_THAT(Refusal(Oct(32, R"(,"alg":"ES256")")), HasSubstr("does not fit kty oct"));
}

TEST(JwkSet, RefusesHmacKeysShorterThanTheHash) {
  EXPECT_THAT(Refusal(Oct(31), {A::kHs256}), HasSubstr("k has 31 bytes; HS256 needs at least 32"));
  EXPECT_EQ(Refusal(Oct(32), {A::kHs256}), "accepted");
  EXPECT_THAT(Refusal(Oct(47), {A::kHs384}), HasSubstr("HS384 needs at least 48"));
  EXPECT_THAT(Refusal(Oct(63), {A::kHs512}), HasSubstr("HS512 needs at least 64"));
  EXPECT_EQ(Refusal(Oct(200), {A::kHs512}), "accepted");
}

std::string Rsa(const std::string& n, const std::string& e = std::string("\x01\x00\x01", 3)) {
  return absl::StrCat(R"({"kty":"RSA","alg":"RS256","n":")", Base64UrlEncode(n), R"(","e":")",
                      Base64UrlEncode(e), "\"}");
}

TEST(JwkSet, RefusesWeakRsaKeys) {
  const std::string n2047 = "\x7f" + std::string(255, '\x5b');
  EXPECT_THAT(Refusal(Rsa(n2047)), HasSubstr("RSA key has 2047 bits; expected 2048 to 8192"));
  EXPECT_THAT(Refusal(Rsa(std::string(1025, '\x5b'))), HasSubstr("8199 bits"));
  const std::string n = "\x80" + std::string(254, '\x5b') + "\x5b";
  EXPECT_EQ(Refusal(Rsa(n)), "accepted");
  EXPECT_THAT(Refusal(Rsa(n, "\x01")), HasSubstr("e from 3"));
  EXPECT_THAT(Refusal(Rsa(n, "\x04")), HasSubstr("odd"));
  EXPECT_THAT(Refusal(Rsa(n, std::string(9, '\x03'))), HasSubstr("not valid"));
  EXPECT_THAT(Refusal(Rsa("\x80" + std::string(255, '\x5a'))), HasSubstr("odd"));
  EXPECT_THAT(Refusal(Rsa(std::string(1, '\0') + n)), HasSubstr("begins with a zero byte"));
}

// 65537^k modulo the product of the primes 3 to 167 has the fingerprint by construction; adding
// that product keeps it.
TEST(JwkSet, RefusesRsaKeysOfTheFlawedGenerator) {
  const std::string n = *HexDecode(
      "80000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000004a18960a4631b890410a291"
      "9dd3c1db0cc4f0973014f9691a438c03");
  EXPECT_THAT(Refusal(Rsa(n)), HasSubstr("CVE-2017-15361"));
}

TEST(JwkSet, RefusesPointsThatAreNotOnTheCurve) {
  const std::string off = absl::StrReplaceAll(kRfc7515A3Key, {{"x_FEzRu9", "y_FEzRu9"}});
  EXPECT_THAT(Refusal(off), HasSubstr("not a point on the curve"));
  const std::string zero = Base64UrlEncode(std::string(32, '\0'));
  EXPECT_THAT(
      Refusal(absl::StrCat(R"({"kty":"EC","crv":"P-256","x":")", zero, R"(","y":")", zero, "\"}")),
      HasSubstr("not a point on the curve"));
  EXPECT_THAT(Refusal(R"({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})"), HasSubstr("32 bytes"));
  EXPECT_THAT(Refusal(R"({"kty":"OKP","crv":"Ed25519","x":"AQ"})"), HasSubstr("32 bytes"));
}

TEST(JwkSet, NamesTheMalformedMember) {
  EXPECT_THAT(Refusal("{}"), HasSubstr("keys[0]: kty is missing"));
  EXPECT_THAT(Refusal(R"({"kty":1})"), HasSubstr("kty is not a string"));
  EXPECT_THAT(Refusal(R"({"kty":"EC"})"), HasSubstr("kty EC without crv"));
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("kid":1)")), HasSubstr("kid is not a string"));
  EXPECT_THAT(Refusal(R"({"kty":"RSA","alg":"RS256","e":"AQAB"})"), HasSubstr("n is missing"));
  EXPECT_THAT(Refusal(R"({"kty":"oct","k":"a+b="})", {A::kHs256}), HasSubstr("k is not base64url"));
  EXPECT_THAT(Refusal(R"({"kty":"oct","k":""})", {A::kHs256}), HasSubstr("k is not base64url"));
}

TEST(JwkSet, TellsKeysOfOneKidApartByAlgorithmOrRefuses) {
  const std::string es = With(kRfc7515A3Key, R"("kid":"same")");
  const std::string ed = With(kRfc8037Key, R"("kid":"same")");
  EXPECT_EQ(Refusal(es + "," + ed), "accepted");
  EXPECT_THAT(Refusal(es + "," + P256("same")),
              HasSubstr("two keys for ES256 have the kid 'same'; give each key its own kid"));
  EXPECT_THAT(Refusal(absl::StrCat(kRfc7515A3Key, ",", kRfc7515A3Key)), HasSubstr("have no kid"));
  const std::string enc = absl::StrReplaceAll(P256("same"), {{R"("use":"sig")", R"("use":"enc")"}});
  EXPECT_EQ(Refusal(es + "," + enc), "accepted");
}

TEST(JwkSet, NeverMixesSymmetricAndPublicKeys) {
  EXPECT_THAT(Refusal(absl::StrCat(Oct(32), ",", kRfc7515A3Key), {A::kHs256, A::kEs256}),
              HasSubstr("mixes symmetric (oct) and public keys"));
  // Not even when one of them would be left out.
  EXPECT_THAT(Refusal(absl::StrCat(Oct(32, R"(,"use":"enc")"), ",", kRfc7515A3Key)),
              HasSubstr("mixes"));
}

TEST(JwkSet, RefusesPrivateKeys) {
  EXPECT_THAT(Refusal(kRfc8037PrivateKey), HasSubstr("keys[0]: holds a private key"));
  EXPECT_THAT(Refusal(kRfc7520RsaPrivateKey), HasSubstr("private key"));
  EXPECT_THAT(Refusal(With(kRfc7515A3Key, R"("use":"enc","d":"AQ")")), HasSubstr("private key"));
}

TEST(JwkSet, RefusesWhatIsNoSet) {
  const auto message = [](absl::string_view json) {
    return std::string(JwkSet::Parse(json, kAll).status().message());
  };
  EXPECT_THAT(message(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(message(absl::string_view()), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("\"keys\""));
  EXPECT_THAT(message(kRfc7515A3Key), HasSubstr("\"keys\""));
  EXPECT_THAT(message(R"({"keys":{}})"), HasSubstr("not an array"));
  EXPECT_THAT(message(R"({"keys":[1]})"), HasSubstr("keys[0] is not an object"));
  EXPECT_THAT(message(R"({"keys":[],"keys":[]})"), HasSubstr("twice"));
  EXPECT_THAT(message(R"({"keys":[{"kty":"oct","kty":"EC"}]})"), HasSubstr("twice"));
}

TEST(JwkSet, BoundsItsSize) {
  std::string keys;
  for (int i = 0; i < 32; ++i) {
    absl::StrAppend(&keys, i > 0 ? "," : "",
                    With(kRfc7515A3Key, absl::StrCat("\"kid\":\"", i, "\"")));
  }
  EXPECT_EQ(Refusal(keys), "accepted");
  EXPECT_THAT(Refusal(absl::StrCat(keys, ",", kRfc7515A3Key)), HasSubstr("33 keys; at most 32"));
  EXPECT_THAT(Refusal(std::string(kMaxJwkSetBytes, ' ')), HasSubstr("at most 524288"));
}

TEST(JwkSet, DigestFollowsTheText) {
  const auto digest = [](absl::string_view jwk) { return JwkSet::Parse(Set(jwk), kAll)->digest(); };
  EXPECT_EQ(digest(kRfc7515A3Key), digest(kRfc7515A3Key));
  EXPECT_NE(digest(kRfc7515A3Key), digest(kRfc8037Key));
}

TEST(InspectJwkSet, SeesSymmetricAndPrivateMaterial) {
  EXPECT_EQ(InspectJwkSet(Set(kRfc7515A3Key)).value(), (JwkSetInfo{1, false, false}));
  EXPECT_EQ(InspectJwkSet(Set(Oct(32) + "," + Oct(64))).value(), (JwkSetInfo{2, true, false}));
  EXPECT_EQ(InspectJwkSet(kRfc8037PrivateKey).value(), (JwkSetInfo{1, false, true}));
  EXPECT_EQ(InspectJwkSet(Set(absl::StrCat(kRfc7520RsaPrivateKey, ",", Oct(32)))).value(),
            (JwkSetInfo{2, true, true}));
  EXPECT_FALSE(InspectJwkSet("{").ok());
}

TEST(JwsAlgorithms, AreKnownByTheirNames) {
  for (const A alg : kAll) EXPECT_EQ(ParseJwsAlgorithm(ToString(alg)), alg);
  EXPECT_EQ(ParseJwsAlgorithm("Ed25519"), A::kEdDsa);
  for (const char* name : {"none", "hs256", "RS512", "PS384", "ES512", ""}) {
    EXPECT_EQ(ParseJwsAlgorithm(name), std::nullopt) << name;
  }
}

TEST(JwsAlgorithms, AListIsNeitherEmptyNorUnknownNorDoubled) {
  EXPECT_THAT(ParseJwsAlgorithms({"PS256", "ES256"}).value(), ElementsAre(A::kPs256, A::kEs256));
  EXPECT_THAT(ParseJwsAlgorithms({}).status().message(), HasSubstr("empty"));
  EXPECT_THAT(ParseJwsAlgorithms({"none"}).status().message(),
              HasSubstr("'none' is not supported"));
  EXPECT_THAT(ParseJwsAlgorithms({"EdDSA", "Ed25519"}).status().message(), HasSubstr("twice"));
}

}  // namespace
}  // namespace tollgate
