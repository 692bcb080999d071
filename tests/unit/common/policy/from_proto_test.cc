// Whole bundles: what comes out of a good one, unknown fields, and what concerns several resources.
// One resource at a time is in from_proto_fields_test.cc.
#include "common/policy/from_proto.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/policy/bundle_for_test.h"

namespace tollgate {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(FromBundle, MakesAPolicyOfPlainValues) {
  const PolicyOrErrors result = FromBundle(GoodBundle());
  for (const ResourceError& error : result.errors) ADD_FAILURE() << ToString(error);
  const Policy& policy = result.policy;
  EXPECT_EQ(policy.epoch, (EpochPolicy{"i1", 7, 3, 1}));
  EXPECT_EQ(policy.secrets.at("pepper/p1"), "pepper");

  const UpstreamPolicy& upstream = policy.upstreams.at("local/payments");
  EXPECT_EQ(upstream.connect_timeout, std::chrono::seconds(1));
  EXPECT_EQ(upstream.max_pending, 5u);
  EXPECT_EQ(upstream.outlier_detection.base_ejection, std::chrono::seconds(1));
  EXPECT_EQ(upstream.retry_budget, (RetryBudgetPolicy{10, 2}));
  EXPECT_THAT(upstream.endpoints,
              ElementsAre(EndpointPolicy{*Address::Parse("127.0.0.1:9000"), 2}));
  EXPECT_THAT(upstream.response_headers, ElementsAre(HeaderValue{"x-upstream", "7"}));

  EXPECT_EQ(policy.issuers.at("bank").leeway, std::chrono::seconds(5));
  EXPECT_EQ(policy.issuers.at("bank").jwks, kEd25519Jwks);
  EXPECT_EQ(policy.plans.at("standard").windows[1], (WindowPolicy{100, std::chrono::minutes(1)}));
  const ConsumerPolicy& consumer = policy.consumers.at("shop-42");
  EXPECT_THAT(consumer.tokens, ElementsAre(TokenIdentity{"bank", "shop-42"}));
  EXPECT_EQ(consumer.api_keys[0].not_after, FromUnixSeconds(1893456000));

  const RoutePolicy& route = policy.route_tables.at("cards/v2").routes[0];
  EXPECT_EQ(route.method, "POST");
  EXPECT_EQ(route.attempt_timeout, std::chrono::seconds(1));
  EXPECT_TRUE(route.idempotency.honoured_by_service);
  EXPECT_THAT(route.retry.when,
              ElementsAre(RetryCondition::kNotSent, RetryCondition::kConnectionLost));
  const RouteTablePolicy& old = policy.route_tables.at("cards/v1");
  EXPECT_EQ(old.state, VersionState::kDeprecated);
  EXPECT_EQ(old.deprecated, FromUnixSeconds(1688169599));

  const ListenerPolicy& listener = policy.listeners.at("inbound/payments");
  EXPECT_EQ(listener.address.ToString(), "127.0.0.1:8080");
  EXPECT_EQ(listener.trusted_hops, 1u);
  const ApiBindingPolicy& api = listener.apis[0];
  EXPECT_EQ(api.authenticate[1].kind, AuthenticatorPolicy::Kind::kApiKey);
  EXPECT_TRUE(api.version_from.path);
  EXPECT_EQ(api.default_plan, "standard");
}

TEST(FromBundle, EqualBundlesGiveEqualPolicies) {
  EXPECT_EQ(FromBundle(GoodBundle()).policy, FromBundle(GoodBundle()).policy);
}

TEST(FromBundle, LeavesOutliersAndBudgetAtTheirDefaults) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_upstreams(0)->clear_outlier_detection();
  bundle.mutable_upstreams(0)->clear_retry_budget();
  const PolicyOrErrors result = FromBundle(bundle);
  ASSERT_TRUE(result.ok());
  const UpstreamPolicy& upstream = result.policy.upstreams.at("local/payments");
  EXPECT_EQ(upstream.outlier_detection, OutlierDetectionPolicy());
  EXPECT_EQ(upstream.retry_budget, RetryBudgetPolicy());
}

// Adds field 1000 to a message, as a newer control plane would.
void AddUnknown(google::protobuf::Message* message) {
  message->GetReflection()->MutableUnknownFields(message)->AddVarint(1000, 1);
}

TEST(FromBundle, RefusesUnknownFieldsAtAnyDepth) {
  config::v1::Bundle bundle = GoodBundle();
  AddUnknown(&bundle);
  AddUnknown(bundle.mutable_epoch());
  AddUnknown(bundle.mutable_upstreams(0)->mutable_outlier_detection());
  AddUnknown(bundle.mutable_endpoints(0)->mutable_endpoints(0));
  AddUnknown(bundle.mutable_secrets(0));
  AddUnknown(bundle.mutable_consumer_shards(0)->mutable_consumers(0)->mutable_api_keys(0));
  AddUnknown(bundle.mutable_policy_sets(0)->mutable_plans(0)->mutable_windows(1));
  AddUnknown(bundle.mutable_route_tables(0)->mutable_routes(0)->mutable_retry());
  AddUnknown(bundle.mutable_listeners(0)->mutable_apis(0)->mutable_authenticate(1));
  AddUnknown(bundle.mutable_revocations(0));
  EXPECT_THAT(ErrorsOf(bundle),
              ElementsAre("Bundle bundle  UNKNOWN_FIELD", "Epoch epoch  UNKNOWN_FIELD",
                          "Upstream local/payments outlier_detection UNKNOWN_FIELD",
                          "Endpoints local/payments endpoints[0] UNKNOWN_FIELD",
                          "Secret pepper/p1  UNKNOWN_FIELD",
                          "ConsumerShard consumers/0 consumers[0].api_keys[0] UNKNOWN_FIELD",
                          "PolicySet policy plans[0].windows[1] UNKNOWN_FIELD",
                          "RouteTable cards/v2 routes[0].retry UNKNOWN_FIELD",
                          "Listener inbound/payments apis[0].authenticate[1] UNKNOWN_FIELD",
                          "Revocation revoked  UNKNOWN_FIELD"));
}

TEST(FromBundle, RefusesUnknownFieldsThatCameOverTheWire) {
  config::v1::Bundle sent = GoodBundle();
  AddUnknown(sent.mutable_route_tables(0)->mutable_routes(1)->mutable_idempotency());
  config::v1::Bundle received;
  ASSERT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  EXPECT_THAT(ErrorsOf(received),
              ElementsAre("RouteTable cards/v2 routes[1].idempotency UNKNOWN_FIELD"));
}

TEST(FromBundle, NeedsAnEpochOfItsSchema) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_epoch()->set_schema(kSchema + 1);
  EXPECT_THAT(ErrorsOf(bundle), ElementsAre("Epoch epoch schema UNSUPPORTED_SCHEMA"));
  bundle.mutable_epoch()->set_schema(0);
  bundle.mutable_epoch()->clear_incarnation();
  EXPECT_THAT(ErrorsOf(bundle),
              ElementsAre("Epoch epoch incarnation MISSING", "Epoch epoch schema MISSING"));
  bundle.clear_epoch();
  EXPECT_THAT(ErrorsOf(bundle), ElementsAre("Epoch epoch  MISSING"));
}

TEST(FromBundle, RefusesTwoResourcesOfOneName) {
  config::v1::Bundle bundle = GoodBundle();
  *bundle.add_upstreams() = bundle.upstreams(0);
  *bundle.add_endpoints() = bundle.endpoints(0);
  *bundle.add_secrets() = bundle.secrets(0);
  bundle.add_consumer_shards()->set_name("consumers/0");
  bundle.add_policy_sets()->set_name("policy");
  *bundle.add_route_tables() = bundle.route_tables(0);
  bundle.add_revocations()->set_name("revoked");
  EXPECT_THAT(ErrorsOf(bundle),
              UnorderedElementsAre(
                  "Upstream local/payments name DUPLICATE",
                  "Endpoints local/payments upstream DUPLICATE", "Secret pepper/p1 name DUPLICATE",
                  "ConsumerShard consumers/0 name DUPLICATE", "PolicySet policy name DUPLICATE",
                  "RouteTable cards/v2 name DUPLICATE", "Revocation revoked name DUPLICATE"));
}

TEST(FromBundle, NeedsNames) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_secrets(0)->set_name("");
  EXPECT_THAT(ErrorsOf(bundle), Contains("Secret [0] name MISSING"));
}

TEST(FromBundle, UpstreamsAndEndpointsMatch) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_endpoints(0)->set_upstream("other");
  EXPECT_THAT(ErrorsOf(bundle),
              ElementsAre("Endpoints other upstream DANGLING", "Upstream local/payments  MISSING"));
}

TEST(FromBundle, AnUpstreamMayHaveNoEndpointNow) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_endpoints(0)->clear_endpoints();
  EXPECT_THAT(ErrorsOf(bundle), IsEmpty());
}

TEST(FromBundle, NeverTellsASecret) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_secrets(0)->set_value(std::string(600'000, 'S'));
  bundle.mutable_consumer_shards(0)->mutable_consumers(0)->mutable_api_keys(0)->set_hash("HASH");
  const PolicyOrErrors result = FromBundle(bundle);
  ASSERT_EQ(result.errors.size(), 2u);
  for (const ResourceError& error : result.errors) {
    EXPECT_EQ(error.message.find("SSS"), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("HASH"), std::string::npos) << error.message;
  }
}

TEST(FromBundle, ReportsAllErrorsAtOnceWithValueAndRemedy) {
  config::v1::Bundle bundle = GoodBundle();
  bundle.mutable_upstreams(0)->set_max_connections(0);
  bundle.mutable_route_tables(0)->mutable_routes(1)->set_upstream("gone");
  bundle.mutable_route_tables(0)->mutable_routes(1)->mutable_retry()->set_max_retries(9);
  bundle.mutable_listeners(0)->set_trusted_hops(99);
  std::vector<std::string> lines;
  for (const ResourceError& error : FromBundle(bundle).errors) lines.push_back(ToString(error));
  EXPECT_THAT(
      lines,
      ElementsAre(
          "Upstream local/payments: max_connections: 0; expected 1 to 1000000 (OUT_OF_RANGE)",
          "RouteTable cards/v2: routes[1].retry.max_retries: 9; expected 0 to 4 (OUT_OF_RANGE)",
          "RouteTable cards/v2: routes[1].retry.when: is empty; expected when to retry (MISSING)",
          "RouteTable cards/v2: routes[1].upstream: \"gone\" is not the name of an Upstream "
          "(DANGLING)",
          "Listener inbound/payments: trusted_hops: 99; expected 0 to 16 (OUT_OF_RANGE)"));
}

TEST(FromBundle, TakesTensOfThousandsOfRoutes) {
  config::v1::Bundle bundle = GoodBundle();
  config::v1::RouteTable* table = bundle.mutable_route_tables(0);
  const config::v1::Route model = table->routes(0);
  for (int i = 0; i < 20'000; ++i) {
    config::v1::Route* route = table->add_routes();
    *route = model;
    route->set_name(absl::StrCat("r", i));
    route->set_path(absl::StrCat("/svc", i % 100, "/resource", i, "/{id}"));
  }
  const auto start = std::chrono::steady_clock::now();
  const PolicyOrErrors result = FromBundle(bundle);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.policy.route_tables.at("cards/v2").routes.size(), 20'003u);
  // Linear: a quadratic step would take minutes, even where the build is slow.
  EXPECT_LT(took, std::chrono::seconds(20));
}

}  // namespace
}  // namespace tollgate
