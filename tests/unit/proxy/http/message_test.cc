#include "proxy/http/message.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

std::string Dump(const HeaderMap& map) {
  std::string out;
  for (const HeaderMap::Field& f : map) absl::StrAppend(&out, f.name, "=", f.value, ";");
  return out;
}

TEST(HeaderId, EveryNameIsFoundByItsIdAndBack) {
  for (int i = 1; i <= static_cast<int>(HeaderId::kXRequestId); ++i) {
    const auto id = static_cast<HeaderId>(i);
    ASSERT_FALSE(NameOf(id).empty());
    EXPECT_EQ(IdOf(NameOf(id)), id) << NameOf(id);
    std::string other(NameOf(id));
    other.back() = '0';
    EXPECT_EQ(IdOf(other), HeaderId::kOther) << other;
  }
  EXPECT_EQ(IdOf(""), HeaderId::kOther);
  EXPECT_EQ(IdOf("x-something-of-our-own-that-is-long"), HeaderId::kOther);
}

TEST(HeaderMap, KeepsOrderAndLowersNamesOnly) {
  HeaderMap map;
  map.Add("X-One", "A");
  map.Add("Content-Type", "Text/Plain");
  map.Add(HeaderId::kVia, "1.1 here");
  map.Add("x-one", "B");
  EXPECT_EQ(Dump(map), "x-one=A;content-type=Text/Plain;via=1.1 here;x-one=B;");
  EXPECT_EQ(map.size(), 4u);
  EXPECT_EQ(map[1].id, HeaderId::kContentType);
}

TEST(HeaderMap, GetsTheFirstValueByIdOrAnySpellingOfTheName) {
  HeaderMap map;
  map.Add("X-One", "A");
  map.Add("X-One", "B");
  map.Add("Date", "today");
  EXPECT_EQ(map.Get("x-ONE"), "A");
  EXPECT_EQ(map.Get(HeaderId::kDate), "today");
  EXPECT_EQ(map.Get("DATE"), "today");
  EXPECT_EQ(map.Get("x-two"), std::nullopt);
  EXPECT_EQ(map.Count("X-one"), 2u);
  EXPECT_EQ(map.Count(HeaderId::kDate), 1u);
  EXPECT_EQ(map.Count(HeaderId::kVia), 0u);
}

TEST(HeaderMap, SetReplacesAllOfANameWhereTheFirstWas) {
  HeaderMap map;
  map.Add("a", "1");
  map.Add("b", "2");
  map.Add("a", "3");
  map.Add("via", "x");
  map.Set("A", "new");
  map.Set(HeaderId::kVia, "y");
  map.Set("c", "added");
  EXPECT_EQ(Dump(map), "a=new;b=2;via=y;c=added;");
}

TEST(HeaderMap, RemovesByIdNameAndPredicateKeepingOrder) {
  HeaderMap map;
  for (const char* name : {"a", "via", "b", "a", "date", "c"}) map.Add(name, "v");
  map.Remove(HeaderId::kVia);
  map.Remove("A");
  map.RemoveIf([](const HeaderMap::Field& f) { return f.id == HeaderId::kDate; });
  EXPECT_EQ(Dump(map), "b=v;c=v;");
}

TEST(HeaderMap, TakesViewsOfItselfEvenWhenItGrows) {
  HeaderMap map;
  map.Add("x-start", std::string(900, 's'));
  for (int i = 0; i < 12; ++i) map.Add(map[0].name, map[0].value);
  map.Set("x-other", *map.Get("x-start"));
  map.Set("x-start", *map.Get("x-other"));
  EXPECT_EQ(Dump(map), absl::StrCat("x-start=", std::string(900, 's'),
                                    ";x-other=", std::string(900, 's'), ";"));
}

TEST(HeaderMap, ClearKeepsNothingVisible) {
  HeaderMap map;
  map.Add("a", "1");
  map.Clear();
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.begin(), map.end());
  EXPECT_EQ(map.Get("a"), std::nullopt);
}

TEST(HeaderMap, ACopyIsIndependent) {
  HeaderMap map;
  map.Add("a", "1");
  HeaderMap copy = map;
  map.Set("a", "2");
  EXPECT_EQ(copy.Get("a"), "1");
}

TEST(Method, IsRecognisedByItsExactSpelling) {
  EXPECT_EQ(MethodOf("GET"), Method::kGet);
  EXPECT_EQ(MethodOf("HEAD"), Method::kHead);
  EXPECT_EQ(MethodOf("POST"), Method::kPost);
  EXPECT_EQ(MethodOf("PUT"), Method::kPut);
  EXPECT_EQ(MethodOf("DELETE"), Method::kDelete);
  EXPECT_EQ(MethodOf("CONNECT"), Method::kConnect);
  EXPECT_EQ(MethodOf("OPTIONS"), Method::kOptions);
  EXPECT_EQ(MethodOf("TRACE"), Method::kTrace);
  EXPECT_EQ(MethodOf("PATCH"), Method::kPatch);
  EXPECT_EQ(MethodOf("get"), Method::kOther);
  EXPECT_EQ(MethodOf("PROPFIND"), Method::kOther);
}

TEST(Method, SafeOnesAreThoseOfRfc9110) {
  for (Method m : {Method::kGet, Method::kHead, Method::kOptions, Method::kTrace}) {
    EXPECT_TRUE(IsSafe(m));
  }
  for (Method m : {Method::kPost, Method::kPut, Method::kDelete, Method::kConnect, Method::kPatch,
                   Method::kOther}) {
    EXPECT_FALSE(IsSafe(m));
  }
}

}  // namespace
}  // namespace tollgate::proxy
