// What the sidecars of deploy/examples/retries.yaml are told.
#include "absl/algorithm/container.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

Policy PolicyFor(const NodeIdentity& node) {
  const Model model = ModelOf(ReadExample("retries.yaml"));
  const auto bundle = Translate(model, TestCredentials(), node, TestCut());
  EXPECT_TRUE(bundle.ok()) << bundle.status().message();
  return bundle.ok() ? PolicyOf(*bundle) : Policy();
}

const RoutePolicy& Route(const Policy& policy, const std::string& table, const std::string& name) {
  const auto& routes = policy.route_tables.at(table).routes;
  const auto found = absl::c_find_if(routes, [&](const auto& r) { return r.name == name; });
  if (found == routes.end()) std::abort();
  return *found;
}

TEST(TranslateRetries, CallersRetryAndHedge) {
  const Policy policy = PolicyFor({"checkout-1", "checkout", ""});
  const RoutePolicy& create = Route(policy, "outbound/card-payments/v1", "create-payment");
  EXPECT_EQ(create.retry, (RetryPolicy{1,
                                       {RetryCondition::kNotSent, RetryCondition::kConnectionLost,
                                        RetryCondition::kStatus504},
                                       true}));
  EXPECT_TRUE(create.idempotency.honoured_by_service);
  EXPECT_EQ(create.attempt_timeout, milliseconds(2000));
  EXPECT_EQ(create.hedge, HedgePolicy());
  const RoutePolicy& get = Route(policy, "outbound/card-payments/v1", "get-payment");
  EXPECT_EQ(get.hedge, (HedgePolicy{milliseconds(80), 2}));
  EXPECT_EQ(policy.upstreams.at("payments").forward_deadline, ForwardDeadline::kAlways);
  EXPECT_EQ(policy.upstreams.at("ledger").forward_deadline, ForwardDeadline::kNever);
}

TEST(TranslateRetries, TheSidecarOfAnInstanceSendsAgainOnlyWhatNeverLeft) {
  const Policy policy = PolicyFor({"payments-1", "payments", ""});
  const RoutePolicy& create = Route(policy, "card-payments/v1", "create-payment");
  EXPECT_THAT(create.retry.when, ElementsAre(RetryCondition::kNotSent));
  EXPECT_FALSE(create.retry.other_endpoint);
  const RoutePolicy& get = Route(policy, "card-payments/v1", "get-payment");
  EXPECT_EQ(get.retry, RetryPolicy());
  EXPECT_EQ(get.hedge, HedgePolicy());
  EXPECT_EQ(policy.upstreams.at("local/payments").forward_deadline, ForwardDeadline::kAlways);
}

}  // namespace
}  // namespace tollgate::control
