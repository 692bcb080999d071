#include "common/policy/token_denial.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kBank[] = "https://login.bank.example/";

config::v1::Revocation Listing(const std::vector<TokenDenial>& denials) {
  config::v1::Revocation list;
  list.set_name("denied");
  list.set_revision(7);
  list.set_incarnation("i1");
  for (const TokenDenial& denial : denials) *list.add_tokens() = ToProto(denial);
  return list;
}

TEST(TokenDenial, ComesBackFromItsProtoAsItWas) {
  const TokenDenial one{{kBank, DeniedClaim::kTokenId, "t-1"}, FromUnixSeconds(1893456000)};
  const TokenDenial two{{kBank, DeniedClaim::kSubject, "mallory"}, kNoEnd};
  const TokenDenial three{{kBank, DeniedClaim::kClient, "shop-42"}, kNoEnd};
  std::vector<ResourceError> errors;
  EXPECT_THAT(TokenDenialsOf(Listing({one, two, three}), &errors), ElementsAre(one, two, three));
  EXPECT_THAT(errors, IsEmpty());
}

TEST(TokenDenial, ClaimsAreSpelledAsInTokens) {
  for (const char* claim : {"jti", "sub", "client_id"}) {
    EXPECT_EQ(ToString(ParseDeniedClaim(claim).value()), claim);
  }
  EXPECT_FALSE(ParseDeniedClaim("subject").has_value());
  EXPECT_FALSE(ParseDeniedClaim("").has_value());
}

TEST(TokenDenial, WhatIsUnderstoodIsDeniedBesideWhatIsNot) {
  const TokenDenial good{{kBank, DeniedClaim::kSubject, "mallory"}, kNoEnd};
  config::v1::Revocation list = Listing({good, good});
  list.mutable_tokens(1)->clear_subject();
  list.mutable_tokens(0)
      ->GetReflection()
      ->MutableUnknownFields(list.mutable_tokens(0))
      ->AddVarint(99, 1);
  std::vector<ResourceError> errors;
  EXPECT_THAT(TokenDenialsOf(list, &errors), ElementsAre(good));
  ASSERT_THAT(errors, SizeIs(2));
  EXPECT_EQ(errors[0].code, "UNKNOWN_FIELD");
  EXPECT_EQ(errors[0].field_path, "tokens[0]");
  EXPECT_EQ(errors[1].code, "MISSING");
  EXPECT_EQ(errors[1].field_path, "tokens[1]");
}

TEST(TokenDenial, AnEndThatMakesNoSenseEndsNothing) {
  config::v1::Revocation list = Listing({{{kBank, DeniedClaim::kSubject, "mallory"}, kNoEnd}});
  list.mutable_tokens(0)->set_until(-5);
  std::vector<ResourceError> errors;
  const std::vector<TokenDenial> denials = TokenDenialsOf(list, &errors);
  ASSERT_THAT(denials, SizeIs(1));
  EXPECT_EQ(denials[0].until, kNoEnd);
  EXPECT_THAT(errors, SizeIs(1));
}

}  // namespace
}  // namespace tollgate
