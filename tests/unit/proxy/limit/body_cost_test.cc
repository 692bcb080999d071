#include "proxy/limit/body_cost.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using Result = BodyCost::Result;
constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();

struct Answer {
  Result result;
  uint32_t units = 0;
  bool operator==(const Answer&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Answer& a) {
  return out << static_cast<int>(a.result) << " " << a.units;
}

Answer Cost(absl::string_view body, const char* json = "/amount", uint32_t divide = 1) {
  CostPolicy policy;
  policy.units = 0;
  policy.json = json;
  policy.divide = divide;
  StrictJson parser;
  Answer answer;
  answer.result = BodyCost(policy).Of(body, parser, &answer.units);
  return answer;
}
Answer Ok(uint32_t units) { return {Result::kOk, units}; }

TEST(BodyCost, ReadsNumbersAndTextsOfThem) {
  EXPECT_EQ(Cost(R"({"amount": 1250})"), Ok(1250));
  EXPECT_EQ(Cost(R"({"amount": "1250"})"), Ok(1250));
  EXPECT_EQ(Cost(R"({"amount": 0})"), Ok(0));
  EXPECT_EQ(Cost(R"({"amount": "0.00"})"), Ok(0));
}

TEST(BodyCost, RoundsUpToWholeUnits) {
  EXPECT_EQ(Cost(R"({"amount": 12.01})"), Ok(13));
  EXPECT_EQ(Cost(R"({"amount": "12.00"})"), Ok(12));
  EXPECT_EQ(Cost(R"({"amount": "12.01"})"), Ok(13));
  EXPECT_EQ(Cost(R"({"amount": "0.1"})"), Ok(1));
  EXPECT_EQ(Cost(R"({"amount": 1250})", "/amount", 100), Ok(13));
  EXPECT_EQ(Cost(R"({"amount": 1200})", "/amount", 100), Ok(12));
  EXPECT_EQ(Cost(R"({"amount": "1200.01"})", "/amount", 100), Ok(13));
}

TEST(BodyCost, SaturatesAtWhatNoPlanAdmits) {
  EXPECT_EQ(Cost(R"({"amount": 18446744073709551615})"), Ok(kMost));
  EXPECT_EQ(Cost(R"({"amount": "99999999999999999999999999"})"), Ok(kMost));
  EXPECT_EQ(Cost(R"({"amount": 1e300})"), Ok(kMost));
  EXPECT_EQ(Cost(R"({"amount": 4294967296})"), Ok(kMost));
  EXPECT_EQ(Cost(R"({"amount": "99999999999999999999999999"})", "/amount", 1'000'000), Ok(kMost));
}

TEST(BodyCost, FollowsThePointer) {
  EXPECT_EQ(Cost(R"({"purchase": {"amount": 7}})", "/purchase/amount"), Ok(7));
  EXPECT_EQ(Cost(R"({"lines": [{"n": 1}, {"n": 2}]})", "/lines/1/n"), Ok(2));
  EXPECT_EQ(Cost(R"({"a/b": {"m~n": 3}})", "/a~1b/m~0n"), Ok(3));
  EXPECT_EQ(Cost(R"([5])", "/0"), Ok(5));
  EXPECT_EQ(Cost(R"({"0": 6})", "/0"), Ok(6)) << "in an object, a name like another";
}

TEST(BodyCost, TellsWhatIsMissing) {
  for (const char* body :
       {R"({})", R"({"Amount": 1})", R"({"purchase": {"amount": 1}})", "[]", "7", "null"}) {
    EXPECT_EQ(Cost(body).result, Result::kNoField) << body;
  }
  for (const char* pointer : {"/lines/2/n", "/lines/01/n", "/lines/-/n", "/lines/1/m", "/lines/n",
                              "/lines/99999999999999999999/n"}) {
    EXPECT_EQ(Cost(R"({"lines": [{"n": 1}, {"n": 2}]})", pointer).result, Result::kNoField)
        << pointer;
  }
}

TEST(BodyCost, RefusesWhatIsNoAmount) {
  for (const char* value : {"-1", "-0.5", "true", "null", "[]", "{}", R"("")", R"("-1")", R"("+1")",
                            R"("1e3")", R"("0x10")", R"(" 1")", R"("1 ")", R"("1.")", R"(".5")",
                            R"("1.2.3")", R"("1,000")", R"("NaN")", R"("\u0661")"}) {
    EXPECT_EQ(Cost(absl::StrCat(R"({"amount": )", value, "}")).result, Result::kNotAmount) << value;
  }
}

TEST(BodyCost, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const char* body : {"", "{", R"({"amount": 1} x)", R"({"amount": 01})", R"({'amount': 1})",
                           R"({"amount": 1, "amount": 1000000})", "{\"amount\": 1, \"a\xff\": 2}",
                           R"({"amount": NaN})", R"({"amount": 99999999999999999999999})",
                           "amount=1", "\xEF\xBB\xBF{\"amount\": 1"}) {
    EXPECT_EQ(Cost(body).result, Result::kNotJson) << body;
  }
}

TEST(BodyCost, RefusesANameThatDiffersInCaseOnly) {
  for (const char* body :
       {R"({"amount": 1, "Amount": 1000000})", R"({"AMOUNT": 1000000, "amount": 1})",
        R"({"amount": 1, "\u0041mount": 1000000})", R"({"Amount": null, "amount": 1})"}) {
    EXPECT_EQ(Cost(body).result, Result::kNotJson) << body;
  }
  EXPECT_EQ(Cost(R"({"purchase": {"sum": 1}, "Purchase": {"sum": 9}})", "/purchase/sum").result,
            Result::kNotJson);
  EXPECT_EQ(Cost(R"([{"sum": 1, "Sum": 9}])", "/0/sum").result, Result::kNotJson);
  // U+017F folds to s and U+212A to k, for a reader in Go; U+0130 to i, for one in Java.
  EXPECT_EQ(Cost(R"({"sum": 1, "\u017fum": 9})", "/sum").result, Result::kNotJson);
  EXPECT_EQ(Cost(R"({"\u017fum": 1, "sum": 9})", "/\xC5\xBFum").result, Result::kNotJson);
  EXPECT_EQ(Cost(R"({"kilos": 1, "\u212aILOS": 9})", "/kilos").result, Result::kNotJson);
  EXPECT_EQ(Cost(R"({"price": 1, "pr\u0130ce": 9})", "/price").result, Result::kNotJson);
}

TEST(BodyCost, DoesNotMindOtherNames) {
  EXPECT_EQ(Cost(R"({"amount": 7, "amounts": 1, "amoun": 2, "": 3, "Currency": "EUR"})"), Ok(7));
  EXPECT_EQ(Cost(R"({"amount": 7, "x": {"a": 1, "A": 2}})"), Ok(7)) << "it is not on the way";
  EXPECT_EQ(Cost("{\"\u91d1\u984d\": 7, \"\u901a\u8ca8\": \"JPY\"}", "/\u91d1\u984d"), Ok(7));
}

TEST(SaysJson, OfJsonTypesInUtf8Alone) {
  for (const char* type :
       {"application/json", "Application/JSON", "application/problem+json", "application/json;v=2",
        "application/json; charset=utf-8", "application/json ;Charset=\"UTF-8\"; v=1"}) {
    EXPECT_TRUE(SaysJson(type)) << type;
  }
  for (const char* type : {"", "text/json", "text/plain", "application/jsonp",
                           "application/json, text/plain", "application/x-www-form-urlencoded",
                           "application/xml; a=+json", "json", "application/json; charset=utf-16",
                           "application/json; charset", "application/json;charset="}) {
    EXPECT_FALSE(SaysJson(type)) << type;
  }
}

}  // namespace
}  // namespace tollgate::proxy
