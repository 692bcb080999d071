// One thing wrong at a time: which error, with which code, at which field.
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/policy/from_proto.h"
#include "tests/unit/common/policy/bundle_for_test.h"

namespace tollgate {
namespace {

using config::v1::Bundle;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The errors after `change`.
std::vector<std::string> After(const std::function<void(Bundle&)>& change) {
  Bundle bundle = GoodBundle();
  change(bundle);
  return ErrorsOf(bundle);
}
config::v1::Route& FirstRoute(Bundle& b) { return *b.mutable_route_tables(0)->mutable_routes(0); }
config::v1::Route& GetRoute(Bundle& b) { return *b.mutable_route_tables(0)->mutable_routes(1); }
config::v1::ApiBinding& Api(Bundle& b) { return *b.mutable_listeners(0)->mutable_apis(0); }
config::v1::Issuer& Issuer(Bundle& b) { return *b.mutable_policy_sets(0)->mutable_issuers(0); }
config::v1::Plan& Plan(Bundle& b) { return *b.mutable_policy_sets(0)->mutable_plans(0); }
config::v1::Consumer& Consumer(Bundle& b) {
  return *b.mutable_consumer_shards(0)->mutable_consumers(0);
}

// Each row: a change, and the one error that it causes.
struct Row {
  const char* error;
  std::function<void(Bundle&)> change;
};
void ExpectEach(std::initializer_list<Row> rows) {
  for (const Row& row : rows) EXPECT_THAT(After(row.change), ElementsAre(row.error)) << row.error;
}

TEST(UpstreamFields, AreChecked) {
  const auto up = [](Bundle& b) { return b.mutable_upstreams(0); };
  ExpectEach({
      {"Upstream local/payments protocol MISSING", [&](Bundle& b) { up(b)->clear_protocol(); }},
      {"Upstream local/payments protocol UNKNOWN_VALUE",
       [&](Bundle& b) { up(b)->set_protocol(static_cast<config::v1::Protocol>(9)); }},
      {"Upstream local/payments balance MISSING", [&](Bundle& b) { up(b)->clear_balance(); }},
      {"Upstream local/payments connect_timeout_ms OUT_OF_RANGE",
       [&](Bundle& b) { up(b)->set_connect_timeout_ms(0); }},
      {"Upstream local/payments idle_timeout_ms OUT_OF_RANGE",
       [&](Bundle& b) { up(b)->set_idle_timeout_ms(86'400'001); }},
      {"Upstream local/payments max_pending OUT_OF_RANGE",
       [&](Bundle& b) { up(b)->set_max_pending(4'000'000); }},
      {"Upstream local/payments outlier_detection.max_ejected_percent OUT_OF_RANGE",
       [&](Bundle& b) { up(b)->mutable_outlier_detection()->set_max_ejected_percent(101); }},
      {"Upstream local/payments retry_budget.percent OUT_OF_RANGE",
       [&](Bundle& b) { up(b)->mutable_retry_budget()->set_percent(101); }},
      {"Upstream local/payments response_headers[0].name INVALID",
       [&](Bundle& b) { up(b)->mutable_response_headers(0)->set_name("X-Upper"); }},
      {"Upstream local/payments response_headers[0].name INVALID",
       [&](Bundle& b) { up(b)->mutable_response_headers(0)->set_name("transfer-encoding"); }},
      {"Upstream local/payments response_headers[0].value INVALID",
       [&](Bundle& b) { up(b)->mutable_response_headers(0)->set_value("a\r\nset-cookie: b"); }},
      {"Upstream local/payments response_headers[1].name DUPLICATE",
       [&](Bundle& b) { *up(b)->add_response_headers() = up(b)->response_headers(0); }},
  });
}

// A Balancing as the control plane writes it.
config::v1::Balancing* Balanced(Bundle& b, config::v1::Balance balance) {
  b.mutable_upstreams(0)->set_balance(balance);
  config::v1::Balancing* to = b.mutable_upstreams(0)->mutable_balancing();
  to->set_ring_points(200);
  to->set_table_size(65537);
  to->set_bias_permille(1000);
  to->set_panic_threshold_percent(50);
  to->set_overprovisioning_percent(140);
  if (balance == config::v1::BALANCE_RING_HASH || balance == config::v1::BALANCE_MAGLEV) {
    to->mutable_hash()->set_consumer(true);
  }
  return to;
}
config::v1::LoadReports* Reports(config::v1::Balancing* balancing) {
  config::v1::LoadReports* to = balancing->mutable_load_reports();
  to->set_blackout_ms(10'000);
  to->set_expiry_ms(180'000);
  to->set_update_ms(1000);
  to->set_error_penalty_permille(1000);
  return to;
}

TEST(BalancingFields, AreTakenOver) {
  const auto after = [](const std::function<void(Bundle&)>& change) {
    Bundle bundle = GoodBundle();
    change(bundle);
    EXPECT_THAT(ErrorsOf(bundle), IsEmpty());
    return FromBundle(bundle).policy.upstreams.at("local/payments");
  };
  const std::pair<config::v1::Balance, Balance> kinds[] = {
      {config::v1::BALANCE_PEAK_EWMA, Balance::kPeakEwma},
      {config::v1::BALANCE_ROUND_ROBIN, Balance::kRoundRobin},
      {config::v1::BALANCE_LEAST_REQUEST, Balance::kLeastRequest},
      {config::v1::BALANCE_RANDOM, Balance::kRandom},
      {config::v1::BALANCE_RING_HASH, Balance::kRingHash},
      {config::v1::BALANCE_MAGLEV, Balance::kMaglev},
      {config::v1::BALANCE_LOAD_WEIGHTED, Balance::kLoadWeighted}};
  for (const auto& [wire, balance] : kinds) {
    EXPECT_EQ(after([&, w = wire](Bundle& b) { Balanced(b, w); }).balance, balance);
  }
  EXPECT_EQ(after([](Bundle&) {}).balancing, BalancingPolicy()) << "unset: the defaults";

  const UpstreamPolicy maglev = after([](Bundle& b) {
    config::v1::Balancing* to = Balanced(b, config::v1::BALANCE_MAGLEV);
    to->mutable_hash()->set_path_parameter("account");
    to->set_table_size(5'000'011);
    to->set_panic_threshold_percent(0);
    b.mutable_endpoints(0)->mutable_endpoints(0)->set_zone("eu-1a");
    b.mutable_endpoints(0)->mutable_endpoints(0)->set_priority(9);
  });
  EXPECT_EQ(maglev.balancing.hash, (HashKeyPolicy{HashKeyPolicy::Kind::kPathParameter, "account"}));
  EXPECT_EQ(maglev.balancing.table_size, 5'000'011u);
  EXPECT_EQ(maglev.balancing.panic_threshold, 0u);
  EXPECT_EQ(maglev.endpoints[0].zone, "eu-1a");
  EXPECT_EQ(maglev.endpoints[0].priority, 9u);

  const BalancingPolicy weighted =
      after([](Bundle& b) {
        config::v1::Balancing* to = Balanced(b, config::v1::BALANCE_LOAD_WEIGHTED);
        to->set_slow_start_ms(30'000);
        Reports(to)->set_expiry_ms(60'000);
        to->mutable_zones()->set_local("eu-1a");
        config::v1::ZoneShare* share = to->mutable_zones()->add_callers();
        share->set_zone("eu-1b");
        share->set_weight(3);
      }).balancing;
  EXPECT_EQ(weighted.slow_start, std::chrono::seconds(30));
  EXPECT_EQ(weighted.load_reports.expiry, std::chrono::seconds(60));
  EXPECT_EQ(weighted.zones.local, "eu-1a");
  EXPECT_EQ(weighted.zones.callers, (std::vector<ZoneShare>{{"eu-1b", 3}}));
}

TEST(BalancingFields, AreChecked) {
  using config::v1::BALANCE_LEAST_REQUEST;
  using config::v1::BALANCE_LOAD_WEIGHTED;
  using config::v1::BALANCE_MAGLEV;
  using config::v1::BALANCE_RING_HASH;
  ExpectEach({
      {"Upstream local/payments balancing MISSING",
       [](Bundle& b) { b.mutable_upstreams(0)->set_balance(BALANCE_RING_HASH); }},
      {"Upstream local/payments balancing.hash MISSING",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->clear_hash(); }},
      {"Upstream local/payments balancing.hash MISSING",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->mutable_hash()->clear_kind(); }},
      {"Upstream local/payments balancing.hash CONFLICT",
       [](Bundle& b) { Balanced(b, BALANCE_LEAST_REQUEST)->mutable_hash()->set_consumer(true); }},
      {"Upstream local/payments balancing.hash.consumer INVALID",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->mutable_hash()->set_consumer(false); }},
      {"Upstream local/payments balancing.hash.header INVALID",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->mutable_hash()->set_header("X-Upper"); }},
      {"Upstream local/payments balancing.hash.path_parameter INVALID",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->mutable_hash()->set_path_parameter("a b"); }},
      {"Upstream local/payments balancing.ring_points OUT_OF_RANGE",
       [](Bundle& b) { Balanced(b, BALANCE_RING_HASH)->set_ring_points(10'001); }},
      {"Upstream local/payments balancing.table_size OUT_OF_RANGE",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->set_table_size(5'000'012); }},
      {"Upstream local/payments balancing.table_size INVALID",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->set_table_size(65536); }},
      {"Endpoints local/payments endpoints OUT_OF_RANGE",
       [](Bundle& b) {
         Balanced(b, BALANCE_MAGLEV)->set_table_size(2);
         for (const char* address : {"127.0.0.1:1", "127.0.0.1:2"}) {
           config::v1::Endpoint* added = b.mutable_endpoints(0)->add_endpoints();
           added->set_address(address);
           added->set_weight(1);
         }
       }},
      {"Upstream local/payments balancing.bias_permille OUT_OF_RANGE",
       [](Bundle& b) { Balanced(b, BALANCE_LEAST_REQUEST)->set_bias_permille(10'001); }},
      {"Upstream local/payments balancing.slow_start_ms OUT_OF_RANGE",
       [](Bundle& b) { Balanced(b, BALANCE_LEAST_REQUEST)->set_slow_start_ms(86'400'001); }},
      {"Upstream local/payments balancing.slow_start_ms CONFLICT",
       [](Bundle& b) { Balanced(b, BALANCE_MAGLEV)->set_slow_start_ms(1000); }},
      {"Upstream local/payments balancing.panic_threshold_percent OUT_OF_RANGE",
       [](Bundle& b) { Balanced(b, BALANCE_LEAST_REQUEST)->set_panic_threshold_percent(101); }},
      {"Upstream local/payments balancing.overprovisioning_percent OUT_OF_RANGE",
       [](Bundle& b) { Balanced(b, BALANCE_LEAST_REQUEST)->set_overprovisioning_percent(99); }},
      {"Upstream local/payments balancing.zones.local INVALID",
       [](Bundle& b) {
         Balanced(b, BALANCE_LEAST_REQUEST)->mutable_zones()->set_local("not a zone");
       }},
      {"Upstream local/payments balancing.zones.callers[0].weight OUT_OF_RANGE",
       [](Bundle& b) {
         Balanced(b, BALANCE_LEAST_REQUEST)->mutable_zones()->add_callers()->set_zone("a");
       }},
      {"Upstream local/payments balancing.zones.callers[1].zone DUPLICATE",
       [](Bundle& b) {
         config::v1::ZoneRouting* zones = Balanced(b, BALANCE_LEAST_REQUEST)->mutable_zones();
         for (int i = 0; i < 2; ++i) {
           config::v1::ZoneShare* share = zones->add_callers();
           share->set_zone("a");
           share->set_weight(1);
         }
       }},
      {"Upstream local/payments balancing.load_reports CONFLICT",
       [](Bundle& b) { Reports(Balanced(b, BALANCE_LEAST_REQUEST)); }},
      {"Upstream local/payments balancing.load_reports.expiry_ms OUT_OF_RANGE",
       [](Bundle& b) { Reports(Balanced(b, BALANCE_LOAD_WEIGHTED))->set_expiry_ms(0); }},
      {"Upstream local/payments balancing.load_reports.update_ms OUT_OF_RANGE",
       [](Bundle& b) { Reports(Balanced(b, BALANCE_LOAD_WEIGHTED))->set_update_ms(0); }},
      {"Upstream local/payments balancing.load_reports.error_penalty_permille OUT_OF_RANGE",
       [](Bundle& b) {
         Reports(Balanced(b, BALANCE_LOAD_WEIGHTED))->set_error_penalty_permille(100'001);
       }},
  });
}

TEST(EndpointFields, AreChecked) {
  const auto end = [](Bundle& b) { return b.mutable_endpoints(0)->mutable_endpoints(0); };
  ExpectEach({
      {"Endpoints local/payments endpoints[0].address MISSING",
       [&](Bundle& b) { end(b)->clear_address(); }},
      {"Endpoints local/payments endpoints[0].address INVALID",
       [&](Bundle& b) { end(b)->set_address("nowhere"); }},
      {"Endpoints local/payments endpoints[0].address OUT_OF_RANGE",
       [&](Bundle& b) { end(b)->set_address("127.0.0.1:0"); }},
      {"Endpoints local/payments endpoints[0].weight OUT_OF_RANGE",
       [&](Bundle& b) { end(b)->set_weight(0); }},
      {"Endpoints local/payments endpoints[0].zone INVALID",
       [&](Bundle& b) { end(b)->set_zone("not a zone"); }},
      {"Endpoints local/payments endpoints[0].priority OUT_OF_RANGE",
       [&](Bundle& b) { end(b)->set_priority(10); }},
      {"Endpoints local/payments endpoints[1].address DUPLICATE",
       [&](Bundle& b) { *b.mutable_endpoints(0)->add_endpoints() = *end(b); }},
  });
}

TEST(IssuerFields, AreChecked) {
  ExpectEach({
      {"PolicySet policy issuers[0].issuer MISSING", [](Bundle& b) { Issuer(b).clear_issuer(); }},
      {"PolicySet policy issuers[0].audiences MISSING",
       [](Bundle& b) { Issuer(b).clear_audiences(); }},
      {"PolicySet policy issuers[0].algorithms MISSING",
       [](Bundle& b) { Issuer(b).clear_algorithms(); }},
      {"PolicySet policy issuers[0].algorithms INVALID",
       [](Bundle& b) { Issuer(b).set_algorithms(0, "none"); }},
      {"PolicySet policy issuers[0].jwks MISSING", [](Bundle& b) { Issuer(b).clear_jwks(); }},
      {"PolicySet policy issuers[0].jwks INVALID", [](Bundle& b) { Issuer(b).set_jwks("{}"); }},
      {"PolicySet policy issuers[0].jwks_secret DANGLING",
       [](Bundle& b) {
         Issuer(b).clear_jwks();
         Issuer(b).set_jwks_secret("jwks/bank");
       }},
      {"PolicySet policy issuers[0].jwks_secret CONFLICT",
       [](Bundle& b) { Issuer(b).set_jwks_secret("pepper/p1"); }},
      {"PolicySet policy issuers[0].profile MISSING", [](Bundle& b) { Issuer(b).clear_profile(); }},
      {"PolicySet policy issuers[0].consumer_claim MISSING",
       [](Bundle& b) { Issuer(b).clear_consumer_claim(); }},
      {"PolicySet policy issuers[0].permissions_claim MISSING",
       [](Bundle& b) { Issuer(b).clear_permissions_claim(); }},
      {"PolicySet policy issuers[0].leeway_seconds OUT_OF_RANGE",
       [](Bundle& b) { Issuer(b).set_leeway_seconds(61); }},
      {"PolicySet policy issuers[1].name DUPLICATE",
       [](Bundle& b) { *b.mutable_policy_sets(0)->add_issuers() = Issuer(b); }},
  });
}

TEST(IssuerFields, KeepSymmetricKeysInASecret) {
  constexpr char kSymmetric[] =
      R"({"keys":[{"kty":"oct","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]})";
  const auto symmetric = [&](Bundle& b) {
    Issuer(b).set_algorithms(0, "HS256");
    Issuer(b).clear_jwks();
  };
  EXPECT_THAT(After([&](Bundle& b) {
                symmetric(b);
                Issuer(b).set_jwks(kSymmetric);
              }),
              ElementsAre("PolicySet policy issuers[0].jwks INVALID"));
  EXPECT_THAT(After([&](Bundle& b) {
                symmetric(b);
                Issuer(b).set_jwks_secret("jwks/bank");
                config::v1::Secret* secret = b.add_secrets();
                secret->set_name("jwks/bank");
                secret->set_value(kSymmetric);
              }),
              IsEmpty());
}

TEST(PlanFields, AreChecked) {
  ExpectEach({
      {"PolicySet policy plans[0].windows MISSING", [](Bundle& b) { Plan(b).clear_windows(); }},
      {"PolicySet policy plans[0].windows OUT_OF_RANGE",
       [](Bundle& b) {
         for (int i = 0; i < 7; ++i) {
           config::v1::Window* w = Plan(b).add_windows();
           w->set_count(1);
           w->set_period_ms(10 + i);
         }
       }},
      {"PolicySet policy plans[0].windows[0].count OUT_OF_RANGE",
       [](Bundle& b) { Plan(b).mutable_windows(0)->set_count(0); }},
      {"PolicySet policy plans[0].windows[0].period_ms OUT_OF_RANGE",
       [](Bundle& b) { Plan(b).mutable_windows(0)->set_period_ms(0); }},
      {"PolicySet policy plans[0].windows[0].period_ms OUT_OF_RANGE",
       [](Bundle& b) { Plan(b).mutable_windows(0)->set_period_ms(~uint64_t{0}); }},
      {"PolicySet policy plans[0].windows[1].period_ms DUPLICATE",
       [](Bundle& b) { Plan(b).mutable_windows(1)->set_period_ms(1000); }},
      {"PolicySet policy plans[0].algorithm MISSING", [](Bundle& b) { Plan(b).clear_algorithm(); }},
      {"PolicySet policy plans[0].per UNKNOWN_VALUE",
       [](Bundle& b) { Plan(b).set_per(static_cast<config::v1::LimitKey>(77)); }},
      {"PolicySet policy plans[0].claim MISSING",
       [](Bundle& b) { Plan(b).set_per(config::v1::LIMIT_KEY_CLAIM); }},
      {"PolicySet policy plans[0].claim CONFLICT", [](Bundle& b) { Plan(b).set_claim("tenant"); }},
      {"PolicySet policy plans[0].burst CONFLICT", [](Bundle& b) { Plan(b).set_burst(5); }},
      {"PolicySet policy plans[3].name DUPLICATE",
       [](Bundle& b) { *b.mutable_policy_sets(0)->add_plans() = Plan(b); }},
  });
}

TEST(ConsumerFields, AreChecked) {
  const auto key = [](Bundle& b) { return Consumer(b).mutable_api_keys(0); };
  ExpectEach({
      {"ConsumerShard consumers/0 consumers[0].name MISSING",
       [](Bundle& b) { Consumer(b).clear_name(); }},
      {"ConsumerShard consumers/0 consumers[0].plan DANGLING",
       [](Bundle& b) { Consumer(b).set_plan("gone"); }},
      {"ConsumerShard consumers/0 consumers[0].grants[1] DUPLICATE",
       [](Bundle& b) { Consumer(b).set_grants(1, "payments.read"); }},
      {"ConsumerShard consumers/0 consumers[0].grants[0] INVALID",
       [](Bundle& b) { Consumer(b).set_grants(0, "payments read"); }},
      {"ConsumerShard consumers/0 consumers[0].tokens[0].issuer DANGLING",
       [](Bundle& b) { Consumer(b).mutable_tokens(0)->set_issuer("gone"); }},
      {"ConsumerShard consumers/0 consumers[0].tokens[0].value MISSING",
       [](Bundle& b) { Consumer(b).mutable_tokens(0)->clear_value(); }},
      {"ConsumerShard consumers/0 consumers[0].api_keys[0].id MISSING",
       [&](Bundle& b) { key(b)->clear_id(); }},
      {"ConsumerShard consumers/0 consumers[0].api_keys[0].hash INVALID",
       [&](Bundle& b) { key(b)->set_hash("short"); }},
      {"ConsumerShard consumers/0 consumers[0].api_keys[0].pepper DANGLING",
       [&](Bundle& b) { key(b)->set_pepper("pepper/gone"); }},
      {"ConsumerShard consumers/0 consumers[0].api_keys[0].pepper MISSING",
       [&](Bundle& b) { key(b)->clear_pepper(); }},
      {"ConsumerShard consumers/0 consumers[0].api_keys[0].not_after OUT_OF_RANGE",
       [&](Bundle& b) { key(b)->set_not_after(INT64_MAX); }},
      {"ConsumerShard consumers/0 consumers[0].api_keys[0].not_after OUT_OF_RANGE",
       [&](Bundle& b) { key(b)->set_not_after(-1); }},
  });
}

TEST(ConsumerFields, AreUniqueAcrossShards) {
  EXPECT_THAT(After([](Bundle& b) {
                config::v1::ConsumerShard* shard = b.add_consumer_shards();
                shard->set_name("consumers/1");
                *shard->add_consumers() = Consumer(b);
              }),
              ElementsAre("ConsumerShard consumers/1 consumers[0].tokens[0] DUPLICATE",
                          "ConsumerShard consumers/1 consumers[0].api_keys[0].id DUPLICATE",
                          "ConsumerShard consumers/1 consumers[0].name DUPLICATE"));
}

TEST(RouteTableFields, AreChecked) {
  const auto v1 = [](Bundle& b) { return b.mutable_route_tables(1); };
  ExpectEach({
      {"RouteTable cards/v1 state MISSING", [&](Bundle& b) { v1(b)->clear_state(); }},
      {"RouteTable cards/v1 deprecated MISSING", [&](Bundle& b) { v1(b)->clear_deprecated(); }},
      {"RouteTable cards/v1 sunset CONFLICT", [&](Bundle& b) { v1(b)->set_sunset(1688169598); }},
      {"RouteTable cards/v1 sunset OUT_OF_RANGE", [&](Bundle& b) { v1(b)->set_sunset(-5); }},
      {"RouteTable cards/v1 sunset OUT_OF_RANGE",
       [&](Bundle& b) { v1(b)->set_sunset(9'300'000'000); }},
      {"RouteTable cards/v1 successor CONFLICT", [&](Bundle& b) { v1(b)->set_successor("v1"); }},
      {"RouteTable cards/v1 link INVALID",
       [&](Bundle& b) { v1(b)->set_link("https://x/>;rel=x"); }},
  });
}

TEST(RouteTableFields, NameIsApiAndVersion) {
  EXPECT_THAT(After([](Bundle& b) { b.mutable_route_tables(1)->set_version("v3"); }),
              ElementsAre("RouteTable cards/v1 name INVALID"));
}

TEST(HedgeFields, AreTakenOver) {
  Bundle bundle = GoodBundle();
  GetRoute(bundle).mutable_hedge()->set_after_ms(80);
  GetRoute(bundle).mutable_hedge()->set_max(2);
  const PolicyOrErrors result = FromBundle(bundle);
  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_EQ(result.policy.route_tables.at("cards/v2").routes.at(1).hedge,
            (HedgePolicy{std::chrono::milliseconds(80), 2}));
}

TEST(HedgeFields, AreChecked) {
  const auto hedge = [](config::v1::Route& route, uint32_t after, uint32_t max) {
    route.mutable_hedge()->set_after_ms(after);
    route.mutable_hedge()->set_max(max);
  };
  ExpectEach({
      {"RouteTable cards/v2 routes[1].hedge.after_ms OUT_OF_RANGE",
       [&](Bundle& b) { hedge(GetRoute(b), 0, 1); }},
      {"RouteTable cards/v2 routes[1].hedge.after_ms OUT_OF_RANGE",
       [&](Bundle& b) { hedge(GetRoute(b), 2001, 1); }},
      {"RouteTable cards/v2 routes[1].hedge.max OUT_OF_RANGE",
       [&](Bundle& b) { hedge(GetRoute(b), 80, 0); }},
      {"RouteTable cards/v2 routes[1].hedge.max OUT_OF_RANGE",
       [&](Bundle& b) { hedge(GetRoute(b), 80, 4); }},
      {"RouteTable cards/v2 routes[0].hedge CONFLICT",
       [&](Bundle& b) { hedge(FirstRoute(b), 80, 1); }},
      {"RouteTable cards/v2 routes[1].hedge CONFLICT",
       [&](Bundle& b) {
         GetRoute(b).clear_method();
         hedge(GetRoute(b), 80, 1);
       }},
  });
}

TEST(RouteFields, AreChecked) {
  ExpectEach({
      {"RouteTable cards/v2 routes[0].name MISSING", [](Bundle& b) { FirstRoute(b).clear_name(); }},
      {"RouteTable cards/v2 routes[0].name INVALID",
       [](Bundle& b) { FirstRoute(b).set_name("a\nb"); }},
      {"RouteTable cards/v2 routes[1].name DUPLICATE",
       [](Bundle& b) { GetRoute(b).set_name("create"); }},
      {"RouteTable cards/v2 routes[1].method UNKNOWN_VALUE",
       [](Bundle& b) { GetRoute(b).set_method("FETCH"); }},
      {"RouteTable cards/v2 routes[1].method UNKNOWN_VALUE",
       [](Bundle& b) { GetRoute(b).set_method("TRACE"); }},
      {"RouteTable cards/v2 routes[1].path MISSING", [](Bundle& b) { GetRoute(b).clear_path(); }},
      {"RouteTable cards/v2 routes[1].path INVALID",
       [](Bundle& b) { GetRoute(b).set_path("/a/../b"); }},
      {"RouteTable cards/v2 routes[1].require MISSING",
       [](Bundle& b) { GetRoute(b).clear_require(); }},
      {"RouteTable cards/v2 routes[1].public CONFLICT",
       [](Bundle& b) { GetRoute(b).set_public_(true); }},
      {"RouteTable cards/v2 routes[1].require[1] DUPLICATE",
       [](Bundle& b) { GetRoute(b).add_require("payments.read"); }},
      {"RouteTable cards/v2 routes[1].timeout_ms OUT_OF_RANGE",
       [](Bundle& b) { GetRoute(b).set_timeout_ms(0); }},
      {"RouteTable cards/v2 routes[1].attempt_timeout_ms OUT_OF_RANGE",
       [](Bundle& b) { GetRoute(b).set_attempt_timeout_ms(2001); }},
      {"RouteTable cards/v2 routes[0].idempotency.header MISSING",
       [](Bundle& b) { FirstRoute(b).mutable_idempotency()->clear_header(); }},
      {"RouteTable cards/v2 routes[1].plan DANGLING",
       [](Bundle& b) { GetRoute(b).set_plan("gone"); }},
      {"RouteTable cards/v2 routes[1].max_body_bytes OUT_OF_RANGE",
       [](Bundle& b) { GetRoute(b).set_max_body_bytes(~uint64_t{0}); }},
      {"RouteTable cards/v2 routes[1].upstream MISSING",
       [](Bundle& b) { GetRoute(b).clear_upstream(); }},
      {"RouteTable cards/v2 routes[1].upstream DANGLING",
       [](Bundle& b) { GetRoute(b).set_upstream("gone"); }},
      {"RouteTable cards/v2 routes[0].retry.max_retries OUT_OF_RANGE",
       [](Bundle& b) { FirstRoute(b).mutable_retry()->set_max_retries(5); }},
      {"RouteTable cards/v2 routes[0].retry.when MISSING",
       [](Bundle& b) { FirstRoute(b).mutable_retry()->clear_when(); }},
      {"RouteTable cards/v2 routes[0].retry.when[1] DUPLICATE",
       [](Bundle& b) {
         FirstRoute(b).mutable_retry()->set_when(1, config::v1::RETRY_CONDITION_NOT_SENT);
       }},
      {"RouteTable cards/v2 routes[0].retry.when[1] MISSING",
       [](Bundle& b) {
         FirstRoute(b).mutable_retry()->set_when(1, config::v1::RETRY_CONDITION_UNSPECIFIED);
       }},
  });
}

TEST(RouteFields, RefuseToSendAPaymentTwice) {
  for (const char* method : {"POST", "PATCH", ""}) {
    EXPECT_THAT(After([&](Bundle& b) {
                  FirstRoute(b).set_method(method);
                  FirstRoute(b).mutable_idempotency()->set_honoured_by_service(false);
                }),
                ElementsAre("RouteTable cards/v2 routes[0].retry.when CONFLICT"))
        << method;
  }
  for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    EXPECT_THAT(After([&](Bundle& b) {
                  FirstRoute(b).set_method(method);
                  FirstRoute(b).mutable_idempotency()->set_honoured_by_service(false);
                }),
                IsEmpty())
        << method;
  }
  EXPECT_THAT(After([](Bundle& b) {  // what was never sent may be sent
                FirstRoute(b).clear_idempotency();
                FirstRoute(b).mutable_retry()->mutable_when()->RemoveLast();
              }),
              IsEmpty());
}

TEST(RouteFields, ConflictWhenTheyMatchTheSame) {
  EXPECT_THAT(After([](Bundle& b) {
                config::v1::Route* twin = b.mutable_route_tables(0)->add_routes();
                *twin = GetRoute(b);
                twin->set_name("twin");
                twin->set_path("/payments/{other}");
              }),
              ElementsAre("RouteTable cards/v2 routes[3] CONFLICT"));
}

TEST(RouteFields, MayNotMakeLookupsSlow) {
  EXPECT_THAT(After([](Bundle& b) {
                for (int n = 0; n < 512; ++n) {
                  config::v1::Route* route = b.mutable_route_tables(0)->add_routes();
                  *route = GetRoute(b);
                  route->set_name(absl::StrCat("n", n));
                  std::string path;
                  for (int bit = 0; bit < 9; ++bit) {
                    absl::StrAppend(&path, n >> bit & 1 ? "/a" : absl::StrCat("/{p", bit, "}"));
                  }
                  route->set_path(path);
                }
              }),
              ElementsAre("RouteTable cards/v2 routes OUT_OF_RANGE"));
}

TEST(ListenerFields, AreChecked) {
  const auto listener = [](Bundle& b) { return b.mutable_listeners(0); };
  const std::string name = "Listener inbound/payments ";
  ExpectEach({
      {"Listener inbound/payments address MISSING",
       [&](Bundle& b) { listener(b)->clear_address(); }},
      {"Listener inbound/payments address INVALID",
       [&](Bundle& b) { listener(b)->set_address("localhost:80"); }},
      {"Listener inbound/payments address CONFLICT",
       [&](Bundle& b) { listener(b)->set_address("0.0.0.0:8080"); }},
      {"Listener inbound/payments direction MISSING",
       [&](Bundle& b) { listener(b)->clear_direction(); }},
      {"Listener inbound/payments max_connections OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_max_connections(0); }},
      {"Listener inbound/payments header_timeout_ms OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_header_timeout_ms(0); }},
      {"Listener inbound/payments idle_timeout_ms OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_idle_timeout_ms(0); }},
      {"Listener inbound/payments body_timeout_ms OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_body_timeout_ms(0); }},
      {"Listener inbound/payments max_stream_duration_ms OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_max_stream_duration_ms(0); }},
      {"Listener inbound/payments max_header_bytes OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_max_header_bytes(100); }},
      {"Listener inbound/payments max_headers OUT_OF_RANGE",
       [&](Bundle& b) { listener(b)->set_max_headers(0); }},
  });
}

TEST(ListenerFields, AllowPlaintextOffLoopbackWhenItIsMeant) {
  EXPECT_THAT(After([](Bundle& b) {
                b.mutable_listeners(0)->set_address("0.0.0.0:8080");
                b.mutable_listeners(0)->set_plaintext(true);
              }),
              IsEmpty());
}

TEST(ListenerFields, RefuseTwoListenersOnOneAddress) {
  const auto second_at = [](const char* address) {
    return After([&](Bundle& b) {
      config::v1::Listener second = b.listeners(0);
      second.set_name("second");
      second.set_address(address);
      second.set_plaintext(true);
      *b.add_listeners() = second;
    });
  };
  EXPECT_THAT(second_at("127.0.0.1:8080"), ElementsAre("Listener second address CONFLICT"));
  EXPECT_THAT(second_at("0.0.0.0:8080"), ElementsAre("Listener second address CONFLICT"));
  EXPECT_THAT(second_at("127.0.0.1:8081"), IsEmpty());
  EXPECT_THAT(second_at("127.0.0.2:8080"), IsEmpty());
  EXPECT_THAT(second_at("unix:/run/second.sock"), IsEmpty());
}

TEST(ListenerFields, MayShareTheAddressThatTheKernelChooses) {
  EXPECT_THAT(After([](Bundle& b) {
                b.mutable_listeners(0)->set_address("127.0.0.1:0");
                *b.add_listeners() = b.listeners(0);
                b.mutable_listeners(1)->set_name("second");
              }),
              IsEmpty());
}

TEST(ApiFields, AreChecked) {
  ExpectEach({
      {"Listener inbound/payments apis[0].hosts MISSING", [](Bundle& b) { Api(b).clear_hosts(); }},
      {"Listener inbound/payments apis[0].hosts[0] INVALID",
       [](Bundle& b) { Api(b).set_hosts(0, "Pay.example.com"); }},
      {"Listener inbound/payments apis[0].hosts[0] INVALID",
       [](Bundle& b) { Api(b).set_hosts(0, "pay.example.com:80"); }},
      {"Listener inbound/payments apis[0].hosts[0] INVALID",
       [](Bundle& b) { Api(b).set_hosts(0, "*.example.com"); }},
      {"Listener inbound/payments apis[0].hosts[0] INVALID",
       [](Bundle& b) { Api(b).set_hosts(0, "pay.example.com."); }},
      {"Listener inbound/payments apis[0].hosts[1] DUPLICATE",
       [](Bundle& b) { Api(b).set_hosts(1, "pay.example.com"); }},
      {"Listener inbound/payments apis[0].base_path MISSING",
       [](Bundle& b) { Api(b).clear_base_path(); }},
      {"Listener inbound/payments apis[0].base_path INVALID",
       [](Bundle& b) { Api(b).set_base_path("/cards/"); }},
      {"Listener inbound/payments apis[0].base_path INVALID",
       [](Bundle& b) { Api(b).set_base_path("/a//b"); }},
      {"Listener inbound/payments apis[0].base_path INVALID",
       [](Bundle& b) { Api(b).set_base_path("/a@b"); }},
      {"Listener inbound/payments apis[0].base_path INVALID",
       [](Bundle& b) { Api(b).set_base_path("/{id}"); }},
      {"Listener inbound/payments apis[0].authenticate[0] MISSING",
       [](Bundle& b) { Api(b).mutable_authenticate(0)->clear_kind(); }},
      {"Listener inbound/payments apis[0].authenticate[0].jwt DANGLING",
       [](Bundle& b) { Api(b).mutable_authenticate(0)->set_jwt("gone"); }},
      {"Listener inbound/payments apis[0].authenticate[2].jwt DUPLICATE",
       [](Bundle& b) { Api(b).add_authenticate()->set_jwt("bank"); }},
      {"Listener inbound/payments apis[0].authenticate[1].api_key_header INVALID",
       [](Bundle& b) { Api(b).mutable_authenticate(1)->set_api_key_header("X-Api-Key"); }},
      {"Listener inbound/payments apis[0].authenticate[2].api_key_header DUPLICATE",
       [](Bundle& b) { Api(b).add_authenticate()->set_api_key_header("x-api-key"); }},
      {"Listener inbound/payments apis[0].version_from.strip CONFLICT",
       [](Bundle& b) {
         Api(b).mutable_version_from()->set_path(false);
         Api(b).mutable_version_from()->set_strip(true);
       }},
      {"Listener inbound/payments apis[0].version_from.default_version DANGLING",
       [](Bundle& b) { Api(b).mutable_version_from()->set_default_version("v9"); }},
      {"Listener inbound/payments apis[0].version_from MISSING",
       [](Bundle& b) { Api(b).clear_version_from(); }},
      {"Listener inbound/payments apis[0].version_from.header INVALID",
       [](Bundle& b) { Api(b).mutable_version_from()->set_header("X Version"); }},
      {"Listener inbound/payments apis[0].route_tables[1] DANGLING",
       [](Bundle& b) { Api(b).set_route_tables(1, "cards/v9"); }},
      {"Listener inbound/payments apis[0].route_tables[2] DUPLICATE",
       [](Bundle& b) { Api(b).add_route_tables("cards/v1"); }},
      {"Listener inbound/payments apis[0].default_plan MISSING",
       [](Bundle& b) { Api(b).clear_default_plan(); }},
      {"Listener inbound/payments apis[0].default_plan DANGLING",
       [](Bundle& b) { Api(b).set_default_plan("gone"); }},
      {"Listener inbound/payments apis[0].address_plan DANGLING",
       [](Bundle& b) { Api(b).set_address_plan("gone"); }},
      {"Listener inbound/payments apis[0].address_plan CONFLICT",
       [](Bundle& b) { Api(b).set_address_plan("standard"); }},
      {"Listener inbound/payments apis[0].route_tables[0] CONFLICT",  // nobody could hold it
       [](Bundle& b) { Api(b).clear_authenticate(); }},
  });
}

TEST(ApiFields, HostWithBasePathBelongsToOneApi) {
  EXPECT_THAT(After([](Bundle& b) {
                config::v1::ApiBinding* other = b.mutable_listeners(0)->add_apis();
                *other = Api(b);
                other->clear_hosts();
                other->add_hosts("other.example");
                other->add_hosts("payments");
              }),
              ElementsAre("Listener inbound/payments apis[1].hosts[1] CONFLICT"));
  EXPECT_THAT(After([](Bundle& b) {
                config::v1::ApiBinding* other = b.mutable_listeners(0)->add_apis();
                *other = Api(b);
                other->set_base_path("/other");
              }),
              IsEmpty());
}

TEST(ApiFields, OutboundAuthenticatesNobodyRequiresNothingAndLimitsNothing) {
  EXPECT_THAT(After([](Bundle& b) {
                b.mutable_listeners(0)->set_direction(config::v1::DIRECTION_OUTBOUND);
              }),
              ElementsAre("Listener inbound/payments apis[0].authenticate CONFLICT",
                          "Listener inbound/payments apis[0].default_plan CONFLICT",
                          "Listener inbound/payments apis[0].address_plan CONFLICT",
                          "Listener inbound/payments apis[0].route_tables[0] CONFLICT",
                          "Listener inbound/payments apis[0].route_tables[0] CONFLICT"));
}

TEST(RevocationFields, OfTokensAreChecked) {
  const auto token = [](Bundle& b) {
    config::v1::Revocation* revocation = b.add_revocations();
    revocation->set_name("denied");
    revocation->set_revision(7);
    revocation->set_incarnation("i1");
    config::v1::TokenDenial* denial = revocation->add_tokens();
    denial->set_issuer("https://login.bank.example/");
    denial->set_subject("mallory");
    return denial;
  };
  const auto list = [&](Bundle& b) {
    token(b);
    return b.mutable_revocations(b.revocations_size() - 1);
  };
  EXPECT_THAT(After([&](Bundle& b) { token(b)->set_until(1893456000); }), IsEmpty());
  ExpectEach({
      {"Revocation denied tokens[0].issuer MISSING", [&](Bundle& b) { token(b)->clear_issuer(); }},
      {"Revocation denied tokens[0] MISSING", [&](Bundle& b) { token(b)->clear_subject(); }},
      {"Revocation denied tokens[0].subject MISSING",
       [&](Bundle& b) { token(b)->set_subject(""); }},
      {"Revocation denied tokens[0].token_id MISSING",
       [&](Bundle& b) { token(b)->set_token_id(""); }},
      {"Revocation denied tokens[0].client INVALID",
       [&](Bundle& b) { token(b)->set_client("a\nb"); }},
      {"Revocation denied tokens[0].subject OUT_OF_RANGE",
       [&](Bundle& b) { token(b)->set_subject(std::string(1025, 'm')); }},
      {"Revocation denied tokens[0].until OUT_OF_RANGE",
       [&](Bundle& b) { token(b)->set_until(-1); }},
      {"Revocation denied incarnation MISSING", [&](Bundle& b) { list(b)->clear_incarnation(); }},
      {"Revocation denied revision MISSING", [&](Bundle& b) { list(b)->clear_revision(); }},
      {"Revocation denied tokens[0] UNKNOWN_FIELD",
       [&](Bundle& b) {
         config::v1::TokenDenial* denial = token(b);
         denial->GetReflection()->MutableUnknownFields(denial)->AddVarint(99, 1);
       }},
  });
}

TEST(FaultFields, AreChecked) {
  const auto faults = [](Bundle& b) {
    config::v1::Faults* to = GetRoute(b).mutable_faults();
    to->mutable_delay()->set_duration_ms(100);
    to->mutable_delay()->set_per_ten_thousand(10);
    to->mutable_abort()->set_status(503);
    to->mutable_abort()->set_per_ten_thousand(10'000);
    return to;
  };
  EXPECT_THAT(After([&](Bundle& b) { faults(b); }), IsEmpty());
  const std::string at = "RouteTable cards/v2 routes[1].faults";
  const auto expect = [&](absl::string_view error, const std::function<void(Bundle&)>& change) {
    EXPECT_THAT(After(change), ElementsAre(absl::StrCat(at, error)));
  };
  expect(" MISSING", [](Bundle& b) { GetRoute(b).mutable_faults(); });
  expect(".delay.duration_ms OUT_OF_RANGE",
         [&](Bundle& b) { faults(b)->mutable_delay()->set_duration_ms(0); });
  expect(".delay.duration_ms OUT_OF_RANGE",
         [&](Bundle& b) { faults(b)->mutable_delay()->set_duration_ms(3'600'001); });
  expect(".delay.per_ten_thousand OUT_OF_RANGE",
         [&](Bundle& b) { faults(b)->mutable_delay()->set_per_ten_thousand(0); });
  expect(".abort.per_ten_thousand OUT_OF_RANGE",
         [&](Bundle& b) { faults(b)->mutable_abort()->set_per_ten_thousand(10'001); });
  // A made-up success would be believed.
  expect(".abort.status OUT_OF_RANGE",
         [&](Bundle& b) { faults(b)->mutable_abort()->set_status(200); });
  expect(".abort.status OUT_OF_RANGE",
         [&](Bundle& b) { faults(b)->mutable_abort()->set_status(600); });
  expect(".delay.match.header INVALID",
         [&](Bundle& b) { faults(b)->mutable_delay()->mutable_match()->set_header("X-Upper"); });
  expect(".abort.match.value INVALID", [&](Bundle& b) {
    config::v1::FaultMatch* match = faults(b)->mutable_abort()->mutable_match();
    match->set_header("x-a");
    match->set_value("a\r\nb");
  });
}

}  // namespace
}  // namespace tollgate
