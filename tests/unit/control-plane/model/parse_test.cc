#include "control-plane/model/parse.h"

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ParseProblems(absl::string_view yaml) {
  return ToString(ParseDocuments("t.yaml", yaml).problems);
}

TEST(ParseDocuments, ReadsEveryKindOfField) {
  const ParseResult result = ParseDocuments("t.yaml", R"(
apiVersion: tollgate/v1
environment: prod
kind: Service
name: payments
owner: team-cards
local: 127.0.0.1:9000
endpoints: [10.0.0.1:80, {address: 10.0.0.2:80, weight: 3}]
plaintext: true
retry_budget: {percent: 0}
response_headers: {x-a: b}
)");
  ASSERT_EQ(ToString(result.problems), "");
  ASSERT_EQ(result.documents.size(), 1u);
  const model::v1::Document& document = result.documents[0].document;
  EXPECT_EQ(document.api_version(), "tollgate/v1");
  EXPECT_EQ(document.environment(), "prod");
  EXPECT_EQ(DocumentId(document), "Service/payments");
  EXPECT_EQ(document.owner(), "team-cards");
  const model::v1::Service& service = document.service();
  EXPECT_EQ(service.endpoints(0).address(), "10.0.0.1:80");
  EXPECT_FALSE(service.endpoints(0).has_weight());
  EXPECT_EQ(service.endpoints(1).weight(), 3u);
  EXPECT_TRUE(service.plaintext());
  EXPECT_TRUE(service.retry_budget().has_percent());
  EXPECT_FALSE(service.retry_budget().has_min_concurrent());
  EXPECT_EQ(service.response_headers().at("x-a"), "b");
}

TEST(ParseDocuments, RemembersWhereEachFieldStands) {
  const ParseResult result = ParseDocuments("t.yaml", R"(# comment
kind: Api
name: a
versions:
  - name: v1
    routes:
      - name: r
        match: GET /
)");
  ASSERT_EQ(result.documents.size(), 1u);
  const SourceDocument& source = result.documents[0];
  EXPECT_EQ(source.line, 2u);
  EXPECT_EQ(LineOf(source, "versions[0].routes[0].match"), 8u);
  EXPECT_EQ(LineOf(source, "versions[0].routes[0].require"), 7u);  // the nearest around it
  EXPECT_EQ(LineOf(source, "versions[0]"), 5u);
  EXPECT_EQ(LineOf(source, "hosts"), 2u);
}

TEST(ParseDocuments, ReadsSeveralDocumentsAndPassesOverEmptyOnes) {
  const ParseResult result =
      ParseDocuments("t.yaml",
                     "---\n---\nkind: Plan\nname: a\n---\n# only a comment\n---\n"
                     "kind: Plan\nname: b\n...\n");
  EXPECT_EQ(ToString(result.problems), "");
  ASSERT_EQ(result.documents.size(), 2u);
  EXPECT_EQ(result.documents[1].line, 8u);
  EXPECT_THAT(ParseDocuments("t.yaml", "").documents, IsEmpty());
}

TEST(ParseDocuments, NamesTheFieldThatWasProbablyMeant) {
  EXPECT_EQ(ParseProblems("kind: Service\nname: p\nendpoint: [10.0.0.1:80]\n"),
            "t.yaml:3: Service/p: endpoint: unknown field of Service. Did you mean endpoints?\n");
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nmaxConnections: 3\n"),
              HasSubstr("Did you mean max_connections?"));
  EXPECT_THAT(
      ParseProblems("kind: Service\nname: p\nretry_budget: {procent: 3}\n"),
      HasSubstr("retry_budget.procent: unknown field of RetryBudget. Did you mean percent?"));
  EXPECT_THAT(ParseProblems("kind: service\nname: p\n"),
              HasSubstr("kind: \"service\": unknown kind. Did you mean Service?"));
  EXPECT_THAT(ParseProblems("kind: Zebra\nname: p\n"),
              HasSubstr("Known: Api, Consumer, Issuer, Listener, Plan, Service"));
  EXPECT_THAT(ParseProblems("api_version: tollgate/v1\nkind: Plan\nname: p\n"),
              HasSubstr("api_version: unknown field of Plan. Did you mean apiVersion?"));
  EXPECT_THAT(ParseProblems("name: p\n"), HasSubstr("kind: is missing"));
}

TEST(ParseDocuments, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(ParseProblems("kind: Plan\nname: a\nname: b\n"),
            "t.yaml:3: Plan/a: name: duplicate key: it stands in line 2 already. Keep "
            "one of the two\n");
  EXPECT_THAT(
      ParseProblems("kind: Service\nname: a\nendpoints:\n  - {address: a:1, address: b:1}\n"),
      HasSubstr("t.yaml:4: Service/a: endpoints[0].address: duplicate key"));
}

TEST(ParseDocuments, RefusesWhatYamlLeavesToChance) {
  EXPECT_THAT(ParseProblems("kind: Plan\nname: &x a\nlimit: *x\n"),
              HasSubstr("an alias is refused"));
  EXPECT_THAT(ParseProblems("kind: Plan\nname: &x a\n"), HasSubstr("an anchor is refused"));
  EXPECT_THAT(ParseProblems("kind: Plan\nname: !!str a\n"), HasSubstr("a tag is refused"));
  EXPECT_THAT(ParseProblems("kind: Plan\nname: a\n<<: {limit: x}\n"),
              HasSubstr("merge keys are refused"));
  EXPECT_THAT(ParseProblems("kind: Plan\nname: a\n? [x, y]\n: z\n"),
              HasSubstr("a key must be a single word"));
  EXPECT_THAT(ParseProblems("kind: Plan\nname: \"a\\u0000b\"\n"),
              HasSubstr("holds a control character"));
}

TEST(ParseDocuments, KnowsOnlyTrueAndFalse) {
  for (const char* word : {"yes", "no", "on", "off", "True", "FALSE", "y", "1", "\"true\""}) {
    EXPECT_THAT(ParseProblems(absl::StrCat("kind: Service\nname: p\nplaintext: ", word, "\n")),
                HasSubstr("plaintext: "))
        << word;
  }
  // Nor is a text ever one by accident.
  EXPECT_THAT(ParseProblems("kind: Consumer\nname: c\ngrants: [no]\n"),
              HasSubstr("grants[0]: \"no\": expected a text; YAML readers take this for a boolean. "
                        "Put it in quotes: \"no\""));
  EXPECT_EQ(ParseProblems("kind: Consumer\nname: c\ngrants: [\"no\"]\n"), "");
}

TEST(ParseDocuments, SaysWhichTypeWasExpected) {
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nendpoints: 10.0.0.1:80\n"),
              HasSubstr("expected a list, found a single value. Put it in brackets"));
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nlocal: [a]\n"),
              HasSubstr("expected a text, found a list"));
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nretry_budget: 20\n"),
              HasSubstr("expected a mapping, found a single value"));
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nresponse_headers: [a]\n"),
              HasSubstr("expected a mapping of names to texts, found a list"));
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nlocal:\n"), HasSubstr("local: has no value"));
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nlocal: ~\n"), HasSubstr("has no value"));
  EXPECT_THAT(ParseProblems("kind: Service\nname: p\nlocal: ''\n"), HasSubstr("is an empty text"));
  EXPECT_THAT(ParseProblems("- kind: Service\n"),
              HasSubstr("expected a mapping with kind and name"));
}

TEST(ParseDocuments, ChecksNumbers) {
  const auto with = [](absl::string_view number) {
    return ParseProblems(absl::StrCat("kind: Service\nname: p\nmax_connections: ", number, "\n"));
  };
  EXPECT_EQ(with("4294967295"), "");
  EXPECT_THAT(with("4294967296"), HasSubstr("is too large; at most 4294967295"));
  for (const char* bad : {"-1", "1.5", "0x10", "010", "1_000", "1e3", "ten", "\"10\"", "[1]"}) {
    EXPECT_THAT(with(bad), HasSubstr("expected a whole number in decimal digits")) << bad;
  }
}

TEST(ParseDocuments, ExplainsSyntaxErrors) {
  const auto first_line = [](absl::string_view yaml) { return ParseProblems(yaml); };
  EXPECT_THAT(first_line("kind: Plan\n\tname: a\n"), HasSubstr("t.yaml:2: not YAML: a tab"));
  EXPECT_THAT(first_line("kind: {a: b\n"), HasSubstr("not YAML"));
  EXPECT_THAT(first_line("kind: \"Plan\n"), HasSubstr("a quote is not closed"));
  EXPECT_THAT(first_line("kind: Plan\nlimit: a: b\n"),
              HasSubstr("t.yaml:2: not YAML: a second ':'"));
  EXPECT_THAT(first_line("kind: Plan\nname: a\n]\n"), HasSubstr("not YAML"));
  EXPECT_FALSE(ParseDocuments("t.yaml", "kind: \"Plan\n").whole);
}

TEST(ParseDocuments, WantsUtf8WithoutControlCharacters) {
  EXPECT_THAT(ParseProblems("kind: Plan\nname: \xff\n"),
              HasSubstr("t.yaml:2: byte 0xff is not UTF-8 text"));
  EXPECT_THAT(ParseProblems(absl::string_view("kind: Pl\0n\n", 11)), HasSubstr("byte 0x00"));
  EXPECT_THAT(ParseProblems("a: \xed\xa0\x80"), HasSubstr("not UTF-8"));      // a surrogate
  EXPECT_THAT(ParseProblems("a: \xc0\xaf"), HasSubstr("not UTF-8"));          // overlong
  EXPECT_THAT(ParseProblems("a: \xf4\x90\x80\x80"), HasSubstr("not UTF-8"));  // above U+10FFFF
  EXPECT_EQ(
      ParseProblems("\xef\xbb\xbfkind: Plan\nname: a\n# \xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xb3\n"),
      "");
}

TEST(ParseDocuments, BoundsSizeDepthAndNumber) {
  EXPECT_THAT(ParseProblems(std::string(kMaxYamlBytes + 1, '#')), HasSubstr("at most 4194304"));
  const std::string deep = absl::StrCat("a: ", std::string(1000, '['), std::string(1000, ']'));
  EXPECT_THAT(ParseProblems(deep), HasSubstr("is nested deeper than 32 levels"));
  std::string many;
  for (size_t i = 0; i <= kMaxYamlDocuments; ++i) many += "---\nkind: Plan\nname: a\n";
  EXPECT_THAT(ParseProblems(many), HasSubstr("more than 10000 documents"));
  std::string wrong = "kind: Consumer\nname: c\ngrants:\n";
  for (size_t i = 0; i < 2 * kMaxProblems; ++i) wrong += "  - no\n";
  EXPECT_EQ(ParseDocuments("t.yaml", wrong).problems.size(), kMaxProblems + 1);
}

TEST(ParseDocuments, ReportsAllProblemsAtOnceAndMarksBrokenDocuments) {
  const ParseResult result = ParseDocuments("t.yaml", R"(kind: Plan
name: good
---
kind: Plan
name: bad
limits: 3
per: {a: b}
---
name: nothing
---
kind: Consumer
name: twice
plan: a
plan: b
)");
  EXPECT_EQ(result.problems.size(), 4u) << ToString(result.problems);
  EXPECT_TRUE(result.whole);
  ASSERT_EQ(result.documents.size(), 3u);
  EXPECT_FALSE(result.documents[0].broken);
  EXPECT_TRUE(result.documents[1].broken);
  EXPECT_TRUE(result.documents[2].broken);
  EXPECT_EQ(result.problems[3].document, "Consumer/twice");
}

TEST(Problem, IsOneReadableLine) {
  Problem problem{"payments.yaml",
                  12,
                  "Api/card-payments",
                  "versions[0].routes[1].match",
                  "FETCH /x",
                  "unknown method; expected one of GET, POST or ANY",
                  "Write the method in capitals"};
  EXPECT_EQ(ToString(problem),
            "payments.yaml:12: Api/card-payments: versions[0].routes[1].match: \"FETCH /x\": "
            "unknown method; expected one of GET, POST or ANY. Write the method in capitals");
  EXPECT_EQ(ToString(Problem{"", 0, "", "", "", "why", ""}), "why");
  problem.value = absl::StrCat("a\nb\x01", std::string(200, 'x'));
  EXPECT_THAT(ToString(problem), HasSubstr("\"a\\nb\\x01xxx"));
  EXPECT_THAT(ToString(problem), HasSubstr("xxx...\""));
}

}  // namespace
}  // namespace tollgate::control
