#include "common/crypto/jws.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/encoding.h"
#include "common/crypto/signing_key.h"
#include "gtest/gtest.h"
#include "tests/unit/common/crypto/jose_vectors.h"

namespace tollgate {
namespace {

const std::vector<JwsAlgorithm>& All() {
  static const auto* all = new std::vector<JwsAlgorithm>{
      JwsAlgorithm::kHs256, JwsAlgorithm::kHs384, JwsAlgorithm::kHs512, JwsAlgorithm::kRs256,
      JwsAlgorithm::kPs256, JwsAlgorithm::kEs256, JwsAlgorithm::kEs384, JwsAlgorithm::kEdDsa};
  return *all;
}

std::string SetOf(absl::string_view jwk) { return absl::StrCat("{\"keys\":[", jwk, "]}"); }

JwkSet Keys(absl::string_view jwk, std::vector<JwsAlgorithm> allowed = All()) {
  return JwkSet::Parse(SetOf(jwk), allowed).value();
}

JwsFailure Check(absl::string_view token, const JwkSet& keys, std::string* payload = nullptr) {
  JwsParser parser;
  Jws jws;
  if (const JwsFailure f = parser.Parse(token, &jws); f != JwsFailure::kNone) return f;
  if (payload != nullptr) *payload = std::string(jws.payload);
  return VerifyJws(jws, keys);
}

JwkSet OctKey() { return Keys(kRfc7520OctKey); }

// A token with this header, signed by RFC 7520's symmetric key: only the header decides.
std::string WithHeader(absl::string_view header) {
  return SigningKey::Parse(kRfc7520OctKey)->SignWithHeader(header, "{}").value();
}

TEST(Jws, VerifiesRfc7515A1Hs256) {
  std::string payload;
  EXPECT_EQ(Check(kRfc7515A1, Keys(kRfc7515A1Key, {JwsAlgorithm::kHs256}), &payload),
            JwsFailure::kNone);
  EXPECT_EQ(payload,
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
}
TEST(Jws, VerifiesRfc7515A2Rs256) {
  EXPECT_EQ(Check(kRfc7515A2, Keys(kRfc7515A2Key, {JwsAlgorithm::kRs256})), JwsFailure::kNone);
}
TEST(Jws, VerifiesRfc7515A3Es256) {
  EXPECT_EQ(Check(kRfc7515A3, Keys(kRfc7515A3Key)), JwsFailure::kNone);
}
TEST(Jws, VerifiesRfc8037A4Ed25519) {
  std::string payload;
  EXPECT_EQ(Check(kRfc8037A4, Keys(kRfc8037Key), &payload), JwsFailure::kNone);
  EXPECT_EQ(payload, "Example of Ed25519 signing");
}
TEST(Jws, VerifiesRfc7520Section41Rs256) {
  EXPECT_EQ(Check(kRfc7520Section41, Keys(kRfc7520RsaKey, {JwsAlgorithm::kRs256})),
            JwsFailure::kNone);
}
TEST(Jws, VerifiesRfc7520Section44Hs256) {
  EXPECT_EQ(Check(kRfc7520Section44, OctKey()), JwsFailure::kNone);
}

TEST(Jws, RefusesRfc7515A4BecauseEs512IsNotAccepted) {
  EXPECT_EQ(Check(kRfc7515A4, Keys(kRfc7515A3Key)), JwsFailure::kAlgorithmUnknown);
}
TEST(Jws, RefusesRfc7515A5BecauseItIsUnsecured) {
  EXPECT_EQ(Check(kRfc7515A5, OctKey()), JwsFailure::kAlgorithmNone);
}
TEST(Jws, RefusesRfc7515A6AndA7BecauseTheyAreJsonSerializations) {
  EXPECT_EQ(Check(kRfc7515A6, Keys(kRfc7515A3Key)), JwsFailure::kJsonSerialization);
  EXPECT_EQ(Check(kRfc7515A7, Keys(kRfc7515A3Key)), JwsFailure::kJsonSerialization);
}
TEST(Jws, RefusesRfc7520Section42BecausePs384IsNotAccepted) {
  EXPECT_EQ(Check(kRfc7520Section42, Keys(kRfc7520RsaKey, {JwsAlgorithm::kPs256})),
            JwsFailure::kAlgorithmUnknown);
}
TEST(Jws, RefusesRfc7520Section43BecauseEs512IsNotAccepted) {
  EXPECT_EQ(Check(kRfc7520Section43, Keys(kRfc7515A3Key)), JwsFailure::kAlgorithmUnknown);
}
TEST(Jws, RefusesRfc7520Section45BecauseItsContentIsDetached) {
  EXPECT_EQ(Check(kRfc7520Section45, OctKey()), JwsFailure::kDetachedPayload);
}
TEST(Jws, RefusesRfc7520Sections46To48BecauseTheyAreJsonSerializations) {
  for (const char* token : {kRfc7520Section46, kRfc7520Section46Flat, kRfc7520Section47,
                            kRfc7520Section47Flat, kRfc7520Section48}) {
    EXPECT_EQ(Check(token, OctKey()), JwsFailure::kJsonSerialization) << token;
  }
}

TEST(Jws, RefusesNoneHoweverItIsSpelled) {
  for (const char* none : {"none", "None", "NONE", "nOnE"}) {
    EXPECT_EQ(Check(WithHeader(absl::StrCat(R"({"alg":")", none, R"("})")), OctKey()),
              JwsFailure::kAlgorithmNone);
  }
  EXPECT_EQ(Check(WithHeader("{\"alg\":\"\"}"), OctKey()), JwsFailure::kAlgorithmUnknown);
}

TEST(Jws, RefusesAnythingCritical) {
  for (const char* crit : {"[]", R"(["exp"])", R"(["b64"])", "null", R"("exp")", "{}"}) {
    EXPECT_EQ(
        Check(WithHeader(absl::StrCat(R"({"alg":"HS256","exp":1,"crit":)", crit, "}")), OctKey()),
        JwsFailure::kCritical)
        << crit;
  }
}

// RFC 7515 appendix E: must be rejected by whoever does not understand the extension.
TEST(Jws, RefusesTheNegativeTestCaseOfRfc7515AppendixE) {
  EXPECT_EQ(Check("eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQog"
                  "Imh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.",
                  OctKey()),
            JwsFailure::kAlgorithmNone);
  EXPECT_EQ(Check(WithHeader(R"({"alg":"HS256","crit":["http://example.com/UNDEFINED"],)"
                             R"("http://example.com/UNDEFINED":true})"),
                  OctKey()),
            JwsFailure::kCritical);
}

TEST(Jws, RefusesHeadersThatAreNoJsonObjectOfTheRightTypes) {
  for (const char* header :
       {"", "[]", "null", "\"alg\"", "{", R"({"alg":"HS256"}x)", R"({"alg":1})", "{}",
        R"({"alg":"HS256","kid":7})", R"({"alg":"HS256","typ":[]})", R"({"alg":"HS256",})",
        "{\"alg\":\"HS256\",\"x\":\"\xff\"}"}) {
    EXPECT_EQ(Check(WithHeader(header), OctKey()), JwsFailure::kHeader) << header;
  }
}

TEST(Jws, RefusesDuplicateNamesAtAnyDepthAndInAnySpelling) {
  for (const char* header :
       {R"({"alg":"HS256","alg":"HS256"})", R"({"alg":"HS256","\u0061lg":"none"})",
        R"({"alg":"HS256","jwk":{"k":1,"k":1}})", R"({"alg":"HS256","a":[{"b":1,"b":2}]})"}) {
    EXPECT_EQ(Check(WithHeader(header), OctKey()), JwsFailure::kDuplicateName) << header;
  }
}

TEST(Jws, RefusesDeepNesting) {
  std::string deep = R"({"alg":"HS256","a":)";
  for (int i = 0; i < 100; ++i) deep += "[";
  for (int i = 0; i < 100; ++i) deep += "]";
  EXPECT_EQ(Check(WithHeader(deep + "}"), OctKey()), JwsFailure::kHeader);
}

TEST(Jws, IgnoresKeysThatTheTokenBringsAlong) {
  const SigningKey theirs = SigningKey::Generate(JwsAlgorithm::kEs256, "theirs").value();
  const std::string header =
      absl::StrCat(R"({"alg":"ES256","jku":"https://evil.example","x5c":[],"jwk":)",
                   theirs.PublicJwk().value(), "}");
  EXPECT_EQ(Check(theirs.SignWithHeader(header, "{}").value(), Keys(kRfc7515A3Key)),
            JwsFailure::kSignature);
}

TEST(Jws, RefusesWhatIsNotThreeSegments) {
  for (const char* token : {"", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "....."}) {
    EXPECT_EQ(Check(token, OctKey()), JwsFailure::kSegments) << token;
  }
}

TEST(Jws, RefusesLooseBase64InEachSegment) {
  const std::vector<std::string> parts = absl::StrSplit(kRfc7520Section44, '.');
  for (size_t i = 0; i < 3; ++i) {
    for (const char* junk : {"=", " ", "\n", "+", "/", "?", "%"}) {
      std::vector<std::string> bad = parts;
      bad[i] += junk;
      EXPECT_EQ(Check(absl::StrCat(bad[0], ".", bad[1], ".", bad[2]), OctKey()),
                JwsFailure::kBase64)
          << i << junk;
    }
  }
}

TEST(Jws, RefusesTokensAboveTheLimit) {
  const SigningKey key = SigningKey::Parse(kRfc7520OctKey).value();
  std::string payload = "{}";
  const size_t overhead = key.Sign("", "").value().size();
  payload.resize((kMaxJwsBytes - overhead) / 4 * 3, ' ');
  const std::string most = key.Sign(payload, "").value();
  EXPECT_LE(most.size(), kMaxJwsBytes);
  EXPECT_EQ(Check(most, OctKey()), JwsFailure::kNone);
  const std::string more = key.Sign(payload + "    ", "").value();
  EXPECT_GT(more.size(), kMaxJwsBytes);
  EXPECT_EQ(Check(more, OctKey()), JwsFailure::kTooLong);
}

TEST(Jws, RefusesAnEmptySignature) {
  for (const char* token : {kRfc7520Section44, kRfc7515A2, kRfc7515A3, kRfc8037A4}) {
    const std::string text = token;
    const std::string unsigned_token = text.substr(0, text.rfind('.') + 1);
    const auto keys = token == kRfc7520Section44 ? OctKey()
                      : token == kRfc7515A2      ? Keys(kRfc7515A2Key, {JwsAlgorithm::kRs256})
                      : token == kRfc7515A3      ? Keys(kRfc7515A3Key)
                                                 : Keys(kRfc8037Key);
    EXPECT_EQ(Check(unsigned_token, keys), JwsFailure::kSignature) << token;
  }
}

TEST(Jws, RefusesEcdsaSignaturesOfAnotherLengthOrWithZeros) {
  const JwkSet keys = Keys(kRfc7515A3Key);
  const std::string input = absl::StrCat(Base64UrlEncode(R"({"alg":"ES256"})"), ".e30.");
  const std::vector<std::string> a3 = absl::StrSplit(kRfc7515A3, '.');
  const std::string raw = *Base64UrlDecode(a3[2]);
  for (const std::string& bad :
       {raw.substr(1), raw.substr(0, 63), raw + std::string(1, '\0'), std::string(64, '\0'),
        raw.substr(0, 32) + std::string(32, '\0'), std::string(32, '\0') + raw.substr(32),
        std::string(64, '\xff'), std::string(72, '\x30')}) {
    EXPECT_EQ(Check(absl::StrCat(a3[0], ".", a3[1], ".", Base64UrlEncode(bad)), keys),
              JwsFailure::kSignature);
  }
}

// CVE-2015-9235: the public key's text as HMAC secret.
TEST(Jws, RefusesAPublicKeyUsedAsHmacSecret) {
  const SigningKey rsa_as_oct =
      SigningKey::Parse(
          absl::StrCat(R"({"kty":"oct","k":")", Base64UrlEncode(kRfc7520RsaKey), R"("})"))
          .value();
  const std::string header = R"({"alg":"HS256","kid":"bilbo.baggins@hobbiton.example"})";
  EXPECT_EQ(Check(rsa_as_oct.SignWithHeader(header, "{}").value(),
                  Keys(kRfc7520RsaKey, {JwsAlgorithm::kRs256})),
            JwsFailure::kAlgorithmMismatch);
}

TEST(Jws, AKeyServesItsOneAlgorithmOnly) {
  // Signed PS256 by the very key that the set holds for RS256.
  const SigningKey ps = SigningKey::Parse(kRfc7520RsaPrivateKey, "", "PS256").value();
  const std::string token = ps.Sign("{}").value();
  EXPECT_EQ(Check(token, Keys(kRfc7520RsaKey, {JwsAlgorithm::kRs256})),
            JwsFailure::kAlgorithmMismatch);
  EXPECT_EQ(Check(token, Keys(kRfc7520RsaKey, {JwsAlgorithm::kPs256})), JwsFailure::kNone);
}

TEST(Jws, RefusesAnUnknownKid) {
  EXPECT_EQ(Check(WithHeader(R"({"alg":"HS256","kid":"other"})"), OctKey()),
            JwsFailure::kKeyNotFound);
  EXPECT_EQ(Check(WithHeader(R"({"alg":"HS256","kid":""})"), OctKey()), JwsFailure::kKeyNotFound);
}

TEST(Jws, WithoutKidTheOnlyKeyOfTheAlgorithmIsMeant) {
  const SigningKey a = SigningKey::Generate(JwsAlgorithm::kEs256, "a").value();
  const SigningKey b = SigningKey::Generate(JwsAlgorithm::kEs256, "b").value();
  const std::string token = a.SignWithHeader(R"({"alg":"ES256"})", "{}").value();
  EXPECT_EQ(Check(token, Keys(a.PublicJwk().value())), JwsFailure::kNone);
  EXPECT_EQ(Check(token, Keys(absl::StrCat(a.PublicJwk().value(), ",", b.PublicJwk().value()))),
            JwsFailure::kKeyNotFound);
}

class EveryAlgorithm : public ::testing::TestWithParam<JwsAlgorithm> {
 protected:
  EveryAlgorithm() : key_(SigningKey::Generate(GetParam(), "k1").value()) {
    const auto public_jwk = key_.PublicJwk();
    keys_ = Keys(public_jwk.ok() ? *public_jwk : key_.PrivateJwk(), {GetParam()});
    token_ = key_.Sign(R"({"sub":"shop-42","exp":1700000000})").value();
  }
  SigningKey key_;
  JwkSet keys_;
  std::string token_;
};

TEST_P(EveryAlgorithm, VerifiesWhatItSigned) {
  std::string payload;
  EXPECT_EQ(Check(token_, keys_, &payload), JwsFailure::kNone);
  EXPECT_EQ(payload, R"({"sub":"shop-42","exp":1700000000})");
}

TEST_P(EveryAlgorithm, RefusesAnotherKeysSignature) {
  const SigningKey other = SigningKey::Generate(GetParam(), "k1").value();
  EXPECT_EQ(Check(other.Sign("{}").value(), keys_), JwsFailure::kSignature);
}

// Any single-bit flip of a valid token: of the 6 x 8 neighbours of each character, none verifies.
TEST_P(EveryAlgorithm, RefusesEveryFlippedBit) {
  JwsParser parser;
  Jws jws;
  for (size_t bit = 0; bit < token_.size() * 8; ++bit) {
    std::string bad = token_;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    JwsFailure f = parser.Parse(bad, &jws);
    if (f == JwsFailure::kNone) f = VerifyJws(jws, keys_);
    EXPECT_NE(f, JwsFailure::kNone) << "bit " << bit % 8 << " of character " << bit / 8;
  }
}

TEST_P(EveryAlgorithm, RefusesTamperingWithEachSegment) {
  const std::vector<std::string> p = absl::StrSplit(token_, '.');
  const auto join = [](const std::string& h, const std::string& c, const std::string& s) {
    return absl::StrCat(h, ".", c, ".", s);
  };
  // Same meaning, other bytes: the signature is over the bytes.
  const std::string header = Base64UrlEncode(*Base64UrlDecode(p[0]) + " ");
  EXPECT_EQ(Check(join(header, p[1], p[2]), keys_), JwsFailure::kSignature);
  const std::string claims = Base64UrlEncode(*Base64UrlDecode(p[1]) + " ");
  EXPECT_EQ(Check(join(p[0], claims, p[2]), keys_), JwsFailure::kSignature);
  std::string raw = *Base64UrlDecode(p[2]);
  raw.back() ^= 1;
  EXPECT_EQ(Check(join(p[0], p[1], Base64UrlEncode(raw)), keys_), JwsFailure::kSignature);
  raw.pop_back();
  EXPECT_EQ(Check(join(p[0], p[1], Base64UrlEncode(raw)), keys_), JwsFailure::kSignature);
}

TEST_P(EveryAlgorithm, OneKeySetServesManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> verified = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) verified += Check(token_, keys_) == JwsFailure::kNone;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(verified, 80);
}

INSTANTIATE_TEST_SUITE_P(Jws, EveryAlgorithm, ::testing::ValuesIn(All()),
                         [](const auto& param) { return std::string(ToString(param.param)); });

}  // namespace
}  // namespace tollgate
