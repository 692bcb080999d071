#include "proxy/auth/token_verifier.h"

#include "common/crypto/encoding.h"
#include "gtest/gtest.h"
#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

class Verifier : public ::testing::Test {
 protected:
  TokenResult Verify(absl::string_view token, std::vector<const TokenIssuer*> issuers,
                     WallTime now = At(kNow)) {
    return verifier_.Verify(token, issuers, now);
  }
  TokenMaker maker_;
  TokenVerifier verifier_{64};
};

TEST_F(Verifier, AnswersAKnownTokenFromItsCache) {
  const auto issuer = maker_.Issuer();
  const std::string token = maker_.Token();
  const TokenResult first = Verify(token, {issuer.get()});
  const TokenResult second = Verify(token, {issuer.get()});
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first.cached);
  EXPECT_TRUE(second.cached);
  EXPECT_EQ(first.token, second.token);
}

TEST_F(Verifier, NeverCachesARefusal) {
  const auto issuer = maker_.Issuer();
  std::string token = maker_.Token();
  token[token.size() - 3] ^= 1;
  EXPECT_FALSE(Verify(token, {issuer.get()}).ok());
  EXPECT_FALSE(Verify(token, {issuer.get()}).ok());
  EXPECT_EQ(verifier_.cache().size(), 0u);
}

TEST_F(Verifier, RechecksExpiryOnEveryHit) {
  const auto issuer = maker_.Issuer();
  maker_.claims["exp"] = absl::StrCat(kNow + 30);
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {issuer.get()}).ok());
  EXPECT_TRUE(Verify(token, {issuer.get()}, At(kNow + 29)).cached);
  EXPECT_EQ(Verify(token, {issuer.get()}, At(kNow + 30)).error.failure, TokenFailure::kExpired);
}

TEST_F(Verifier, RechecksNotBeforeWhenTheClockIsSetBack) {
  const auto issuer = maker_.Issuer();
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {issuer.get()}).ok());
  EXPECT_EQ(Verify(token, {issuer.get()}, At(kNow - 11)).error.failure, TokenFailure::kNotYetValid);
}

TEST_F(Verifier, RechecksTheAudienceOfTheCurrentPolicy) {
  const std::string token = maker_.Token();
  const auto before = maker_.Issuer();
  EXPECT_TRUE(Verify(token, {before.get()}).ok());
  maker_.policy.audiences = {"refunds"};
  const auto after = maker_.Issuer();
  EXPECT_EQ(before->digest(), after->digest());  // the entry is found, and still refused
  EXPECT_EQ(Verify(token, {after.get()}).error.failure, TokenFailure::kAudience);
}

TEST_F(Verifier, KeepsItsCacheOverAPushThatChangesNothingForTheIssuer) {
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {maker_.Issuer().get()}).ok());
  EXPECT_TRUE(Verify(token, {maker_.Issuer().get()}).cached);
}

TEST_F(Verifier, MissesAfterTheKeysChanged) {
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {maker_.Issuer().get()}).ok());
  const TokenMaker other;
  maker_.policy.jwks = other.policy.jwks;  // the old key was withdrawn; same kid
  const TokenResult result = Verify(token, {maker_.Issuer().get()});
  EXPECT_EQ(result.error.jws, JwsFailure::kSignature);
}

TEST_F(Verifier, MissesAfterAnythingElseChangedThatGivesATokenItsMeaning) {
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {maker_.Issuer().get()}).ok());
  const auto changed = [&](auto change) {
    TokenMaker maker = TokenMaker();
    maker.policy = maker_.policy;
    change(&maker);
    return Verify(token, {maker.Issuer().get()});
  };
  const TokenResult claim = changed([](TokenMaker* m) { m->policy.consumer_claim = "sub"; });
  EXPECT_FALSE(claim.cached);
  EXPECT_EQ(claim.token->consumer, "shop-42-till");
  const TokenResult permissions =
      changed([](TokenMaker* m) { m->policy.permissions_claim = "jti"; });
  EXPECT_FALSE(permissions.cached);
  EXPECT_EQ(permissions.token->permissions, std::vector<std::string>{"t-1"});
  const TokenResult name = changed([](TokenMaker* m) { m->policy.name = "other"; });
  EXPECT_EQ(name.token->issuer, "other");
  const TokenResult limit = changed([](TokenMaker* m) { m->limit_claims = {"jti"}; });
  EXPECT_NE(limit.token->Claim("jti"), nullptr);
  EXPECT_FALSE(changed([](TokenMaker* m) { m->policy.profile = TokenProfile::kRfc9068; }).cached);
}

TEST_F(Verifier, ForgetsAfterSixtySeconds) {
  const auto issuer = maker_.Issuer();
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {issuer.get()}).ok());
  EXPECT_TRUE(Verify(token, {issuer.get()}, At(kNow + 59)).cached);
  const TokenResult later = Verify(token, {issuer.get()}, At(kNow + 60));
  EXPECT_TRUE(later.ok());
  EXPECT_FALSE(later.cached);
}

TEST_F(Verifier, ForgetsWhenPurged) {
  const auto issuer = maker_.Issuer();
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {issuer.get()}).ok());
  verifier_.PurgeCache();
  EXPECT_FALSE(Verify(token, {issuer.get()}).cached);
}

TEST_F(Verifier, TheTokensIssuerChoosesAmongThoseAccepted) {
  TokenMaker other;
  other.policy.name = "other-login";
  other.policy.issuer = "https://other.example/";
  other.claims["iss"] = R"("https://other.example/")";
  const auto a = maker_.Issuer(), b = other.Issuer();
  EXPECT_EQ(Verify(maker_.Token(), {a.get(), b.get()}).token->issuer, "bank-login");
  EXPECT_EQ(Verify(other.Token(), {a.get(), b.get()}).token->issuer, "other-login");
  // Not one issuer's token under another's name, not even from the cache.
  EXPECT_EQ(Verify(other.Token(), {a.get()}).error.failure, TokenFailure::kIssuer);
  other.claims["iss"] = maker_.claims["iss"];
  EXPECT_EQ(Verify(other.Token(), {a.get(), b.get()}).error.jws, JwsFailure::kSignature);
  EXPECT_EQ(Verify(maker_.Token(), {}).error.failure, TokenFailure::kIssuer);
}

TEST_F(Verifier, TwoPoliciesOfOneIssuerAreTriedInTurn) {
  TokenMaker strict;
  strict.policy.name = "strict";
  strict.policy.audiences = {"other"};
  const auto a = strict.Issuer(), b = maker_.Issuer();
  EXPECT_EQ(Verify(maker_.Token(), {a.get(), b.get()}).token->issuer, "bank-login");
}

TEST_F(Verifier, SaysWhyInAFixedWord) {
  const auto issuer = maker_.Issuer();
  EXPECT_EQ(Verify("abc", {issuer.get()}).error.reason(), "segments");
  EXPECT_EQ(Verify(std::string(9000, 'a'), {issuer.get()}).error.reason(), "too-long");
  const std::string none = absl::StrCat(Base64UrlEncode(R"({"alg":"none"})"), ".",
                                        Base64UrlEncode(maker_.Payload()), ".");
  EXPECT_EQ(Verify(none, {issuer.get()}).error.reason(), "algorithm-none");
  EXPECT_EQ(Verify(none, {issuer.get()}).error.description(), "not a valid token");
}

TEST_F(Verifier, RefusesEveryFlippedBitEvenWithAWarmCache) {
  const auto issuer = maker_.Issuer();
  const std::string token = maker_.Token();
  EXPECT_TRUE(Verify(token, {issuer.get()}).ok());
  for (size_t bit = 0; bit < token.size() * 8; ++bit) {
    std::string bad = token;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_FALSE(Verify(bad, {issuer.get()}).ok()) << bit;
  }
  EXPECT_TRUE(Verify(token, {issuer.get()}).cached);
}

TEST(TokenCache, HoldsNoMoreThanItsSizeAndDropsTheLeastRecentlyUsed) {
  TokenCache cache(8);  // one set: eviction is plain to see
  EXPECT_EQ(cache.capacity(), 8u);
  const auto claims = std::make_shared<VerifiedToken>();
  const Digest256 issuer = Sha256("issuer");
  const auto token = [](int i) { return Sha256(absl::StrCat("token ", i)); };
  for (int i = 0; i < 8; ++i) cache.Insert(token(i), issuer, At(kNow), claims);
  EXPECT_NE(cache.Find(token(0), issuer, At(kNow)), nullptr);  // now 1 is the oldest
  cache.Insert(token(8), issuer, At(kNow), claims);
  EXPECT_EQ(cache.size(), 8u);
  EXPECT_NE(cache.Find(token(0), issuer, At(kNow)), nullptr);
  EXPECT_EQ(cache.Find(token(1), issuer, At(kNow)), nullptr);
  EXPECT_NE(cache.Find(token(8), issuer, At(kNow)), nullptr);
}

TEST(TokenCache, TellsIssuersApart) {
  TokenCache cache(64);
  const auto claims = std::make_shared<VerifiedToken>();
  cache.Insert(Sha256("t"), Sha256("a"), At(kNow), claims);
  EXPECT_EQ(cache.Find(Sha256("t"), Sha256("b"), At(kNow)), nullptr);
  EXPECT_EQ(cache.Find(Sha256("t"), Sha256("a"), At(kNow)), claims);
}

TEST(TokenCache, InsertingAgainReplaces) {
  TokenCache cache(64);
  const auto first = std::make_shared<VerifiedToken>(), second = std::make_shared<VerifiedToken>();
  cache.Insert(Sha256("t"), Sha256("a"), At(kNow), first);
  cache.Insert(Sha256("t"), Sha256("a"), At(kNow + 30), second);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.Find(Sha256("t"), Sha256("a"), At(kNow + 80)), second);
}

TEST(TokenCache, SaysNothingWhenTheClockWasSetBack) {
  TokenCache cache(64);
  cache.Insert(Sha256("t"), Sha256("a"), At(kNow), std::make_shared<VerifiedToken>());
  EXPECT_EQ(cache.Find(Sha256("t"), Sha256("a"), At(kNow - 1)), nullptr);
}

TEST(TokenCache, OfSizeZeroHoldsNothing) {
  TokenCache cache(0);
  cache.Insert(Sha256("t"), Sha256("a"), At(kNow), std::make_shared<VerifiedToken>());
  EXPECT_EQ(cache.Find(Sha256("t"), Sha256("a"), At(kNow)), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace tollgate::proxy
