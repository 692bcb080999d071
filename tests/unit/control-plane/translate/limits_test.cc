// What sidecars are told about plans and costs: the example of docs/limits.md, whole.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

using ::testing::ElementsAre;

struct LimitsExample : ::testing::Test {
  Model model = ModelOf(ReadExample("limits.yaml"));

  config::v1::Bundle BundleFor(const char* service) {
    const auto bundle =
        Translate(model, TestCredentials(), {absl::StrCat(service, "-1"), service, ""}, TestCut());
    EXPECT_TRUE(bundle.ok()) << bundle.status().message();
    return bundle.ok() ? *bundle : config::v1::Bundle();
  }
};

TEST_F(LimitsExample, APlanArrivesAsItWasWritten) {
  const Policy policy = PolicyOf(BundleFor("payments"));
  const PlanPolicy& standard = policy.plans.at("standard");
  EXPECT_THAT(standard.per, ElementsAre(LimitKey::kConsumer, LimitKey::kRoute));
  EXPECT_EQ(standard.windows.size(), 2u);
  EXPECT_EQ(standard.concurrency, 10u);
  EXPECT_EQ(standard.headers, LimitHeaders::kDraft10);
  EXPECT_FALSE(standard.shadow);
  EXPECT_EQ(policy.plans.at("guesses").ipv4_prefix, 28u);
  EXPECT_EQ(policy.plans.at("guesses").ipv6_prefix, 56u);
  EXPECT_EQ(policy.plans.at("daily-amount").ipv6_prefix, 64u) << "the default";
  EXPECT_TRUE(policy.plans.at("refunds-at-once").windows.empty());
  EXPECT_EQ(policy.plans.at("refunds-at-once").concurrency, 4u);
  EXPECT_TRUE(policy.plans.at("reports").shadow);
  EXPECT_THAT(policy.plans.at("reports").per,
              ElementsAre(LimitKeyPart(LimitKey::kClaim, "tenant"), LimitKey::kApi));
  for (const auto& [name, plan] : policy.plans) EXPECT_EQ(plan, model.plans.at(name)) << name;
}

TEST_F(LimitsExample, ARouteKnowsWhatItCosts) {
  const Policy policy = PolicyOf(BundleFor("payments"));
  const std::vector<RoutePolicy>& routes = policy.route_tables.at("card-payments/v1").routes;
  EXPECT_EQ(
      routes[0].cost,
      (CostPolicy{
          .units = 0, .json = "/amount", .divide = 100, .max = 2000, .max_body_bytes = 16 << 10}));
  EXPECT_EQ(routes[1].cost, CostPolicy());
  EXPECT_EQ(routes[2].cost.units, 5u);
}

TEST_F(LimitsExample, WhoCallsTheServiceLimitsNothing) {
  ServiceModel caller = model.services.at("payments");
  caller.uses = {"payments"};
  caller.outbound = *Address::Parse("127.0.0.1:7000");
  model.services["checkout"] = caller;
  const config::v1::Bundle bundle = BundleFor("checkout");
  for (const auto& table : bundle.route_tables()) {
    for (const auto& route : table.routes()) {
      EXPECT_FALSE(route.has_cost()) << route.name();
      EXPECT_EQ(route.plan(), "");
    }
  }
}

TEST(TranslateLimits, PlansThatAskForNothingSendWhatOldSidecarsUnderstand) {
  const auto bundle = Translate(ModelOf(ReadExample("card-payments.yaml")), TestCredentials(),
                                {"payments-1", "payments", ""}, TestCut());
  ASSERT_TRUE(bundle.ok());
  int plans = 0;
  for (const auto& set : bundle->policy_sets()) {
    for (const config::v1::Plan& plan : set.plans()) {
      ++plans;
      config::v1::Plan old;
      old.set_name(plan.name());
      *old.mutable_windows() = plan.windows();
      old.set_algorithm(plan.algorithm());
      old.set_per(plan.per());
      old.set_claim(plan.claim());
      old.set_burst(plan.burst());
      *old.mutable_response_headers() = plan.response_headers();
      EXPECT_EQ(plan.SerializeAsString(), old.SerializeAsString());
    }
  }
  EXPECT_GT(plans, 0);
}

}  // namespace
}  // namespace tollgate::control
