#include "control-plane/release/diff.h"

#include "gmock/gmock.h"
#include "tests/unit/control-plane/release/release_fixture.h"

namespace tollgate::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Fields(const std::string& from, const std::string& to) {
  return DiffFields(ParseDocument(from), ParseDocument(to));
}
std::vector<std::string> ApiFields(const std::string& from, const std::string& to) {
  return Fields("api { " + from + " }", "api { " + to + " }");
}

TEST(Diff, SaysWhichDocumentsAreCreatedUpdatedAndDeleted) {
  const auto set = [](std::vector<SourceDocument> sources) {
    DocumentSet documents;
    for (SourceDocument& s : sources) {
      const DocumentKey key{s.document.kind(), s.document.name()};
      documents.emplace(key, Store(s.document));
    }
    return documents;
  };
  using Action = DocumentChange::Action;
  const auto changes =
      Diff(set({PlanOf("a", "1/second"), PlanOf("b", "2/second"), PlanOf("d", "4/second")}),
           set({PlanOf("b", "3/second"), PlanOf("c", "1/second"), PlanOf("d", "4/second")}));
  EXPECT_THAT(
      changes,
      ElementsAre(DocumentChange{{"Plan", "a"}, Action::kDeleted, {}},
                  DocumentChange{{"Plan", "b"}, Action::kUpdated, {"limit: 2/second -> 3/second"}},
                  DocumentChange{{"Plan", "c"}, Action::kCreated, {}}));
  EXPECT_THAT(Diff({}, {}), IsEmpty());
  EXPECT_EQ(ToString(Action::kDeleted), "deleted");
}

TEST(Diff, FindsNothingInEqualDocuments) {
  const std::string text = R"(api { versions { name: "v1" routes { name: "r" retry {} } } })";
  EXPECT_THAT(Fields(text, text), IsEmpty());
}

TEST(Diff, NamesElementsDeepInside) {
  EXPECT_THAT(ApiFields(R"(versions { name: "v2" routes { name: "pay" timeout: "5s" } })",
                        R"(versions { name: "v2" routes { name: "pay" timeout: "6s" } })"),
              ElementsAre("versions[v2].routes[pay].timeout: 5s -> 6s"));
}

TEST(Diff, ShowsScalarsOfEveryType) {
  EXPECT_THAT(Fields("owner: 'a' service { plaintext: true max_pending: 7 protocol: 'x' }",
                     "owner: 'b' service { max_pending: 0 max_connections: 5 }"),
              ElementsAre("owner: a -> b", "protocol: x -> (none)", "plaintext: true -> false",
                          "max_connections: (none) -> 5", "max_pending: 7 -> 0"));
}

TEST(Diff, TellsZeroFromLeftOut) {
  EXPECT_THAT(Fields("service { max_pending: 0 }", "service { }"),
              ElementsAre("max_pending: 0 -> (none)"));
  EXPECT_THAT(ApiFields("", "versions { name: 'v' routes { name: 'r' public: false } }"),
              ElementsAre("versions[v]: added", "versions[v].routes[r]: added"));
}

TEST(Diff, ComparesListsOfScalarsAsAWhole) {
  EXPECT_THAT(ApiFields("hosts: 'a' hosts: 'b'", "hosts: 'b'"),
              ElementsAre("hosts: [a, b] -> [b]"));
  EXPECT_THAT(ApiFields("", "hosts: 'b'"), ElementsAre("hosts: (none) -> [b]"));
}

TEST(Diff, ComparesMapsByKey) {
  EXPECT_THAT(
      Fields("plan { response_headers { key: 'a' value: '1' } response_headers { key: 'b' value: "
             "'2' } }",
             "plan { response_headers { key: 'b' value: '3' } response_headers { key: 'c' value: "
             "'' } }"),
      ElementsAre("response_headers[a]: \"1\" -> (none)", "response_headers[b]: \"2\" -> \"3\"",
                  "response_headers[c]: (none) -> \"\""));
}

TEST(Diff, ListsWhatAnAddedElementHolds) {
  EXPECT_THAT(
      ApiFields("versions { name: 'v1' }",
                "versions { name: 'v1' } versions { name: 'v2' state: 'active' routes { name: 'r' "
                "match: 'GET /' retry { max_retries: 1 } } }"),
      ElementsAre("versions[v2]: added", "versions[v2].state: (none) -> active",
                  "versions[v2].routes[r]: added", "versions[v2].routes[r].match: (none) -> GET /",
                  "versions[v2].routes[r].retry.max_retries: (none) -> 1"));
}

TEST(Diff, SaysThatAnElementWasRemoved) {
  EXPECT_THAT(ApiFields("versions { name: 'v1' state: 'x' } versions { name: 'v2' }",
                        "versions { name: 'v2' }"),
              ElementsAre("versions[v1]: removed"));
}

TEST(Diff, SaysThatNamedElementsHaveANewOrder) {
  EXPECT_THAT(ApiFields("versions { name: 'a' } versions { name: 'b' } versions { name: 'x' }",
                        "versions { name: 'b' } versions { name: 'n' } versions { name: 'a' }"),
              ElementsAre("versions[n]: added", "versions[x]: removed",
                          "versions: order: [a, b] -> [b, a]"));
}

TEST(Diff, MatchesEndpointsByAddress) {
  EXPECT_THAT(
      Fields("service { endpoints { address: '1:1' } endpoints { address: '2:2' weight: 1 } }",
             "service { endpoints { address: '2:2' weight: 9 } endpoints { address: '3:3' } }"),
      ElementsAre("endpoints[2:2].weight: 1 -> 9", "endpoints[3:3]: added",
                  "endpoints[1:1]: removed"));
}

TEST(Diff, MatchesByPositionWhatHasNoName) {
  EXPECT_THAT(ApiFields("authenticate { jwt: 'a' }",
                        "authenticate { jwt: 'b' } authenticate { api_key { } }"),
              ElementsAre("authenticate[0].jwt: a -> b", "authenticate[1]: added",
                          "authenticate[1].api_key: (none) -> {}"));
  EXPECT_THAT(ApiFields("versions { state: 'a' }", "versions { name: 'v' state: 'b' }"),
              ElementsAre("versions[0].name: (none) -> v", "versions[0].state: a -> b"));
  EXPECT_THAT(ApiFields("versions { name: 'v' state: 'a' } versions { name: 'v' }",
                        "versions { name: 'v' state: 'b' } versions { name: 'v' }"),
              ElementsAre("versions[0].state: a -> b"));
}

TEST(Diff, SaysThatAnEmptyMessageCameOrWent) {
  EXPECT_THAT(Fields("service { }", "service { retry_budget { } }"),
              ElementsAre("retry_budget: (none) -> {}"));
  EXPECT_THAT(Fields("service { retry_budget { percent: 5 } }", "service { }"),
              ElementsAre("retry_budget.percent: 5 -> (none)"));
}

TEST(Diff, NeverShowsAKeySet) {
  EXPECT_THAT(Fields("issuer { keys { jwks: 'secret1' } }", "issuer { keys { jwks: 'secret2' } }"),
              ElementsAre("keys.jwks: (changed)"));
  EXPECT_THAT(Fields("issuer { }", "issuer { keys { jwks: 'secret2' } }"),
              ElementsAre("keys.jwks: (none) -> (set)"));
  EXPECT_THAT(Fields("issuer { keys { jwks: 'secret1' } }", "issuer { keys { file: 'a' } }"),
              ElementsAre("keys.file: (none) -> a", "keys.jwks: (set) -> (none)"));
}

TEST(Diff, CutsAndEscapesLongValuesButTellsThemApart) {
  const std::string common(300, 'x');
  const auto lines = Fields("owner: '" + common + "1'", "owner: '" + common + "2'");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LT(lines[0].size(), 280u);
  EXPECT_THAT(Fields("owner: 'a'", "owner: 'b\\n\\033'"), ElementsAre("owner: a -> b\\n\\033"));
}

TEST(DocumentSet, SerialisesMapsInOneOrder) {
  model::v1::Document a, b;
  for (int i = 0; i < 50; ++i) {
    (*a.mutable_plan()->mutable_response_headers())[absl::StrCat("h", i)] = "v";
    (*b.mutable_plan()->mutable_response_headers())[absl::StrCat("h", 49 - i)] = "v";
  }
  EXPECT_EQ(SerializeDeterministically(a), SerializeDeterministically(b));
  EXPECT_EQ(Store(a), Store(b));
}

TEST(DocumentSet, HasOneDigestForEqualSetsOnly) {
  const DocumentSet one = {{{"Plan", "a"}, Store(PlanOf("a", "1").document)}};
  const DocumentSet same = {{{"Plan", "a"}, Store(PlanOf("a", "1").document)}};
  const DocumentSet other = {{{"Plan", "a"}, Store(PlanOf("a", "2").document)}};
  const DocumentSet renamed = {{{"Plana", ""}, Store(PlanOf("a", "1").document)}};
  EXPECT_EQ(DigestOf(one), DigestOf(same));
  EXPECT_EQ(DigestOf(one).size(), 64u);
  EXPECT_NE(DigestOf(one), DigestOf(other));
  EXPECT_NE(DigestOf(one), DigestOf(renamed));
}

}  // namespace
}  // namespace tollgate::control
