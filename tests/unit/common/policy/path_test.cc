#include "common/policy/path.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;

std::string Canonical(absl::string_view raw) {
  std::string scratch;
  const CanonicalResult result = CanonicalPath(raw, &scratch);
  return result.ok() ? std::string(result.path) : absl::StrCat("error: ", ToString(result.error));
}
PathError ErrorOf(absl::string_view raw) {
  std::string scratch;
  return CanonicalPath(raw, &scratch).error;
}

TEST(CanonicalPath, LeavesACanonicalPathWhereItIs) {
  for (absl::string_view raw :
       {"/", "/payments/42", "/payments/", "/a.b/.c/..d/e..", "/...", "/~x/-._~!$&'()*+,=:@",
        "/caf%C3%A9", "/%3F%23%5B%25", "/a=1,2/b"}) {
    std::string scratch = "untouched";
    const CanonicalResult result = CanonicalPath(raw, &scratch);
    ASSERT_TRUE(result.ok()) << raw;
    EXPECT_EQ(result.path.data(), raw.data()) << raw << " was copied";
    EXPECT_EQ(result.path, raw);
    EXPECT_EQ(scratch, "untouched");
  }
}

TEST(CanonicalPath, DecodesUnreservedAndRaisesOtherHexDigits) {
  EXPECT_EQ(Canonical("/%70ay%6Dents/%7e%2D%5f%2e%41%39"), "/payments/~-_.A9");
  EXPECT_EQ(Canonical("/caf%c3%a9%3a"), "/caf%C3%A9%3A");
  EXPECT_EQ(Canonical("/100%25"), "/100%25");
}

TEST(CanonicalPath, DecodesOnce) {
  EXPECT_EQ(Canonical("/%252e%252e/x"), "/%252e%252e/x");
  EXPECT_EQ(Canonical("/%252F"), "/%252F");
}

TEST(CanonicalPath, MergesSlashes) {
  EXPECT_EQ(Canonical("//"), "/");
  EXPECT_EQ(Canonical("//payments///42//"), "/payments/42/");
  EXPECT_EQ(Canonical("/a//../b"), "/b");
}

TEST(CanonicalPath, ResolvesDotSegments) {
  EXPECT_EQ(Canonical("/a/./b/../c"), "/a/c");
  EXPECT_EQ(Canonical("/a/.."), "/");
  EXPECT_EQ(Canonical("/a/b/.."), "/a/");
  EXPECT_EQ(Canonical("/a/."), "/a/");
  EXPECT_EQ(Canonical("/."), "/");
  EXPECT_EQ(Canonical("/public/%2e%2E/admin"), "/admin");
  EXPECT_EQ(Canonical("/a/.%2e/b"), "/b");
  EXPECT_EQ(Canonical("/a/b/c/./../../g"), "/a/g");  // RFC 3986 section 5.2.4
}

TEST(CanonicalPath, RefusesToLeaveTheRoot) {
  for (absl::string_view raw : {"/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e/", "/.//../x"}) {
    EXPECT_EQ(ErrorOf(raw), PathError::kAboveRoot) << raw;
  }
}

TEST(CanonicalPath, RefusesWhatTwoServersReadDifferently) {
  EXPECT_EQ(ErrorOf("/a%2Fb"), PathError::kEncodedSlash);
  EXPECT_EQ(ErrorOf("/a%2fb"), PathError::kEncodedSlash);
  EXPECT_EQ(ErrorOf("/a\\b"), PathError::kBackslash);
  EXPECT_EQ(ErrorOf("/a%5Cb"), PathError::kBackslash);
  EXPECT_EQ(ErrorOf("/a%5cb"), PathError::kBackslash);
  for (absl::string_view raw : {"/export;x", "/export;", "/a;v=1/b", "/export%3Bx", "/export%3bx",
                                "/public/..;/admin", "/public/%2e%2e;x=1/admin", "//a;"}) {
    EXPECT_EQ(ErrorOf(raw), PathError::kParameter) << raw;
  }
}

TEST(CanonicalPath, TellsWhichReservedCharactersAreEscaped) {
  const auto escaped = [](absl::string_view raw) {
    std::string scratch;
    return CanonicalPath(raw, &scratch).escaped;
  };
  EXPECT_EQ(escaped("/a:b@c"), 0);
  EXPECT_EQ(escaped("/caf%C3%A9%20%41"), 0);
  EXPECT_EQ(escaped("/a%3Ab"), ReservedIn(":"));
  EXPECT_EQ(escaped("/a%3ab%40"), ReservedIn(":@"));
  EXPECT_EQ(escaped("//a%2Cb"), ReservedIn(","));
  EXPECT_EQ(escaped("/a%3Ab/../c%40"), ReservedIn("@") | ReservedIn(":"));
  for (size_t i = 0; i < kReservedInPath.size(); ++i) {
    EXPECT_EQ(ReservedIn(kReservedInPath.substr(i, 1)), 1 << i);
  }
}

TEST(CanonicalPath, RefusesControlCharactersBareAndEscaped) {
  EXPECT_EQ(ErrorOf(absl::string_view("/a\0b", 4)), PathError::kControl);
  for (absl::string_view raw : {"/a%00", "/%0d%0a", "/%1F", "/%7f", "/a\tb", "/a\x7f"}) {
    EXPECT_EQ(ErrorOf(raw), PathError::kControl) << raw;
  }
}

TEST(CanonicalPath, RefusesBadEscapes) {
  for (absl::string_view raw : {"/%", "/%2", "/%zz", "/%2x", "/%-1", "/a%", "/%u0041", "/% 41"}) {
    EXPECT_EQ(ErrorOf(raw), PathError::kBadEscape) << raw;
  }
}

TEST(CanonicalPath, RefusesWhatMustBeEscaped) {
  for (absl::string_view raw :
       {"/a b", "/a?b", "/a#b", "/\"", "/<", "/{id}", "/a|b", "/a^", "/`", "/[", "/caf\xc3\xa9"}) {
    EXPECT_EQ(ErrorOf(raw), PathError::kBadCharacter) << raw;
  }
}

TEST(CanonicalPath, RefusesWhatIsNotAbsolute) {
  for (absl::string_view raw : {"", "*", "a/b", "http://x/", "%2Fa"}) {
    EXPECT_EQ(ErrorOf(raw), PathError::kNotAbsolute) << raw;
  }
}

TEST(CanonicalPath, RefusesBehindAChangeToo) {
  EXPECT_EQ(ErrorOf("//a%2Fb"), PathError::kEncodedSlash);
  EXPECT_EQ(ErrorOf("/./a\\b"), PathError::kBackslash);
  EXPECT_EQ(ErrorOf("//%4"), PathError::kBadEscape);
}

// Every string over a small alphabet of what matters: the result is canonical and short.
TEST(CanonicalPath, IsIdempotent) {
  constexpr absl::string_view kParts[] = {"/", ".", "a", "%2e", "%C3", "=", "%25"};
  int accepted = 0;
  for (int n = 0; n < 7 * 7 * 7 * 7 * 7 * 7; ++n) {
    std::string raw = "/";
    for (int i = 0, rest = n; i < 6; ++i, rest /= 7) absl::StrAppend(&raw, kParts[rest % 7]);
    std::string scratch, again;
    const CanonicalResult once = CanonicalPath(raw, &scratch);
    if (!once.ok()) continue;
    ++accepted;
    const CanonicalResult twice = CanonicalPath(once.path, &again);
    ASSERT_TRUE(twice.ok()) << raw << " -> " << once.path;
    ASSERT_EQ(twice.path.data(), once.path.data()) << raw << " -> " << once.path;
    ASSERT_LE(once.path.size(), raw.size());
    ASSERT_EQ(once.path.find("//"), absl::string_view::npos);
    ASSERT_EQ(once.path.find("/../"), absl::string_view::npos);
  }
  EXPECT_GT(accepted, 50'000);
}

PathSegment Literal(std::string text) { return {PathSegment::Kind::kLiteral, std::move(text)}; }
PathSegment Parameter(std::string text) { return {PathSegment::Kind::kParameter, std::move(text)}; }
PathSegment Tail() { return {PathSegment::Kind::kTail, ""}; }

TEST(PathTemplate, IsASequenceOfSegments) {
  using Segments = std::vector<PathSegment>;
  EXPECT_EQ(*ParsePathTemplate("/"), (Segments{Literal("")}));
  EXPECT_EQ(*ParsePathTemplate("/payments/{id}"), (Segments{Literal("payments"), Parameter("id")}));
  EXPECT_EQ(*ParsePathTemplate("/{a}/b/**"), (Segments{Parameter("a"), Literal("b"), Tail()}));
  EXPECT_EQ(*ParsePathTemplate("/**"), (Segments{Tail()}));
  EXPECT_EQ(*ParsePathTemplate("/a/"), (Segments{Literal("a"), Literal("")}));
}

TEST(PathTemplate, NamesWhatIsWrong) {
  const std::pair<absl::string_view, absl::string_view> cases[] = {
      {"", "begins with '/'"},
      {"payments", "begins with '/'"},
      {"/a//b", "empty segment"},
      {"//", "empty segment"},
      {"/**/a", "must be the last"},
      {"/**/", "must be the last"},
      {"/a*", "wildcard"},
      {"/*", "wildcard"},
      {"/{}", "expected {name}"},
      {"/a%3Ab", "expected the character itself"},
      {"/a;b", "';'"},
      {"/{1a}", "expected {name}"},
      {"/{a}/{a}", "twice"},
      {"/x{a}", "mixes text and braces"},
      {"/{a}.json", "mixes text and braces"},
      {"/a/../b", "leave the root"},
      {"/a/./b", "not canonical"},
      {"/%70ay", "expected \"pay\""},
      {"/caf%c3%a9", "expected \"caf%C3%A9\""},
      {"/a b", "percent-encoded"},
      {"/a?b=c", "percent-encoded"},
  };
  for (const auto& [text, why] : cases) {
    const auto result = ParsePathTemplate(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(std::string(why))) << text;
  }
}

TEST(PathTemplate, HasAMostDepth) {
  std::string text;
  for (size_t i = 0; i < kMaxTemplateSegments; ++i) text += "/a";
  EXPECT_TRUE(ParsePathTemplate(text).ok());
  EXPECT_FALSE(ParsePathTemplate(text + "/a").ok());
}

}  // namespace
}  // namespace tollgate
