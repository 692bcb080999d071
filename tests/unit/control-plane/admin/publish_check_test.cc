#include "control-plane/admin/publish_check.h"

#include "control-plane/model/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

using ::testing::HasSubstr;

constexpr char kWithFaults[] = R"(
kind: Service
name: p
local: 127.0.0.1:9
endpoints: [127.0.0.1:8]
---
kind: Api
name: p
hosts: [p.example]
service: p
versions:
  - name: v1
    routes:
      - name: r
        match: GET /r
        public: true
        faults: {abort: {status: 503, percent: 10}}
)";

class PublishCheckTest : public ::testing::Test {
 protected:
  std::string ProblemsIn(const std::string& environment, std::set<std::string> allowed) {
    const PublishCheck check(
        fleet_, [](absl::string_view) { return DocumentSet(); }, std::move(allowed));
    const ParseResult parsed = ParseDocuments("t.yaml", kWithFaults);
    EXPECT_EQ(ToString(parsed.problems), "");
    return ToString(check(environment, parsed.documents));
  }

  FakeClock clock_;
  Fleet fleet_{&clock_};
};

TEST_F(PublishCheckTest, RefusesFaultsWhereNobodyAllowedThem) {
  EXPECT_THAT(ProblemsIn("default", {}),
              HasSubstr("t.yaml:17: Api/p: versions[0].routes[0].faults: injects faults, which "
                        "environment 'default' does not allow"));
}

TEST_F(PublishCheckTest, AllowsFaultsInTheEnvironmentsThatWereNamedAlone) {
  EXPECT_EQ(ProblemsIn("staging", {"rehearsal", "staging"}), "");
  EXPECT_THAT(ProblemsIn("production", {"rehearsal", "staging"}),
              HasSubstr("environment 'production' does not allow"));
}

}  // namespace
}  // namespace tollgate::control
