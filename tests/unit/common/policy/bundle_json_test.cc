#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/policy/from_proto.h"
#include "common/policy/json_members.h"
#include "tests/unit/common/policy/bundle_for_test.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ErrorOf(absl::string_view json) {
  const auto bundle = BundleFromJson(json);
  return bundle.ok() ? "none" : std::string(bundle.status().message());
}

TEST(BundleFromJson, TakesBothSpellingsOfAName) {
  EXPECT_EQ(BundleFromJson(R"({"upstreams": [{"max_pending": 7}]})")->upstreams(0).max_pending(),
            7u);
  EXPECT_EQ(BundleFromJson(R"({"upstreams": [{"maxPending": 7}]})")->upstreams(0).max_pending(),
            7u);
}

TEST(BundleFromJson, RefusesUnknownMembers) {
  EXPECT_THAT(ErrorOf(R"({"upstreams": [{"name": "a", "max_pendign": 7}]})"),
              HasSubstr("max_pendign"));
  EXPECT_THAT(ErrorOf(R"({"listners": []})"), HasSubstr("listners"));
}

TEST(BundleFromJson, RefusesMembersThatStandTwiceWithLineAndPath) {
  EXPECT_EQ(ErrorOf("{\"upstreams\": [{},\n {\"name\": \"a\",\n  \"name\": \"b\"}]}"),
            "line 3: upstreams[1].name: this member stands here twice");
  EXPECT_EQ(ErrorOf(R"({"upstreams": [{"max_pending": 1, "maxPending": 2}]})"),
            "line 1: upstreams[0].maxPending: this member stands here twice");
  EXPECT_THAT(ErrorOf(R"({"upstreams": [], "\u0075pstreams": []})"), HasSubstr("an escape"));
}

TEST(BundleFromJson, RefusesUnknownEnumValues) {
  EXPECT_THAT(ErrorOf(R"({"upstreams": [{"protocol": "PROTOCOL_HTTP9"}]})"),
              HasSubstr("PROTOCOL_HTTP9"));
}

TEST(BundleFromJson, RefusesWhatIsNotStrictJson) {
  for (absl::string_view json : {"",
                                 "{",
                                 "[}",
                                 "{} {}",
                                 "{\"epoch\": }",
                                 "{'epoch': {}}",
                                 "{\"epoch\": {},}",
                                 "{\"endpoints\": [1,]}",
                                 "{\"epoch\": {\"release\": 01}}",
                                 "{\"epoch\": nul}",
                                 "{epoch: {}}",
                                 "{\"a\": \"\n\"}",
                                 "{\"a\": \"\\x\"}",
                                 "{\"a\": \"\\u12g4\"}",
                                 "{\"a\": \"",
                                 "{\"a\": \"\\",
                                 "{\"a\": 1.}",
                                 "{\"a\": 1e}",
                                 "{\"a\": -}",
                                 "// x\n{}"}) {
    EXPECT_FALSE(BundleFromJson(json).ok()) << json;
  }
}

TEST(BundleFromJson, RefusesDeepNesting) {
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("64 levels"));
}

TEST(BundleFromJson, NeverTellsASecret) {
  const std::string error = ErrorOf(R"({"secrets": [{"name": "a", "value": "hunter2!hunter2"}]})");
  EXPECT_THAT(error, HasSubstr("secrets[0].value"));
  EXPECT_THAT(error, Not(HasSubstr("hunter2")));
}

TEST(JsonMembers, AcceptsEverythingThatJsonHas) {
  const absl::Status status = internal::CheckJsonMembers(
      " {\"a\": [1, -0.5e+3, 2E-7, true, false, null, \"\\u00e9\\n\\\"\"], \"b\": {}, \"c\": []} ");
  EXPECT_TRUE(status.ok()) << status;
}

TEST(JsonMembers, LetsTheSameNameStandInDifferentObjects) {
  EXPECT_TRUE(internal::CheckJsonMembers(R"([{"a": {"a": 1}}, {"a": 2}])").ok());
}

TEST(BundleToRedactedJson, HidesSecretsHashesAndPrivateKeys) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_policy_sets(0)->mutable_issuers(0)->set_jwks(
      R"({"keys":[{"kty":"OKP","x":"public","d":"private"},{"kty":"oct","k":"symmetric"}]})");
  const std::string json = BundleToRedactedJson(bundle);
  EXPECT_THAT(json, Not(HasSubstr("cGVwcGVy")));
  EXPECT_THAT(json, Not(HasSubstr("MDEyMzQ1Njc4OTAx")));
  EXPECT_THAT(json, Not(HasSubstr("private")));
  EXPECT_THAT(json, Not(HasSubstr("symmetric")));
  EXPECT_THAT(json, HasSubstr("\"value\": \"<redacted>\""));
  EXPECT_THAT(json, HasSubstr("\"hash\": \"<redacted>\""));
  EXPECT_THAT(json, HasSubstr("public"));
  EXPECT_THAT(json, HasSubstr("\"max_pending\": 5"));
}

TEST(BundleToRedactedJson, HidesKeysThatItCannotRead) {
  config::v1::Bundle bundle;
  bundle.add_policy_sets()->add_issuers()->set_jwks("not JSON: k=symmetric");
  EXPECT_THAT(BundleToRedactedJson(bundle), Not(HasSubstr("symmetric")));
}

TEST(BundleToRedactedJson, OfAnythingButSecretsReadsBack) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.clear_secrets();
  bundle.clear_consumer_shards();
  bundle.mutable_policy_sets(0)->clear_issuers();
  const auto again = BundleFromJson(BundleToRedactedJson(bundle));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), bundle.SerializeAsString());
}

}  // namespace
}  // namespace tollgate
