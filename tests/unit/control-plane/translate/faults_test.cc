// Where faults are injected: beside the service, and nowhere else.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

Policy PolicyFor(const NodeIdentity& node) {
  const auto bundle =
      Translate(ModelOf(ReadExample("faults.yaml")), TestCredentials(), node, TestCut());
  EXPECT_TRUE(bundle.ok()) << bundle.status().message();
  return bundle.ok() ? PolicyOf(*bundle) : Policy();
}

TEST(TranslateFaults, TheSidecarBesideTheServiceInjectsThem) {
  const Policy policy = PolicyFor({"payments-1", "payments", ""});
  const std::vector<RoutePolicy>& routes = policy.route_tables.at("payments/v1").routes;
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].faults.delay,
            (FaultDelayPolicy{std::chrono::seconds(2), 1000, {"x-rehearsal", "tuesday"}}));
  EXPECT_EQ(routes[0].faults.abort, FaultAbortPolicy());
  EXPECT_EQ(routes[1].faults.abort, (FaultAbortPolicy{503, 50, {}}));
  EXPECT_EQ(routes[1].faults.delay, FaultDelayPolicy());
}

// A request would meet them twice, and the caller's retries never.
TEST(TranslateFaults, TheSidecarOfACallerDoesNot) {
  const Policy policy = PolicyFor({"checkout-1", "checkout", ""});
  const std::vector<RoutePolicy>& routes = policy.route_tables.at("outbound/payments/v1").routes;
  ASSERT_EQ(routes.size(), 2u);
  for (const RoutePolicy& route : routes) EXPECT_FALSE(route.faults.any()) << route.name;
}

}  // namespace
}  // namespace tollgate::control
