// What sidecars are told about choosing between endpoints.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Policy PolicyFor(const NodeIdentity& node, Model model = ModelOf(ReadExample("balancing.yaml"))) {
  const auto bundle = Translate(model, TestCredentials(), node, TestCut());
  EXPECT_TRUE(bundle.ok()) << bundle.status().message();
  return bundle.ok() ? PolicyOf(*bundle) : Policy();
}

TEST(TranslateBalancing, CallersBalance) {
  const Policy policy = PolicyFor({"checkout-1", "checkout", ""});
  const UpstreamPolicy& payments = policy.upstreams.at("payments");
  EXPECT_EQ(payments.balance, Balance::kLeastRequest);
  EXPECT_EQ(payments.balancing.slow_start, std::chrono::seconds(30));
  EXPECT_EQ(payments.balancing.overprovisioning, 150u);
  EXPECT_EQ(payments.endpoints[2].zone, "eu-1b");
  EXPECT_EQ(payments.endpoints[3].priority, 1u);
  const UpstreamPolicy& ledger = policy.upstreams.at("ledger");
  EXPECT_EQ(ledger.balance, Balance::kMaglev);
  EXPECT_EQ(ledger.balancing.hash, (HashKeyPolicy{HashKeyPolicy::Kind::kPathParameter, "account"}));
  const UpstreamPolicy& fraud = policy.upstreams.at("fraud");
  EXPECT_EQ(fraud.balance, Balance::kLoadWeighted);
  EXPECT_EQ(fraud.balancing.load_reports.error_penalty_permille, 2500u);
}

TEST(TranslateBalancing, TheSidecarOfAnInstanceHasNothingToChoose) {
  for (const char* service : {"payments", "ledger", "fraud"}) {
    const Policy policy = PolicyFor({absl::StrCat(service, "-1"), service, ""});
    const UpstreamPolicy& local = policy.upstreams.at(absl::StrCat("local/", service));
    EXPECT_EQ(local.balance, Balance::kPeakEwma) << "and load reports pass through";
    EXPECT_EQ(local.balancing, BalancingPolicy());
  }
}

TEST(TranslateBalancing, ASidecarLearnsItsZoneAndWhereItsPeersAre) {
  const auto zones = [](const NodeIdentity& node) {
    return PolicyFor(node).upstreams.at("payments").balancing.zones;
  };
  EXPECT_EQ(zones({"checkout-1", "checkout", ""}).local, "eu-1a");
  EXPECT_EQ(zones({"checkout-2", "checkout", ""}).local, "eu-1b");
  EXPECT_EQ(zones({"checkout-1", "checkout", "", "eu-9z"}).local, "eu-9z") << "it knows better";
  EXPECT_THAT(zones({"checkout-1", "checkout", ""}).callers,
              ElementsAre(ZoneShare{"eu-1a", 1}, ZoneShare{"eu-1b", 1}));
}

TEST(TranslateBalancing, ZonesAreSentOnlyWhereTheyCount) {
  const Policy policy = PolicyFor({"checkout-1", "checkout", ""});
  EXPECT_EQ(policy.upstreams.at("ledger").balancing.zones, ZonePolicy()) << "it hashes";
  EXPECT_EQ(policy.upstreams.at("fraud").balancing.zones, ZonePolicy()) << "its have no zone";
  Model model = ModelOf(ReadExample("balancing.yaml"));
  model.services.at("payments").upstream.balancing.zones.ignore = true;
  const ZonePolicy zones =
      PolicyFor({"checkout-1", "checkout", ""}, model).upstreams.at("payments").balancing.zones;
  EXPECT_TRUE(zones.ignore);
  EXPECT_THAT(zones.callers, IsEmpty());
}

TEST(TranslateBalancing, APeerWithoutZoneLeavesTheirSpreadUnknown) {
  Model model = ModelOf(ReadExample("balancing.yaml"));
  model.services.at("checkout").instances[1].endpoint.zone = "";
  const ZonePolicy zones =
      PolicyFor({"checkout-1", "checkout", ""}, model).upstreams.at("payments").balancing.zones;
  EXPECT_EQ(zones.local, "eu-1a");
  EXPECT_THAT(zones.callers, IsEmpty());
}

TEST(TranslateBalancing, ServicesThatAskForNothingSendWhatOldSidecarsUnderstand) {
  const auto bundle = Translate(ModelOf(ReadExample("card-payments.yaml")), TestCredentials(),
                                {"checkout-1", "checkout", ""}, TestCut());
  ASSERT_TRUE(bundle.ok());
  for (const auto& upstream : bundle->upstreams()) EXPECT_FALSE(upstream.has_balancing());
}

}  // namespace
}  // namespace tollgate::control
