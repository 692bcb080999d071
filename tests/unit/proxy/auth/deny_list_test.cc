#include "proxy/auth/deny_list.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

constexpr char kBank[] = "https://login.bank.example/";

TokenDenial Denial(DeniedClaim claim, const std::string& value, WallTime until = kNoEnd,
                   const std::string& issuer = kBank) {
  return {{issuer, claim, value}, until};
}

VerifiedToken Token() {
  VerifiedToken token;
  token.issuer = "bank-login";
  token.iss = kBank;
  token.id = "t-1";
  token.subject = "mallory";
  token.client = "shop-42";
  return token;
}

bool Denies(std::vector<TokenDenial> tokens, int64_t now = kNow,
            const VerifiedToken& token = Token()) {
  return DenyList(1, {}, std::move(tokens)).TokenRevoked(token, At(now));
}

TEST(DenyList, DeniesByEachClaim) {
  EXPECT_TRUE(Denies({Denial(DeniedClaim::kTokenId, "t-1")}));
  EXPECT_TRUE(Denies({Denial(DeniedClaim::kSubject, "mallory")}));
  EXPECT_TRUE(Denies({Denial(DeniedClaim::kClient, "shop-42")}));
  EXPECT_FALSE(Denies({}));
}

TEST(DenyList, AValueOfOneClaimSaysNothingAboutAnother) {
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kTokenId, "mallory")}));
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kSubject, "shop-42")}));
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kClient, "t-1")}));
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kSubject, "mallor")}));
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kSubject, "Mallory")}));
}

TEST(DenyList, AnotherIssuersTokensAreNotConcerned) {
  EXPECT_FALSE(
      Denies({Denial(DeniedClaim::kSubject, "mallory", kNoEnd, "https://other.example/")}));
  // What an issuer is called in documents is not what its tokens say.
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kSubject, "mallory", kNoEnd, "bank-login")}));
}

TEST(DenyList, ATokenWithoutTheClaimIsNotDeniedByIt) {
  VerifiedToken bare;
  bare.iss = kBank;
  EXPECT_FALSE(Denies({Denial(DeniedClaim::kTokenId, "t-1"), Denial(DeniedClaim::kSubject, "m"),
                       Denial(DeniedClaim::kClient, "c")},
                      kNow, bare));
}

TEST(DenyList, ADenialIsOverAfterItsEndAndTheLongestLeeway) {
  const TokenDenial denial = Denial(DeniedClaim::kTokenId, "t-1", At(kNow));
  EXPECT_TRUE(Denies({denial}, kNow));
  EXPECT_TRUE(Denies({denial}, kNow + 59));  // a token may be taken that much after its exp
  EXPECT_FALSE(Denies({denial}, kNow + 60));
}

TEST(DenyList, OfTwoDenialsOfOneTokenTheLongerHolds) {
  EXPECT_TRUE(Denies({Denial(DeniedClaim::kSubject, "mallory", At(kNow - 1000)),
                      Denial(DeniedClaim::kSubject, "mallory")}));
  EXPECT_TRUE(Denies({Denial(DeniedClaim::kSubject, "mallory"),
                      Denial(DeniedClaim::kSubject, "mallory", At(kNow - 1000))}));
}

TEST(DenyList, IsEmptyOnlyWithoutKeysAndTokens) {
  EXPECT_TRUE(DenyList().empty());
  EXPECT_FALSE(DenyList(1, {"tg_a"}).empty());
  EXPECT_FALSE(DenyList(1, {}, {Denial(DeniedClaim::kSubject, "mallory")}).empty());
}

}  // namespace
}  // namespace tollgate::proxy
