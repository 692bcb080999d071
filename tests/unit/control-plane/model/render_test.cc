#include "control-plane/model/render.h"

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RenderYaml, IsStableAndReadable) {
  const ParseResult parsed = ParseDocuments("t.yaml", R"(
name: p
kind: Service
uses: [b, a]
retry_budget: {percent: 0}
plaintext: true
endpoints: ["10.0.0.1:80"]
response_headers: {x-b: "2", x-a: one}
environment: prod
apiVersion: tollgate/v1
)");
  ASSERT_EQ(ToString(parsed.problems), "");
  EXPECT_EQ(RenderYaml(parsed.documents[0].document), R"(apiVersion: tollgate/v1
environment: prod
kind: Service
name: p
endpoints:
  - address: "10.0.0.1:80"
uses:
  - b
  - a
plaintext: true
retry_budget:
  percent: 0
response_headers:
  x-a: one
  x-b: "2"
)");
}

TEST(RenderYaml, QuotesWhatReadersCouldMistake) {
  // Each stands as a grant, a header value and a key set, and comes back as it was.
  const std::vector<std::string> texts = {
      "no",        "true",        "null",   "~",
      "12",        "1e3",         "0x1f",   "2026-09-01",
      "- a",       "a: b",        "a #b",   "#a",
      "*a",        "&a",          "!a",     "{a}",
      "[a]",       "a\"b",        "a\\b",   "'a'",
      "%a",        "@a",          "`a",     "|",
      ">",         "a:",          " a",     "a ",
      "a\tb",      "a\nb",        "a\nb\n", "a\n\nb\n\n",
      "\na",       " a\n b",      "a \nb",  "a\n\tb",
      "a\r\nb",    "\xc3\xa9\nb", "---",    "...",
      "a\n---\nb", "? a",         "<<",     std::string(300, 'x')};
  for (const std::string& text : texts) {
    model::v1::Document document;
    document.set_kind("Issuer");
    document.set_name("i");
    document.mutable_issuer()->add_audiences(text);
    document.mutable_issuer()->mutable_keys()->set_jwks(text);
    const std::string yaml = RenderYaml(document);
    SCOPED_TRACE(yaml);
    const ParseResult again = ParseDocuments("t.yaml", yaml);
    ASSERT_EQ(ToString(again.problems), "");
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(document,
                                                                   again.documents.at(0).document));
  }
}

TEST(RenderJson, HasTheShapeOfTheYaml) {
  const ParseResult parsed =
      ParseDocuments("t.yaml",
                     "kind: Service\nname: p\nplaintext: true\nuses: [a]\n"
                     "max_pending: 0\nresponse_headers: {x-a: \"say \\\"hi\\\"\"}\n");
  EXPECT_EQ(RenderJson(parsed.documents.at(0).document), R"({
  "kind": "Service",
  "name": "p",
  "uses": [
    "a"
  ],
  "plaintext": true,
  "max_pending": 0,
  "response_headers": {
    "x-a": "say \"hi\""
  }
}
)");
  EXPECT_EQ(RenderJson(std::vector<model::v1::Document>()), "[]\n");
}

TEST(Redact, HidesKeySetsThatAreSecret) {
  model::v1::Document document;
  document.set_kind("Issuer");
  model::v1::Keys* keys = document.mutable_issuer()->mutable_keys();
  keys->set_jwks(R"({"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}]})");
  EXPECT_THAT(RenderYaml(Redact(document)), Not(HasSubstr("c2VjcmV0")));
  EXPECT_THAT(RenderYaml(Redact(document)), HasSubstr("<redacted>"));
  keys->set_jwks(R"({"keys":[{"kty":"EC","crv":"P-256","x":"eA","y":"eQ","d":"c2VjcmV0"}]})");
  EXPECT_THAT(RenderYaml(Redact(document)), Not(HasSubstr("c2VjcmV0")));
  keys->set_jwks("{ not JSON: c2VjcmV0");
  EXPECT_THAT(RenderYaml(Redact(document)), Not(HasSubstr("c2VjcmV0")));
  keys->set_jwks(ReadFile(absl::StrCat(Examples(), "/bank-login.jwks.json")).value());
  EXPECT_EQ(RenderYaml(Redact(document)), RenderYaml(document));
}

TEST(InlineFiles, PutsTheContentInThePlaceOfTheName) {
  ParseResult parsed =
      ParseDocuments("dir/t.yaml", "kind: Issuer\nname: i\nkeys:\n  file: k.json\n");
  SourceDocument& source = parsed.documents.at(0);
  std::string asked;
  EXPECT_TRUE(InlineFiles(&source, "dir", [&](const std::string& path) {
                asked = path;
                return absl::StatusOr<std::string>("{}");
              }).empty());
  EXPECT_EQ(asked, "dir/k.json");
  EXPECT_EQ(source.document.issuer().keys().jwks(), "{}");
  EXPECT_EQ(source.document.issuer().keys().file(), "");
  EXPECT_EQ(LineOf(source, "keys.jwks"), 4u);
}

TEST(InlineFiles, SaysWhichFileCannotBeRead) {
  const auto with = [](absl::StatusOr<std::string> content) {
    ParseResult parsed =
        ParseDocuments("t.yaml", "kind: Issuer\nname: i\nkeys: {file: /abs/k.json}\n");
    return ToString(InlineFiles(&parsed.documents.at(0), "dir", [&](const std::string& path) {
      EXPECT_EQ(path, "/abs/k.json");
      return content;
    }));
  };
  EXPECT_EQ(with(absl::NotFoundError("no such file")),
            "t.yaml:3: Issuer/i: keys.file: \"/abs/k.json\": cannot be read: no such file. The "
            "path is relative to the YAML file\n");
  EXPECT_THAT(with(std::string()), HasSubstr("is an empty file"));
  EXPECT_THAT(with(std::string("\xff")), HasSubstr("is not UTF-8 text"));
  EXPECT_THAT(with(std::string(600 * 1024, ' ')), HasSubstr("at most 524288"));
}

}  // namespace
}  // namespace tollgate::control
