// Faults of a route: what is understood, what is refused, and that an environment has to allow
// them.
#include "control-plane/model/faults_allowed.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Yaml(absl::string_view faults) {
  return absl::StrCat(
      "kind: Service\nname: p\nlocal: 127.0.0.1:9\nendpoints: [127.0.0.1:8]\n---\n"
      "kind: Api\nname: p\nhosts: [p.example]\nservice: p\nversions:\n  - name: v1\n    routes:\n"
      "      - {name: other, match: GET /other, public: true}\n"
      "      - name: r\n        match: GET /r\n        public: true\n        faults: ",
      faults, "\n");
}
FaultsPolicy Faults(absl::string_view faults) {
  return ModelOf(Yaml(faults)).apis.at("p").versions.at(0).routes.at(1).faults;
}
std::string Problems(absl::string_view faults) { return ProblemsOf(Yaml(faults)); }

TEST(CompileFaults, TakesDelayAndAbortByShareAndHeader) {
  const FaultsPolicy delay = Faults("{delay: {duration: 2s, percent: 10}}");
  EXPECT_EQ(delay.delay, (FaultDelayPolicy{std::chrono::seconds(2), 1000, {}}));
  EXPECT_EQ(delay.abort, FaultAbortPolicy());
  const FaultsPolicy both = Faults(
      "{delay: {duration: 5ms, percent: \"0.01\", header: {name: X-Rehearsal}},"
      " abort: {status: 503, percent: 100, header: {name: X-Who, value: team-cards}}}");
  EXPECT_EQ(both.delay, (FaultDelayPolicy{std::chrono::milliseconds(5), 1, {"x-rehearsal", ""}}));
  EXPECT_EQ(both.abort, (FaultAbortPolicy{503, 10'000, {"x-who", "team-cards"}}));
}

TEST(CompileFaults, RefusesWhatIsMissingOrOutOfRange) {
  const auto expect = [](absl::string_view faults, absl::string_view problem) {
    EXPECT_THAT(Problems(faults), HasSubstr(std::string(problem))) << faults;
  };
  expect("{}", "routes[1].faults: is empty; expected delay or abort");
  expect("{delay: {percent: 10}}", "faults.delay.duration: is missing");
  expect("{delay: {duration: 2h, percent: 10}}",
         "faults.delay.duration: \"2h\": expected at most 1h");
  expect("{delay: {duration: 2s}}", "faults.delay.percent: is missing");
  for (const char* percent : {"0", "101", "\"0.001\"", "some", "-1"}) {
    expect(absl::StrCat("{delay: {duration: 2s, percent: ", percent, "}}"),
           "expected above 0 to 100, with at most two decimals");
  }
  expect("{abort: {percent: 10}}", "faults.abort.status: is missing; expected 400 to 599");
  // A made-up success would be believed.
  expect("{abort: {status: 200, percent: 10}}", "faults.abort.status: \"200\": expected");
  expect("{abort: {status: 503, percent: 10, header: {value: x}}}",
         "faults.abort.header.name: is missing");
  expect("{abort: {status: 503, percent: 10, header: {name: \"a b\"}}}",
         "faults.abort.header.name");
  expect("{abort: {status: 503, percent: 10, header: {name: a, value: \"a\\rb\"}}}",
         "faults.abort.header.value: expected at most 1024 bytes");
}

TEST(RefuseFaults, NamesTheRouteWithFileLineAndRemedy) {
  const ParseResult parsed =
      ParseDocuments("t.yaml", Yaml("{abort: {status: 503, percent: \"1\"}}"));
  const std::vector<Problem> problems = RefuseFaults("production", parsed.documents);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].file, "t.yaml");
  EXPECT_EQ(problems[0].line, 17u);
  EXPECT_EQ(problems[0].document, "Api/p");
  EXPECT_EQ(problems[0].field, "versions[0].routes[1].faults");
  EXPECT_THAT(problems[0].message, HasSubstr("environment 'production' does not allow"));
  EXPECT_THAT(problems[0].remedy, HasSubstr("--allow-faults production"));
}

TEST(RefuseFaults, HasNothingAgainstDocumentsWithout) {
  EXPECT_THAT(RefuseFaults("production", ReadExample("card-payments.yaml")), IsEmpty());
  EXPECT_EQ(RefuseFaults("production", ReadExample("faults.yaml")).size(), 2u);
}

}  // namespace
}  // namespace tollgate::control
