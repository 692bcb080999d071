#include "proxy/limit/limit_key.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr SipKey kSecret{1, 2};

std::shared_ptr<const LimitPlan> PlanPer(std::vector<LimitKeyPart> per, bool show = false) {
  PlanPolicy policy = Policy(LimitAlgorithm::kGcra, {PerMinute(5)});
  policy.per = std::move(per);
  policy.show_claims = show;
  return LimitPlan::Compile(policy);
}

std::string Text(const std::vector<std::pair<char, std::string>>& parts) {
  std::string text = "what was there before";
  LimitKeyText key(&text, parts.size());
  for (const auto& [kind, value] : parts) key.Add(kind, value);
  return text;
}

TEST(LimitKeyText, OnePartIsItsKindAndValue) {
  EXPECT_EQ(Text({{LimitKeyText::kConsumer, "shop-42"}}), "c:shop-42");
  std::string text;
  LimitKeyText(&text, 1).Add(LimitKeyText::kRoute, "cards/v2", "/", "pay");
  EXPECT_EQ(text, "r:cards/v2/pay");
}

TEST(LimitKeyText, NoValueReachesIntoTheNextPart) {
  // Every pair of values made of what a reader might stumble over.
  const std::vector<std::string> values = {"",    ":",     "a",      "a:b", "b",        "c:b",
                                           "3:",  "3:c:",  "1:a1:b", "c:",  "a3:c:b",   "3:c:b",
                                           "\n",  "a\nb",  "5:c:b",  "5",   "a5:c:b:c", "::",
                                           "2:c", "a:b:c", "/",      "a/b", "0",        "00"};
  std::set<std::string> seen;
  for (const std::string& first : values) {
    for (const std::string& second : values) {
      for (const char kind : {LimitKeyText::kConsumer, LimitKeyText::kClaim}) {
        const std::string text = Text({{LimitKeyText::kConsumer, first}, {kind, second}});
        EXPECT_TRUE(seen.insert(text).second) << text;
      }
    }
  }
  EXPECT_NE(Text({{'c', "a:b"}, {'r', "x"}}), Text({{'c', "a"}, {'r', "b:x"}}));
}

TEST(LimitKeyText, KindsAreKeptApart) {
  EXPECT_NE(Text({{LimitKeyText::kConsumer, "192.0.2.1"}}),
            Text({{LimitKeyText::kAddress, "192.0.2.1"}}));
  EXPECT_NE(Text({{LimitKeyText::kClaim, ""}}), Text({{LimitKeyText::kNoClaim, ""}}));
}

TEST(DescribeLimitKey, ReadsForOperators) {
  EXPECT_EQ(DescribeLimitKey(*PlanPer({LimitKey::kConsumer}), Text({{'c', "a:b"}}), kSecret),
            "consumer=a:b");
  EXPECT_EQ(
      DescribeLimitKey(*PlanPer({LimitKey::kConsumer, LimitKey::kRoute, LimitKey::kAddress}),
                       Text({{'c', "a:b"}, {'r', "cards/v2/pay"}, {'a', "192.0.2.1"}}), kSecret),
      "consumer=a:b route=cards/v2/pay address=192.0.2.1");
  EXPECT_EQ(DescribeLimitKey(*PlanPer({LimitKey::kApi, LimitKey::kKey}),
                             Text({{'p', "cards"}, {'k', "k_7f"}}), kSecret),
            "api=cards key=k_7f");
  EXPECT_EQ(DescribeLimitKey(*PlanPer({LimitKey::kApi}), "", kSecret),
            "(shared by keys that found no room)");
}

TEST(DescribeLimitKey, KeepsWhatAClaimSaysToItselfUnlessThePlanShowsIt) {
  const LimitKeyPart claim(LimitKey::kClaim, "tenant");
  const std::string key = Text({{LimitKeyText::kClaim, "bank\njane@example.com"}});
  const std::string hidden = DescribeLimitKey(*PlanPer({claim}), key, kSecret);
  EXPECT_THAT(hidden, StartsWith("claim:tenant=bank/#"));
  EXPECT_THAT(hidden, Not(HasSubstr("jane")));
  EXPECT_EQ(hidden, DescribeLimitKey(*PlanPer({claim}), key, kSecret));
  EXPECT_NE(hidden, DescribeLimitKey(*PlanPer({claim}), key, SipKey{3, 4}));
  EXPECT_EQ(DescribeLimitKey(*PlanPer({claim}, true), key, kSecret),
            "claim:tenant=bank/jane@example.com");
  EXPECT_EQ(DescribeLimitKey(*PlanPer({claim}), Text({{LimitKeyText::kNoClaim, ""}}), kSecret),
            "claim:tenant=(none)");
  EXPECT_EQ(DescribeLimitKey(*PlanPer({claim}), Text({{LimitKeyText::kNoClaim, "bank"}}), kSecret),
            "claim:tenant=bank/(none)");
  const std::string token =
      DescribeLimitKey(*PlanPer({LimitKey::kConsumer}), Text({{'t', "bank\nstranger"}}), kSecret);
  EXPECT_THAT(token, StartsWith("token=bank/#"));
  EXPECT_THAT(token, Not(HasSubstr("stranger")));
}

TEST(DescribeLimitKey, IsBoundedPrintableAndValidUtf8) {
  const auto plan = PlanPer({LimitKeyPart(LimitKey::kClaim, "sub")}, true);
  const std::string control =
      DescribeLimitKey(*plan, Text({{LimitKeyText::kClaim, "bank\na\r\nb\x1b"}}), kSecret);
  EXPECT_EQ(control, "claim:sub=bank/a\\r\\nb\\033");
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "\xE2\x82\xAC";
  const std::string cut =
      DescribeLimitKey(*plan, Text({{LimitKeyText::kClaim, "bank\n" + euros}}), kSecret);
  EXPECT_LT(cut.size(), 155u);
  EXPECT_EQ(cut, absl::StrCat("claim:sub=bank/", euros.substr(0, 126), "..."));
}

TEST(DescribeLimitKey, SaysSoOfAKeyThatIsNoLongerMadeLikeThis) {
  const auto two = PlanPer({LimitKey::kConsumer, LimitKey::kRoute});
  EXPECT_EQ(DescribeLimitKey(*two, "c:shop-42", kSecret), "(of a plan that has changed)");
  EXPECT_EQ(DescribeLimitKey(*two, "99:c:shop", kSecret), "(of a plan that has changed)");
  EXPECT_EQ(DescribeLimitKey(*PlanPer({LimitKey::kConsumer}), "x", kSecret),
            "(of a plan that has changed)");
}

}  // namespace
}  // namespace tollgate::proxy
