#include "common/policy/json_pointer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(absl::string_view text) {
  const auto parsed = ParseJsonPointer(text);
  EXPECT_FALSE(parsed.ok()) << text;
  return std::string(parsed.status().message());
}

// Of RFC 6901 section 5, but for the pointer to the whole text.
TEST(JsonPointer, ReadsWhatTheRfcLists) {
  EXPECT_THAT(*ParseJsonPointer("/foo"), ElementsAre("foo"));
  EXPECT_THAT(*ParseJsonPointer("/foo/0"), ElementsAre("foo", "0"));
  EXPECT_THAT(*ParseJsonPointer("/"), ElementsAre(""));
  EXPECT_THAT(*ParseJsonPointer("/a~1b"), ElementsAre("a/b"));
  EXPECT_THAT(*ParseJsonPointer("/c%d"), ElementsAre("c%d"));
  EXPECT_THAT(*ParseJsonPointer("/i\\j"), ElementsAre("i\\j"));
  EXPECT_THAT(*ParseJsonPointer("/ "), ElementsAre(" "));
  EXPECT_THAT(*ParseJsonPointer("/m~0n"), ElementsAre("m~n"));
  EXPECT_THAT(*ParseJsonPointer("/~01"), ElementsAre("~1")) << "not a slash";
}

TEST(JsonPointer, SaysWhatWasExpected) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("does not begin with '/'"));
  EXPECT_THAT(ErrorOf("amount"), HasSubstr("expected a JSON Pointer (RFC 6901)"));
  EXPECT_THAT(ErrorOf("/a~"), HasSubstr("'~' without 0 or 1"));
  EXPECT_THAT(ErrorOf("/a~2"), HasSubstr("'~' without 0 or 1"));
  EXPECT_THAT(ErrorOf("/a\n"), HasSubstr("control character"));
  EXPECT_THAT(ErrorOf("/1/2/3/4/5/6/7/8/9"), HasSubstr("9 parts, more than 8"));
  EXPECT_THAT(ErrorOf(std::string(256, '/')), HasSubstr("longer than 255 bytes"));
}

}  // namespace
}  // namespace tollgate
