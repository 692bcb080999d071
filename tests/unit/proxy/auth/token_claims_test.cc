#include "common/policy/token_denial.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Claims : public ::testing::Test {
 protected:
  TokenMaker maker_;
  TokenFailure Failure(int64_t now = kNow) { return maker_.Verify(now).error.failure; }
  // "missing:exp", "invalid:aud", or the reason.
  std::string Why() {
    const TokenError e = maker_.Verify().error;
    return absl::StrCat(e.reason(), e.claim.empty() ? "" : ":", e.claim);
  }
};

TEST_F(Claims, SayWhoItIsAndWhatItMayDo) {
  const TokenResult result = maker_.Verify();
  ASSERT_TRUE(result.ok()) << result.error.reason();
  EXPECT_EQ(result.token->issuer, "bank-login");
  EXPECT_EQ(result.token->consumer, "shop-42");
  EXPECT_EQ(result.token->subject, "shop-42-till");
  EXPECT_EQ(result.token->id, "t-1");
  EXPECT_THAT(result.token->permissions, ElementsAre("payments.read", "payments.write"));
  EXPECT_THAT(result.token->audiences, ElementsAre("card-payments"));
  EXPECT_EQ(result.token->expires, At(kNow + 300));
  EXPECT_EQ(result.token->issued, At(kNow));
  EXPECT_FALSE(result.cached);
}

TEST_F(Claims, ExpireExactlyAtExp) {
  EXPECT_EQ(Failure(kNow + 299), TokenFailure::kNone);
  EXPECT_EQ(Failure(kNow + 300), TokenFailure::kExpired);
  EXPECT_EQ(Failure(kNow + 301), TokenFailure::kExpired);
  EXPECT_EQ(maker_.Verify(kNow + 300).error.description(), "expired");
}

TEST_F(Claims, LeewayPutsExpiryOffByExactlyThat) {
  maker_.policy.leeway = std::chrono::seconds(60);
  EXPECT_EQ(Failure(kNow + 359), TokenFailure::kNone);
  EXPECT_EQ(Failure(kNow + 360), TokenFailure::kExpired);
}

TEST_F(Claims, FractionsOfASecondCount) {
  maker_.claims["exp"] = "1700000000.5";
  const std::string token = maker_.Token();
  EXPECT_TRUE(maker_.VerifyToken(token, At(kNow) + std::chrono::milliseconds(499)).ok());
  EXPECT_FALSE(maker_.VerifyToken(token, At(kNow) + std::chrono::milliseconds(501)).ok());
}

TEST_F(Claims, MayBeTenSecondsAheadAndNotElevenEven) {
  for (const char* claim : {"nbf", "iat"}) {
    maker_.claims[claim] = absl::StrCat(kNow + 10);
    EXPECT_EQ(Failure(), TokenFailure::kNone) << claim;
    maker_.claims[claim] = absl::StrCat(kNow + 11);
    EXPECT_EQ(Failure(), TokenFailure::kNotYetValid) << claim;
    maker_.claims[claim] = absl::StrCat(kNow);
  }
}

TEST_F(Claims, AreNeverAcceptedMoreThanSixtySecondsAhead) {
  maker_.policy.leeway = std::chrono::seconds(60);
  maker_.claims["nbf"] = absl::StrCat(kNow + 60);
  EXPECT_EQ(Failure(), TokenFailure::kNone);
  maker_.claims["nbf"] = absl::StrCat(kNow + 61);
  EXPECT_EQ(Failure(), TokenFailure::kNotYetValid);
}

TEST_F(Claims, ALeewayBelowTenSecondsLeavesTheTenSeconds) {
  maker_.policy.leeway = std::chrono::seconds(5);
  maker_.claims["iat"] = absl::StrCat(kNow + 10);
  EXPECT_EQ(Failure(), TokenFailure::kNone);
}

TEST_F(Claims, TimesMustBeSaneNumbers) {
  for (const char* bad : {"\"1700000300\"", "-1", "-0.5", "253402300800", "1e300", "null", "true",
                          "[1700000300]", "18446744073709551615"}) {
    maker_.claims["exp"] = bad;
    EXPECT_EQ(Why(), "invalid-claim:exp") << bad;
  }
  for (const char* good : {"1700000300", "1.7000003e9", "9999999999", "9223372036", "253402300799",
                           "253402300799.0"}) {
    maker_.claims["exp"] = good;
    EXPECT_EQ(Why(), "none") << good;
  }
  maker_.claims["nbf"] = "253402300799";  // beyond what a WallTime holds, and still not yet
  EXPECT_EQ(Failure(), TokenFailure::kNotYetValid);
}

TEST_F(Claims, ExpIsRequiredAndTheOtherTimesAreNot) {
  maker_.claims.erase("nbf");
  maker_.claims.erase("iat");
  EXPECT_EQ(Why(), "none");
  maker_.claims.erase("exp");
  EXPECT_EQ(Why(), "missing-claim:exp");
}

TEST_F(Claims, IssuerMustBeExactlyOurs) {
  for (const char* iss : {R"("https://login.bank.example")", R"("https://LOGIN.bank.example/")",
                          R"("https://login.bank.example/ ")", R"(["https://login.bank.example/"])",
                          "\"\"", "null"}) {
    maker_.claims["iss"] = iss;
    EXPECT_EQ(Failure(), TokenFailure::kIssuer) << iss;
  }
  maker_.claims.erase("iss");
  EXPECT_EQ(Failure(), TokenFailure::kIssuer);
}

TEST_F(Claims, AudienceMustContainOneOfOurs) {
  maker_.policy.audiences = {"card-payments", "payments"};
  for (const char* aud : {R"("payments")", R"(["card-payments"])", R"(["other","payments"])"}) {
    maker_.claims["aud"] = aud;
    EXPECT_EQ(Why(), "none") << aud;
  }
  for (const char* aud : {R"("other")", R"("Payments")", R"("card-payments payments")", "[]",
                          R"(["other"])", "\"\""}) {
    maker_.claims["aud"] = aud;
    EXPECT_EQ(Failure(), TokenFailure::kAudience) << aud;
  }
  for (const char* aud : {"1", R"(["payments",1])", R"([["payments"]])", R"({"payments":1})"}) {
    maker_.claims["aud"] = aud;
    EXPECT_EQ(Why(), "invalid-claim:aud") << aud;
  }
  maker_.claims.erase("aud");
  EXPECT_EQ(Why(), "missing-claim:aud");
}

TEST_F(Claims, PermissionsAreWordsOrAnArray) {
  maker_.claims["scope"] = R"(["payments.read","refunds.write refunds.read"])";
  EXPECT_THAT(maker_.Verify().token->permissions,
              ElementsAre("payments.read", "refunds.write", "refunds.read"));
  maker_.claims["scope"] = R"("  payments.read  ")";
  EXPECT_THAT(maker_.Verify().token->permissions, ElementsAre("payments.read"));
  maker_.claims["scope"] = "\"\"";
  EXPECT_THAT(maker_.Verify().token->permissions, IsEmpty());
  maker_.claims.erase("scope");
  EXPECT_THAT(maker_.Verify().token->permissions, IsEmpty());
  maker_.claims["scope"] = "7";
  EXPECT_EQ(Why(), "invalid-claim:permissions_claim");
}

TEST_F(Claims, NamingNobodyIsNoFailureOfTheToken) {
  maker_.claims.erase("client_id");
  EXPECT_EQ(maker_.Verify().token->consumer, "");
  maker_.claims["client_id"] = "42";  // a number is not the string "42"
  EXPECT_EQ(Why(), "invalid-claim:client_id");
}

TEST_F(Claims, IdentitiesHoldNoControlCharacters) {
  for (const char* claim : {"sub", "jti", "client_id"}) {
    const std::string good = maker_.claims[claim];
    for (const char* bad : {R"("a\u0000")", R"("a\nb")", R"("a\u007f")"}) {
      maker_.claims[claim] = bad;
      EXPECT_EQ(maker_.Verify().error.failure, TokenFailure::kInvalidClaim) << claim << bad;
    }
    maker_.claims[claim] = good;
  }
}

TEST_F(Claims, IdentitiesAreNoLongerThanWhatCanBeDenied) {
  for (const char* claim : {"sub", "jti", "client_id"}) {
    const std::string good = maker_.claims[claim];
    maker_.claims[claim] = absl::StrCat("\"", std::string(kMaxDeniedValue, 'a'), "\"");
    EXPECT_EQ(Why(), "none") << claim;
    maker_.claims[claim] = absl::StrCat("\"", std::string(kMaxDeniedValue + 1, 'a'), "\"");
    EXPECT_EQ(Why(), absl::StrCat("invalid-claim:", claim));
    maker_.claims[claim] = good;
  }
}

TEST_F(Claims, AreKeptForLimitsWhenTheyAreStringsOrIntegers) {
  maker_.limit_claims = {"tenant", "shop", "till", "absent"};
  maker_.claims["tenant"] = R"("acme")";
  maker_.claims["shop"] = "42";
  maker_.claims["till"] = "-7";
  const TokenResult result = maker_.Verify();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result.token->Claim("tenant"), "acme");
  EXPECT_EQ(*result.token->Claim("shop"), "42");
  EXPECT_EQ(*result.token->Claim("till"), "-7");
  EXPECT_EQ(result.token->Claim("absent"), nullptr);
  EXPECT_EQ(result.token->Claim("scope"), nullptr);  // nobody asked for it
  for (const char* bad : {"1.5", "true", "null", "[]", "{}"}) {
    maker_.claims["shop"] = bad;
    const TokenResult other = maker_.Verify();
    ASSERT_TRUE(other.ok()) << bad << " is no fault of a token whose issuer knows no plan";
    EXPECT_EQ(other.token->Claim("shop"), nullptr) << bad;
    EXPECT_NE(other.token->Claim("tenant"), nullptr) << bad;
  }
}

TEST_F(Claims, MustBeOneJsonObjectWithoutDuplicateNames) {
  for (const char* payload : {"[]", "\"x\"", "1", "{", "{}{}", "{\"a\":01}", "{'a':1}", "\xff"}) {
    EXPECT_EQ(maker_.VerifyToken(maker_.TokenWithPayload(payload)).error.failure,
              TokenFailure::kPayload)
        << payload;
  }
  const std::string twice = absl::StrCat(R"({"aud":"other",)", maker_.Payload().substr(1));
  EXPECT_EQ(maker_.VerifyToken(maker_.TokenWithPayload(twice)).error.reason(), "duplicate-name");
  const std::string nested = absl::StrCat(R"({"x":{"a":1,"a":2},)", maker_.Payload().substr(1));
  EXPECT_EQ(maker_.VerifyToken(maker_.TokenWithPayload(nested)).error.reason(), "duplicate-name");
}

TEST_F(Claims, ProfileJwtTakesTheUsualTypes) {
  for (const char* typ : {"", "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"}) {
    maker_.typ = typ;
    EXPECT_EQ(Why(), "none") << typ;
  }
  for (const char* typ : {"JOSE", "dpop+jwt", "secevent+jwt", "logout+jwt", "jwt ", "at+jwt2"}) {
    maker_.typ = typ;
    EXPECT_EQ(Why(), "type") << typ;
  }
}

TEST_F(Claims, ProfileRfc9068TakesAccessTokensOnly) {
  maker_.policy.profile = TokenProfile::kRfc9068;
  for (const char* typ : {"at+jwt", "application/at+jwt", "Application/AT+jwt"}) {
    maker_.typ = typ;
    EXPECT_EQ(Why(), "none") << typ;
  }
  for (const char* typ : {"", "JWT", "application/jwt", "dpop+jwt"}) {
    maker_.typ = typ;
    EXPECT_EQ(Why(), "type") << typ;
  }
}

TEST_F(Claims, ProfileRfc9068RequiresItsSevenClaims) {
  maker_.policy.profile = TokenProfile::kRfc9068;
  for (const char* claim : {"exp", "aud", "sub", "client_id", "iat", "jti"}) {
    const std::string value = maker_.claims[claim];
    maker_.claims.erase(claim);
    EXPECT_EQ(Why(), absl::StrCat("missing-claim:", claim));
    maker_.claims[claim] = value;
  }
  for (const char* claim : {"sub", "client_id", "jti"}) {
    const std::string value = maker_.claims[claim];
    maker_.claims[claim] = "\"\"";
    EXPECT_EQ(Why(), absl::StrCat("invalid-claim:", claim));
    maker_.claims[claim] = "7";
    EXPECT_EQ(Why(), absl::StrCat("invalid-claim:", claim));
    maker_.claims[claim] = value;
  }
  maker_.claims.erase("iss");
  EXPECT_EQ(Why(), "issuer");
}

TEST_F(Claims, ProfileJwtDoesWithoutThem) {
  for (const char* claim : {"sub", "client_id", "iat", "jti", "nbf"}) maker_.claims.erase(claim);
  EXPECT_EQ(Why(), "none");
}

TEST(TokenIssuer, RefusesPoliciesThatCouldNotBeEnforced) {
  const TokenMaker maker;
  const auto refusal = [&maker](auto change) {
    IssuerPolicy policy = maker.policy;
    change(&policy);
    return std::string(TokenIssuer::Compile(policy).status().message());
  };
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->audiences.clear(); }), HasSubstr("audiences"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->audiences = {""}; }), HasSubstr("audiences"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->issuer = ""; }), HasSubstr("issuer is empty"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->consumer_claim = ""; }),
              HasSubstr("consumer_claim is empty"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->leeway = std::chrono::milliseconds(60'001); }),
              HasSubstr("leeway is 60001 ms; expected 0 to 60000"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->leeway = -std::chrono::seconds(1); }),
              HasSubstr("leeway"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->algorithms = {"none"}; }),
              HasSubstr("issuer 'bank-login': algorithms: 'none' is not supported"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->algorithms = {"PS256"}; }), HasSubstr("jwks:"));
  EXPECT_THAT(refusal([](IssuerPolicy* p) { p->jwks = "{}"; }), HasSubstr("jwks:"));
}

}  // namespace
}  // namespace tollgate::proxy
