#include "proxy/server/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/data_path.h"

namespace tollgate::proxy {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

class ExplainTest : public testing::Test {
 protected:
  ExplainTest() : policy(DataPath::PublicPolicy({*Address::Parse("127.0.0.1:9")})) {
    policy.epoch.revision = 70;
    RoutePolicy& route = policy.route_tables.at("api/v1").routes.front();
    route.path = "/payments/{id}";
    route.name = "read";
    question.set_method("GET");
    question.set_host("pay.example.com");
    question.set_path("/payments/1");
  }
  agent::v1::Explanation Ask() {
    auto snapshot = Snapshot::Compile(std::make_shared<const Policy>(policy), nullptr, MakeSteps);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    return ExplainRequest(&**snapshot, question, WallTime());
  }
  RoutePolicy& route() { return policy.route_tables.at("api/v1").routes.front(); }

  Policy policy;
  agent::v1::Explain question;
};

TEST_F(ExplainTest, SaysWhichRouteAndUpstreamARequestWouldReach) {
  const auto answer = Ask();
  EXPECT_EQ(answer.error(), "");
  EXPECT_EQ(answer.release(), 1u);
  EXPECT_EQ(answer.revision(), 70u);
  ASSERT_THAT(answer.verdicts(), SizeIs(1));
  const auto& verdict = answer.verdicts(0);
  EXPECT_EQ(verdict.listener(), "in");
  EXPECT_EQ(verdict.api(), "api");
  EXPECT_EQ(verdict.version(), "v1");
  EXPECT_EQ(verdict.version_state(), "active");
  EXPECT_EQ(verdict.route(), "read");
  EXPECT_EQ(verdict.path(), "/payments/{id}");
  EXPECT_FALSE(verdict.has_refusal());
  EXPECT_EQ(verdict.forward().upstream(), "backend");
  EXPECT_EQ(verdict.forward().endpoints(), 1u);
  EXPECT_EQ(verdict.forward().path(), "/payments/1");
}

TEST_F(ExplainTest, RefusesAsTheRequestWouldBe) {
  question.set_path("/cards");
  auto answer = Ask();
  EXPECT_EQ(answer.verdicts(0).refusal().status(), 404u);
  EXPECT_EQ(answer.verdicts(0).refusal().step(), "match");
  EXPECT_FALSE(answer.verdicts(0).has_forward());
  question.set_path("/payments/..%2f..%2fetc");
  EXPECT_EQ(Ask().verdicts(0).refusal().status(), 400u);
  question.set_path("/payments/1");
  question.set_method("TRACE");
  answer = Ask();
  EXPECT_EQ(answer.verdicts(0).refusal().status(), 405u);
  EXPECT_EQ(answer.verdicts(0).refusal().step(), "identify");
}

TEST_F(ExplainTest, NamesWhatARouteDemandsAndTriesNoCredential) {
  route().is_public = false;
  route().require = {"payments.read"};
  AuthenticatorPolicy keys;
  keys.kind = AuthenticatorPolicy::Kind::kApiKey;
  keys.header = "x-api-key";
  policy.listeners.at("in").apis.front().authenticate = {keys};
  agent::v1::Field* field = question.add_fields();
  field->set_name("x-api-key");
  field->set_value("tg_wrong.secret");
  const auto answer = Ask();
  const auto& verdict = answer.verdicts(0);
  EXPECT_FALSE(verdict.has_refusal()) << verdict.DebugString();
  EXPECT_TRUE(verdict.has_forward());
  std::vector<std::string> demands;
  for (const auto& step : verdict.steps()) {
    for (const auto& demand : step.demands()) demands.push_back(step.name() + ": " + demand);
  }
  EXPECT_THAT(demands, Contains("authenticate: an API key in x-api-key"));
  EXPECT_THAT(demands, Contains("permission: requires [payments.read]"));
  EXPECT_THAT(answer.DebugString(), testing::Not(HasSubstr("secret")));
}

TEST_F(ExplainTest, DescribesALimitAndSpendsNothingOfIt) {
  PlanPolicy& plan = policy.plans["gentle"];
  plan.name = "gentle";
  plan.per = {LimitKey::kRoute};
  plan.windows = {{1, std::chrono::minutes(1)}};
  route().plan = "gentle";
  for (int i = 0; i < 3; ++i) {
    const auto answer = Ask();
    EXPECT_TRUE(answer.verdicts(0).has_forward());
    EXPECT_THAT(answer.DebugString(), HasSubstr("plan gentle: 1 in 1m per route"));
  }
}

TEST_F(ExplainTest, DescribesWhatIsCountedTogetherInProgressAndByTheBody) {
  PlanPolicy& plan = policy.plans["careful"];
  plan.name = "careful";
  plan.per = {LimitKey::kRoute, LimitKey::kAddress};
  plan.windows = {{9, std::chrono::seconds(1)}, {100, std::chrono::minutes(1)}};
  plan.concurrency = 5;
  plan.shadow = true;
  route().plan = "careful";
  const auto answer = Ask().DebugString();
  EXPECT_THAT(answer, HasSubstr("plan careful: 9 in 1s, 100 in 1m, 5 in progress per route and "
                                "address (shadow: refuses nothing)"));
  EXPECT_THAT(answer, testing::Not(HasSubstr("costs"))) << "the usual cost goes without saying";
  route().cost.units = 4;
  EXPECT_THAT(Ask().DebugString(), HasSubstr("costs 4 units"));
  route().cost = {.units = 0, .json = "/amount", .divide = 100, .max = 50};
  EXPECT_THAT(Ask().DebugString(),
              HasSubstr("costs 1 unit for each 100 of /amount in the body, at most 50"));
}

TEST_F(ExplainTest, SaysWhatIsWrongWithAQuestion) {
  EXPECT_THAT(ExplainRequest(nullptr, question, WallTime()).error(), HasSubstr("no policy yet"));
  const agent::v1::Explain good = question;
  question.set_method("G ET");
  EXPECT_THAT(Ask().error(), HasSubstr("method: \"G ET\"; expected"));
  question = good;
  question.set_host("a/b");
  EXPECT_THAT(Ask().error(), HasSubstr("host: \"a/b\"; expected"));
  question = good;
  question.set_path("");
  EXPECT_THAT(Ask().error(), HasSubstr("path"));
  question = good;
  question.add_fields()->set_name("a b");
  EXPECT_THAT(Ask().error(), HasSubstr("\"a b\"; expected a header name"));
  question = good;
  question.set_listener("out");
  EXPECT_THAT(Ask().error(), HasSubstr("listener: \"out\"; expected one of in"));
}

TEST_F(ExplainTest, SaysWhatFaultsTheRequestMayMeet) {
  route().faults.delay = {std::chrono::seconds(2), 1000, {"x-rehearsal", ""}};
  route().faults.abort = {503, 50, {}};
  const auto answer = Ask();
  ASSERT_THAT(answer.verdicts(), SizeIs(1));
  const auto& step = *answer.verdicts(0).steps().rbegin();
  EXPECT_EQ(step.name(), "fault");
  EXPECT_THAT(step.demands(),
              testing::ElementsAre("on purpose delays 10 % of requests with x-rehearsal by 2s",
                                   "on purpose answers 0.5 % of requests with 503"));
  EXPECT_TRUE(answer.verdicts(0).has_forward());
}

}  // namespace
}  // namespace tollgate::proxy
