#include "proxy/auth/bearer.h"

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

TEST(Bearer, TakesTheTokenWhateverTheCaseOfTheScheme) {
  for (const char* value :
       {"Bearer mF_9.B5f-4.1JqM", "bearer mF_9.B5f-4.1JqM", "BEARER   mF_9.B5f-4.1JqM"}) {
    const Bearer bearer = ParseBearer(value);
    EXPECT_EQ(bearer.status, BearerStatus::kOk) << value;
    EXPECT_EQ(bearer.token, "mF_9.B5f-4.1JqM");
  }
  EXPECT_EQ(ParseBearer("Bearer a~+/==").token, "a~+/==");
}

TEST(Bearer, LeavesOtherSchemesAlone) {
  for (const char* value : {"", "Basic abc", "Bearers abc", "DPoP abc", "Bear", "Bearer2 a",
                            "Bearer=abc", "Bearer,abc"}) {
    EXPECT_EQ(ParseBearer(value).status, BearerStatus::kOtherScheme) << value;
  }
}

TEST(Bearer, RefusesWhatIsNoB64Token) {
  for (const char* value :
       {"Bearer", "Bearer ", "Bearer\tabc", "Bearer a b", "Bearer a,b", "Bearer a=b",
        "Bearer =", "Bearer \"a\"", "Bearer a\xc3\xa9", "Bearer abc ", "Bearer a, Bearer b"}) {
    EXPECT_EQ(ParseBearer(value).status, BearerStatus::kMalformed) << value;
    EXPECT_EQ(ParseBearer(value).token, "");
  }
}

TEST(BearerChallenge, SaysAsLittleAsRfc6750Allows) {
  EXPECT_EQ(BearerChallenge(), "Bearer");
  EXPECT_EQ(BearerChallenge("invalid_token", "expired"),
            R"(Bearer error="invalid_token", error_description="expired")");
  EXPECT_EQ(BearerChallenge("insufficient_scope", "", "payments.write"),
            R"(Bearer error="insufficient_scope", scope="payments.write")");
}

TEST(BearerChallenge, CannotBeBrokenOutOf) {
  EXPECT_EQ(BearerChallenge("a\"b\\c\r\nd"), R"(Bearer error="abcd")");
}

}  // namespace
}  // namespace tollgate::proxy
