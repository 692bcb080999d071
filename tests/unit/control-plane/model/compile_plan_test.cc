// The rules about plans, and about what a request costs under them.
#include "control-plane/model/render.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Plan(absl::string_view more) {
  return ProblemsOf(absl::StrCat("kind: Plan\nname: p\n", more));
}
PlanPolicy PlanOf(absl::string_view more) {
  return ModelOf(absl::StrCat("kind: Plan\nname: p\n", more)).plans.at("p");
}
constexpr absl::string_view kLimit = "limit: 5/10s\nalgorithm: gcra\n";

TEST(CompilePlanKey, IsOneWordOrAList) {
  EXPECT_THAT(PlanOf(absl::StrCat(kLimit, "per: address\n")).per, ElementsAre(LimitKey::kAddress));
  EXPECT_THAT(PlanOf(absl::StrCat(kLimit, "per: [address]\n")).per,
              ElementsAre(LimitKey::kAddress));
  EXPECT_THAT(PlanOf(absl::StrCat(kLimit, "per: [consumer, claim:tenant, api, route]\n")).per,
              ElementsAre(LimitKey::kConsumer, LimitKeyPart(LimitKey::kClaim, "tenant"),
                          LimitKey::kApi, LimitKey::kRoute));
  EXPECT_THAT(
      PlanOf(absl::StrCat(kLimit, "per: [claim:a, claim:b]\n")).per,
      ElementsAre(LimitKeyPart(LimitKey::kClaim, "a"), LimitKeyPart(LimitKey::kClaim, "b")));
}

TEST(CompilePlanKey, SaysWhichPartIsWrong) {
  EXPECT_THAT(Plan(kLimit), HasSubstr("per: is missing"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: []\n")), HasSubstr("per: is missing"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: [consumer, rout]\n")),
              HasSubstr("per[1]: \"rout\": expected consumer or key or address"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: [route, key, route]\n")),
              HasSubstr("per[2]: \"route\": stands here twice"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: [key, \"claim:\"]\n")),
              HasSubstr("per[1]: \"claim:\": names no claim"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: [key, api, route, address, consumer]\n")),
              HasSubstr("per: has 5 parts; expected at most 4"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: {consumer: true}\n")),
              HasSubstr("per: expected a list"));
}

TEST(CompilePlan, MayLimitWhatIsInProgressAlone) {
  const PlanPolicy plan = PlanOf("per: route\nconcurrency: 4\n");
  EXPECT_TRUE(plan.windows.empty());
  EXPECT_EQ(plan.concurrency, 4u);
  EXPECT_EQ(PlanOf(absl::StrCat(kLimit, "per: route\nconcurrency: 4\n")).windows.size(), 1u);
  EXPECT_THAT(Plan("per: route\nconcurrency: 0\n"), HasSubstr("concurrency: \"0\": expected 1 to"));
  EXPECT_THAT(Plan("per: route\nconcurrency: 4\nalgorithm: gcra\n"),
              HasSubstr("has a meaning beside limit alone"));
  EXPECT_THAT(Plan("per: route\n"), HasSubstr("limit: is missing, and so is concurrency"));
  EXPECT_THAT(Plan("per: route\nlimit: 5/second\nconcurrency: 4\n"),
              HasSubstr("algorithm: is missing"));
}

TEST(CompilePlan, CountsWhatItsAlgorithmCan) {
  EXPECT_THAT(Plan("limit: 10/second;1000001/day\nalgorithm: sliding-window\nper: route\n"),
              AllOf(HasSubstr("limit: \"10/second;1000001/day\": counts 1000001 in one window"),
                    HasSubstr("8 bytes a unit, so at most 1000000"),
                    HasSubstr("Use algorithm: gcra, or count in larger units")));
  EXPECT_THAT(
      Plan("limit: 10000001/second\nalgorithm: gcra\nper: route\n"),
      AllOf(HasSubstr("counts 10000001 in one window"),
            HasSubstr("so at most 10000000 in that period"), HasSubstr("Count in larger units")));
  EXPECT_EQ(PlanOf("limit: 1000000/second\nalgorithm: sliding-window\nper: route\n").windows.size(),
            1u);
  EXPECT_EQ(
      PlanOf("limit: 10000000/second;1000000000/day\nalgorithm: gcra\nper: route\n").windows.size(),
      2u);
}

TEST(CompilePlan, ReadsPrefixesHeadersAndMode) {
  const PlanPolicy plan =
      PlanOf(absl::StrCat(kLimit,
                          "per: [address, claim:sub]\nipv4_prefix: 24\nipv6_prefix: 48\n"
                          "headers: draft-10\nmode: shadow\nshow_claims: true\n"));
  EXPECT_EQ(plan.ipv4_prefix, 24u);
  EXPECT_EQ(plan.ipv6_prefix, 48u);
  EXPECT_EQ(plan.headers, LimitHeaders::kDraft10);
  EXPECT_TRUE(plan.shadow);
  EXPECT_TRUE(plan.show_claims);
  const PlanPolicy plain = PlanOf(absl::StrCat(kLimit, "per: address\n"));
  EXPECT_EQ(plain.ipv6_prefix, 64u);
  EXPECT_EQ(plain.headers, LimitHeaders::kNone);
  EXPECT_FALSE(plain.shadow);
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: address\nipv4_prefix: 33\nipv6_prefix: 129\n")),
              AllOf(HasSubstr("expected 1 to 32"), HasSubstr("expected 1 to 128")));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: address\nipv6_prefix: 0\n")),
              HasSubstr("expected 1 to 128"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: consumer\nipv6_prefix: 48\n")),
              HasSubstr("ipv6_prefix: has a meaning per address alone"));
  EXPECT_THAT(Plan(absl::StrCat(kLimit, "per: key\nheaders: draft-3\nmode: shadowy\n")),
              AllOf(HasSubstr("headers: \"draft-3\""), HasSubstr("Did you mean shadow?")));
}

TEST(CompilePlan, IsShownAsItWasWritten) {
  for (const absl::string_view per : {"- consumer", "- claim:tenant\n  - api"}) {
    const std::string yaml = absl::StrCat(
        "kind: Plan\nname: p\nlimit: 5/10s\nalgorithm: gcra\nper:\n  ", per, "\nmode: shadow\n");
    const ParseResult parsed = ParseDocuments("a", yaml);
    ASSERT_EQ(ToString(parsed.problems), "");
    EXPECT_THAT(RenderYaml(parsed.documents[0].document), HasSubstr(absl::StrCat("per:\n  ", per)));
  }
}

// --- Costs.

constexpr absl::string_view kAround = R"(
{kind: Service, name: s, local: "127.0.0.1:1"}
---
{kind: Plan, name: few, limit: 10/second;5/minute, algorithm: sliding-window, per: route}
---
{kind: Plan, name: bursts, limit: 10/second, algorithm: gcra, burst: 3, per: route}
---
{kind: Plan, name: callers, limit: 10/second, algorithm: gcra, per: [route, consumer]}
---
kind: Api
name: a
hosts: [a.example]
service: s
authenticate: [{api_key: {}}]
)";
std::string Document(absl::string_view route) {
  return absl::StrCat(kAround, "versions: [{name: v1, routes: [{name: r, ", route, "}]}]\n");
}
std::string Route(absl::string_view more) {
  return ProblemsOf(Document(absl::StrCat("match: POST /, require: [p], ", more)));
}
CostPolicy Units(uint32_t units) {
  CostPolicy cost;
  cost.units = units;
  return cost;
}
CostPolicy CostOf(absl::string_view cost) {
  const Model model =
      ModelOf(Document(absl::StrCat("match: POST /, require: [p], max_body: 32KiB, cost: ", cost)));
  return model.apis.at("a").versions[0].routes[0].cost;
}

TEST(CompileCost, IsANumberOrSaysWhereTheNumberStands) {
  EXPECT_EQ(CostOf("5"), Units(5));
  EXPECT_EQ(CostOf("{units: 5}"), Units(5));
  EXPECT_EQ(CostOf("{json: /amount}"),
            (CostPolicy{.units = 0, .json = "/amount", .max_body_bytes = 32 << 10}));
  EXPECT_EQ(
      CostOf("{json: /a/0/b~1c, divide: 100, max: 50, max_body: 1KiB}"),
      (CostPolicy{
          .units = 0, .json = "/a/0/b~1c", .divide = 100, .max = 50, .max_body_bytes = 1024}));
}

TEST(CompileCost, SaysWhatIsWrong) {
  EXPECT_THAT(Route("cost: 0"), HasSubstr("cost.units: \"0\": expected 1 to"));
  EXPECT_THAT(Route("cost: {}"), HasSubstr("cost: says neither units nor json"));
  EXPECT_THAT(Route("cost: five"), HasSubstr("expected a whole number"));
  EXPECT_THAT(Route("cost: {units: 2, json: /a}"), HasSubstr("stands beside json"));
  EXPECT_THAT(Route("cost: {units: 2, divide: 10}"), HasSubstr("which say how to read the body"));
  EXPECT_THAT(Route("cost: {json: amount}"), HasSubstr("expected a JSON Pointer (RFC 6901)"));
  EXPECT_THAT(Route("cost: {json: /a~2}"), HasSubstr("has a '~' without 0 or 1 behind it"));
  EXPECT_THAT(Route("cost: {json: /a, divide: 0}"), HasSubstr("divide: \"0\": expected 1 to"));
  EXPECT_THAT(Route("cost: {json: /a, max_body: 2MiB}"), HasSubstr("it is held whole"));
  EXPECT_THAT(Route("max_body: 1KiB, cost: {json: /a, max_body: 2KiB}"),
              HasSubstr("is more than max_body of the route"));
  EXPECT_THAT(ProblemsOf(Document("match: GET /, require: [p], cost: {json: /a}")),
              HasSubstr("is read from the body, and a GET has none"));
}

TEST(CompileCost, IsNoMoreThanTheRoutesPlanEverAdmits) {
  EXPECT_EQ(Route("plan: few, cost: 5"), "");
  EXPECT_THAT(Route("plan: few, cost: 6"),
              HasSubstr("cost.units: \"6\": is more than plan few ever admits (5)"));
  EXPECT_EQ(Route("plan: bursts, cost: 3"), "");
  EXPECT_THAT(Route("plan: bursts, cost: 4"), HasSubstr("bursts ever admits (3)"));
}

TEST(CompileRoute, MayHaveAPlanByCallerUnlessNobodyIsAsked) {
  EXPECT_EQ(Route("plan: callers"), "");
  EXPECT_THAT(ProblemsOf(Document("match: POST /, public: true, plan: callers")),
              HasSubstr("counts by who calls, but on a public route nobody is asked"));
}

}  // namespace
}  // namespace tollgate::control
