#include "proxy/upstream/pushback.h"

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

Duration Of(absl::string_view value) {
  HeaderMap fields;
  fields.Add(HeaderId::kRetryAfter, value);
  return PushbackOf(fields);
}

TEST(Pushback, IsNoneWhereNothingIsAsked) { EXPECT_EQ(PushbackOf({}), Duration::zero()); }

TEST(Pushback, IsSoManySeconds) {
  EXPECT_EQ(Of("0"), Duration::zero());
  EXPECT_EQ(Of("120"), std::chrono::seconds(120));
  EXPECT_EQ(Of("999999999"), std::chrono::seconds(999'999'999));
}

TEST(Pushback, OfADateOrWhatCannotBeReadIsForGood) {
  for (const char* value : {"", "-1", "+1", "1.5", "1 ", "1000000000", "99999999999999999999",
                            "Wed, 21 Oct 2099 07:28:00 GMT", "soon"}) {
    EXPECT_EQ(Of(value), kNoRetry) << value;
  }
}

}  // namespace
}  // namespace tollgate::proxy
