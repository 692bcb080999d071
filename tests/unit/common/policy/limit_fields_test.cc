// Plans and costs, one thing wrong at a time: which error, with which code, at which field; and
// what is taken over.
#include <functional>

#include "common/policy/from_proto.h"
#include "tests/unit/common/policy/bundle_for_test.h"

namespace tollgate {
namespace {

using config::v1::Bundle;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

config::v1::Route& FirstRoute(Bundle& b) { return *b.mutable_route_tables(0)->mutable_routes(0); }
config::v1::Route& GetRoute(Bundle& b) { return *b.mutable_route_tables(0)->mutable_routes(1); }
config::v1::Cost& Cost(Bundle& b) { return *FirstRoute(b).mutable_cost(); }
config::v1::Plan& PlanNamed(Bundle& b, absl::string_view name) {
  for (config::v1::Plan& plan : *b.mutable_policy_sets(0)->mutable_plans()) {
    if (plan.name() == name) return plan;
  }
  return *b.mutable_policy_sets(0)->add_plans();
}
config::v1::Plan& Plan(Bundle& b) { return PlanNamed(b, "standard"); }
void AddPart(config::v1::Plan& plan, config::v1::LimitKey per, const char* claim = "") {
  config::v1::LimitPart* part = plan.add_parts();
  part->set_per(per);
  part->set_claim(claim);
}
void Composite(config::v1::Plan& plan) {
  plan.clear_per();
  AddPart(plan, config::v1::LIMIT_KEY_CONSUMER);
  AddPart(plan, config::v1::LIMIT_KEY_CLAIM, "tenant");
}
void ByBody(config::v1::Cost& cost) {
  cost.set_json("/amount");
  cost.set_divide(100);
  cost.set_max_body_bytes(1024);
}

std::vector<std::string> After(const std::function<void(Bundle&)>& change) {
  Bundle bundle = GoodBundle();
  change(bundle);
  return ErrorsOf(bundle);
}
struct Row {
  const char* error;
  std::function<void(Bundle&)> change;
};
void ExpectEach(std::initializer_list<Row> rows) {
  for (const Row& row : rows) EXPECT_THAT(After(row.change), ElementsAre(row.error)) << row.error;
}

TEST(LimitFields, OfAPlanAreChecked) {
  ExpectEach({
      {"PolicySet policy plans[0].per CONFLICT",
       [](Bundle& b) {
         Composite(Plan(b));
         Plan(b).set_per(config::v1::LIMIT_KEY_KEY);
       }},
      {"PolicySet policy plans[0].parts OUT_OF_RANGE",
       [](Bundle& b) {
         Plan(b).clear_per();
         AddPart(Plan(b), config::v1::LIMIT_KEY_CONSUMER);
       }},
      {"PolicySet policy plans[0].parts OUT_OF_RANGE",
       [](Bundle& b) {
         Composite(Plan(b));
         AddPart(Plan(b), config::v1::LIMIT_KEY_ROUTE);
         AddPart(Plan(b), config::v1::LIMIT_KEY_API);
         AddPart(Plan(b), config::v1::LIMIT_KEY_KEY);
       }},
      {"PolicySet policy plans[0].parts[2] DUPLICATE",
       [](Bundle& b) {
         Composite(Plan(b));
         AddPart(Plan(b), config::v1::LIMIT_KEY_CLAIM, "tenant");
       }},
      {"PolicySet policy plans[0].parts[2].per MISSING",
       [](Bundle& b) {
         Composite(Plan(b));
         Plan(b).mutable_parts(0)->set_per(config::v1::LIMIT_KEY_API);
         Plan(b).add_parts();
       }},
      {"PolicySet policy plans[0].parts[1].claim MISSING",
       [](Bundle& b) {
         Composite(Plan(b));
         Plan(b).mutable_parts(1)->clear_claim();
       }},
      {"PolicySet policy plans[0].parts[0].claim CONFLICT",
       [](Bundle& b) {
         Composite(Plan(b));
         Plan(b).mutable_parts(0)->set_claim("tenant");
       }},
      {"PolicySet policy plans[0].ipv4_prefix OUT_OF_RANGE",
       [](Bundle& b) { Plan(b).set_ipv4_prefix(33); }},
      {"PolicySet policy plans[0].ipv6_prefix OUT_OF_RANGE",
       [](Bundle& b) { Plan(b).set_ipv6_prefix(129); }},
      {"PolicySet policy plans[0].concurrency OUT_OF_RANGE",
       [](Bundle& b) { Plan(b).set_concurrency(1'000'001); }},
      {"PolicySet policy plans[0].headers UNKNOWN_VALUE",
       [](Bundle& b) { Plan(b).set_headers(static_cast<config::v1::LimitHeaders>(9)); }},
      {"PolicySet policy plans[0].burst CONFLICT",
       [](Bundle& b) {
         Plan(b).clear_windows();
         Plan(b).clear_algorithm();
         Plan(b).set_concurrency(2);
         Plan(b).set_burst(2);
       }},
  });
}

TEST(LimitFields, WhatAnAlgorithmCannotCountIsRefused) {
  const auto count = [](config::v1::Algorithm algorithm, uint32_t units, uint32_t period_ms) {
    return [=](Bundle& b) {
      config::v1::Plan& plan = Plan(b);
      plan.clear_windows();
      plan.clear_burst();
      plan.set_algorithm(algorithm);
      plan.add_windows()->set_count(units);
      plan.mutable_windows(0)->set_period_ms(period_ms);
    };
  };
  ExpectEach({
      {"PolicySet policy plans[0].windows[0].count OUT_OF_RANGE",
       count(config::v1::ALGORITHM_SLIDING_WINDOW, 1'000'001, 86'400'000)},
      {"PolicySet policy plans[0].windows[0].count OUT_OF_RANGE",
       count(config::v1::ALGORITHM_GCRA, 10'000'001, 1000)},
  });
  for (const auto& fits : {count(config::v1::ALGORITHM_SLIDING_WINDOW, 1'000'000, 1),
                           count(config::v1::ALGORITHM_GCRA, 10'000'000, 1000),
                           count(config::v1::ALGORITHM_GCRA, 1'000'000'000, 86'400'000)}) {
    EXPECT_THAT(After(fits), IsEmpty());
  }
}

TEST(LimitFields, OfACostAreChecked) {
  ExpectEach({
      {"RouteTable cards/v2 routes[0].cost.units MISSING", [](Bundle& b) { Cost(b); }},
      {"RouteTable cards/v2 routes[0].cost.units OUT_OF_RANGE",
       [](Bundle& b) {
         FirstRoute(b).clear_plan();
         Cost(b).set_units(1'000'000'001);
       }},
      {"RouteTable cards/v2 routes[0].cost.units CONFLICT",
       [](Bundle& b) {
         FirstRoute(b).clear_plan();
         ByBody(Cost(b));
         Cost(b).set_units(3);
       }},
      {"RouteTable cards/v2 routes[0].cost.json CONFLICT",
       [](Bundle& b) {
         Cost(b).set_units(1);
         Cost(b).set_divide(3);
       }},
      {"RouteTable cards/v2 routes[0].cost.json INVALID",
       [](Bundle& b) {
         ByBody(Cost(b));
         Cost(b).set_json("amount");
       }},
      {"RouteTable cards/v2 routes[0].cost.divide OUT_OF_RANGE",
       [](Bundle& b) {
         ByBody(Cost(b));
         Cost(b).set_divide(0);
       }},
      {"RouteTable cards/v2 routes[0].cost.max_body_bytes OUT_OF_RANGE",
       [](Bundle& b) {
         ByBody(Cost(b));
         Cost(b).set_max_body_bytes((1 << 20) + 1);
       }},
      {"RouteTable cards/v2 routes[1].cost.json CONFLICT",
       [](Bundle& b) { ByBody(*GetRoute(b).mutable_cost()); }},
      {"RouteTable cards/v2 routes[0].cost.units CONFLICT",
       [](Bundle& b) {
         config::v1::Plan& plan = PlanNamed(b, "by-route");
         plan.clear_windows();
         plan.add_windows()->set_count(7);
         plan.mutable_windows(0)->set_period_ms(1000);
         plan.clear_burst();
         FirstRoute(b).set_plan("by-route");
         Cost(b).set_units(8);
       }},
  });
}

TEST(LimitFields, WherePlansByCallerCannotStandIsChecked) {
  const auto by_caller = [](Bundle& b, const char* name) {
    config::v1::Plan& plan = PlanNamed(b, name);
    plan.clear_per();
    AddPart(plan, config::v1::LIMIT_KEY_ADDRESS);
    AddPart(plan, config::v1::LIMIT_KEY_CONSUMER);
  };
  EXPECT_THAT(After([&](Bundle& b) { by_caller(b, "by-address"); }),
              ElementsAre("Listener inbound/payments apis[0].address_plan CONFLICT"));
  EXPECT_THAT(After([&](Bundle& b) {
                by_caller(b, "by-route");
                GetRoute(b).set_plan("by-route");
                GetRoute(b).clear_require();
                GetRoute(b).set_public_(true);
              }),
              ElementsAre("RouteTable cards/v2 routes[1].plan CONFLICT"));
  EXPECT_THAT(After([&](Bundle& b) { by_caller(b, "by-route"); }), IsEmpty());
}

// The listener as one of the service's own calls, which is valid as such.
Bundle OutboundBundle() {
  Bundle b = GoodBundle();
  b.mutable_listeners(0)->set_direction(config::v1::DIRECTION_OUTBOUND);
  b.mutable_listeners(0)->set_trusted_hops(0);
  config::v1::ApiBinding& api = *b.mutable_listeners(0)->mutable_apis(0);
  api.clear_authenticate();
  api.clear_consumers_optional();
  api.clear_default_plan();
  api.clear_address_plan();
  for (config::v1::RouteTable& table : *b.mutable_route_tables()) {
    for (config::v1::Route& route : *table.mutable_routes()) {
      route.clear_require();
      route.set_public_(true);
      route.clear_plan();
      route.clear_cost();
    }
  }
  return b;
}

TEST(LimitFields, NoPlanIsNamedWhereNoneIsAsked) {
  EXPECT_THAT(ErrorsOf(OutboundBundle()), IsEmpty());
  const Row rows[] = {
      {"Listener inbound/payments apis[0].default_plan CONFLICT",
       [](Bundle& b) { b.mutable_listeners(0)->mutable_apis(0)->set_default_plan("standard"); }},
      {"Listener inbound/payments apis[0].address_plan CONFLICT",
       [](Bundle& b) { b.mutable_listeners(0)->mutable_apis(0)->set_address_plan("by-address"); }},
      {"Listener inbound/payments apis[0].route_tables[0] CONFLICT",
       [](Bundle& b) { FirstRoute(b).set_plan("by-route"); }},
      {"Listener inbound/payments apis[0].route_tables[0] CONFLICT",
       [](Bundle& b) { Cost(b).set_units(2); }},
  };
  for (const Row& row : rows) {
    Bundle bundle = OutboundBundle();
    row.change(bundle);
    EXPECT_THAT(ErrorsOf(bundle), ElementsAre(row.error));
  }
}

TEST(LimitFields, AreTakenOver) {
  Bundle bundle = GoodBundle();
  Composite(Plan(bundle));
  Plan(bundle).set_ipv6_prefix(56);
  Plan(bundle).set_concurrency(3);
  Plan(bundle).set_headers(config::v1::LIMIT_HEADERS_DRAFT_10);
  Plan(bundle).set_shadow(true);
  Plan(bundle).set_show_claims(true);
  ByBody(Cost(bundle));
  Cost(bundle).set_max(9);
  const PolicyOrErrors result = FromBundle(bundle);
  ASSERT_TRUE(result.ok());
  const PlanPolicy& plan = result.policy.plans.at("standard");
  EXPECT_THAT(plan.per, ElementsAre(LimitKey::kConsumer, LimitKeyPart(LimitKey::kClaim, "tenant")));
  EXPECT_EQ(plan.ipv4_prefix, 32u);
  EXPECT_EQ(plan.ipv6_prefix, 56u);
  EXPECT_EQ(plan.concurrency, 3u);
  EXPECT_EQ(plan.headers, LimitHeaders::kDraft10);
  EXPECT_TRUE(plan.shadow && plan.show_claims);
  EXPECT_EQ(
      result.policy.route_tables.at("cards/v2").routes[0].cost,
      (CostPolicy{.units = 0, .json = "/amount", .divide = 100, .max = 9, .max_body_bytes = 1024}));
  EXPECT_EQ(result.policy.route_tables.at("cards/v2").routes[1].cost, CostPolicy());

  Plan(bundle).clear_windows();
  Plan(bundle).clear_algorithm();
  EXPECT_THAT(ErrorsOf(bundle), IsEmpty()) << "requests in progress alone";
}

}  // namespace
}  // namespace tollgate
