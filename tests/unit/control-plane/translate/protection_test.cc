// What protects a service is sent where it acts.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

Policy PolicyFor(const NodeIdentity& node) {
  const auto bundle =
      Translate(ModelOf(ReadExample("protection.yaml")), TestCredentials(), node, TestCut());
  EXPECT_TRUE(bundle.ok()) << bundle.status().message();
  return bundle.ok() ? PolicyOf(*bundle) : Policy();
}

TEST(TranslateProtection, CallersProbeAndCap) {
  const Policy policy = PolicyFor({"checkout-1", "checkout", ""});
  const UpstreamPolicy& payments = policy.upstreams.at("payments");
  const UpstreamPolicy written =
      ModelOf(ReadExample("protection.yaml")).services.at("payments").upstream;
  EXPECT_EQ(payments.health_check, written.health_check);
  EXPECT_EQ(payments.outlier_detection, written.outlier_detection);
  EXPECT_EQ(payments.retry_budget, written.retry_budget);
  EXPECT_EQ(payments.max_requests, 512u);
  EXPECT_FALSE(payments.adaptive_concurrency.has_value()) << "it acts beside the instance";
  EXPECT_TRUE(payments.has_priorities);
  const UpstreamPolicy& fraud = policy.upstreams.at("fraud");
  EXPECT_EQ(fraud.health_check->kind, HealthCheckPolicy::Kind::kGrpc);
  EXPECT_EQ(fraud.health_check->service, "fraud.v1.Scores");
  EXPECT_EQ(fraud.health_check->port, 9201);
  EXPECT_FALSE(fraud.has_priorities) << "its routes have no priority";
  EXPECT_EQ(policy.upstreams.at("ledger").health_check->kind, HealthCheckPolicy::Kind::kTcp);
}

TEST(TranslateProtection, TheSidecarOfAnInstanceAdaptsAndProbesNothing) {
  const Policy policy = PolicyFor({"payments-2", "payments", ""});
  const UpstreamPolicy& local = policy.upstreams.at("local/payments");
  EXPECT_FALSE(local.health_check.has_value());
  EXPECT_FALSE(local.outlier_detection.enabled);
  EXPECT_EQ(local.max_requests, 512u);
  ASSERT_TRUE(local.adaptive_concurrency.has_value());
  EXPECT_EQ(local.adaptive_concurrency->max_concurrency, 400u);
  EXPECT_EQ(local.adaptive_concurrency->min_rtt_interval, std::chrono::minutes(2));
  EXPECT_TRUE(local.has_priorities);
}

TEST(TranslateProtection, ServicesThatAskForNothingSendWhatOldSidecarsUnderstand) {
  const auto bundle = Translate(ModelOf(ReadExample("card-payments.yaml")), TestCredentials(),
                                {"checkout-1", "checkout", ""}, TestCut());
  ASSERT_TRUE(bundle.ok());
  for (const auto& upstream : bundle->upstreams()) {
    EXPECT_EQ(upstream.max_requests(), 0u);
    EXPECT_FALSE(upstream.has_adaptive_concurrency() || upstream.has_health_check());
    EXPECT_FALSE(upstream.outlier_detection().has_success_rate());
    EXPECT_FALSE(upstream.outlier_detection().has_failure_percentage());
    EXPECT_EQ(upstream.retry_budget().max_concurrent(), 0u);
  }
}

}  // namespace
}  // namespace tollgate::control
