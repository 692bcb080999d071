// Health checks, outlier detection, caps, the adaptive limit and priorities: what is taken over,
// and which error names what is wrong.
#include <functional>

#include "common/policy/from_proto.h"
#include "tests/unit/common/policy/bundle_for_test.h"

namespace tollgate {
namespace {

using config::v1::Bundle;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

config::v1::Upstream& Up(Bundle& b) { return *b.mutable_upstreams(0); }
config::v1::HealthCheck& Check(Bundle& b) {
  config::v1::HealthCheck& check = *Up(b).mutable_health_check();
  check.mutable_http()->set_path("/healthz");
  config::v1::StatusRange* range = check.mutable_http()->add_expect();
  range->set_from(200);
  range->set_to(299);
  check.set_interval_ms(5000);
  check.set_timeout_ms(1000);
  check.set_healthy_threshold(2);
  check.set_unhealthy_threshold(3);
  return check;
}
config::v1::AdaptiveConcurrency& Adaptive(Bundle& b) {
  config::v1::AdaptiveConcurrency& limit = *Up(b).mutable_adaptive_concurrency();
  limit.set_min_concurrency(3);
  limit.set_max_concurrency(1000);
  limit.set_update_interval_ms(100);
  limit.set_min_rtt_interval_ms(60'000);
  limit.set_min_rtt_requests(50);
  limit.set_percentile(50);
  return limit;
}

UpstreamPolicy Upstream(const std::function<void(Bundle&)>& change) {
  Bundle bundle = GoodBundle();
  change(bundle);
  EXPECT_THAT(ErrorsOf(bundle), IsEmpty());
  return FromBundle(bundle).policy.upstreams.at("local/payments");
}

struct Row {
  const char* error;  // behind "Upstream local/payments "
  std::function<void(Bundle&)> change;
};
void ExpectEach(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    Bundle bundle = GoodBundle();
    row.change(bundle);
    EXPECT_THAT(ErrorsOf(bundle), ElementsAre(absl::StrCat("Upstream local/payments ", row.error)))
        << row.error;
  }
}

TEST(HealthCheckFields, AreTakenOver) {
  EXPECT_FALSE(Upstream([](Bundle&) {}).health_check.has_value());
  const HealthCheckPolicy http = *Upstream([](Bundle& b) {
                                    Check(b).mutable_http()->set_host("pay.example.com");
                                    Up(b).mutable_health_check()->set_jitter_ms(250);
                                    Up(b).mutable_health_check()->set_port(9090);
                                  }).health_check;
  EXPECT_EQ(http.kind, HealthCheckPolicy::Kind::kHttp);
  EXPECT_EQ(http.path, "/healthz");
  EXPECT_EQ(http.host, "pay.example.com");
  EXPECT_EQ(http.expect, (std::vector<StatusRange>{{200, 299}}));
  EXPECT_EQ(http.interval, seconds(5));
  EXPECT_EQ(http.timeout, seconds(1));
  EXPECT_EQ(http.jitter, milliseconds(250));
  EXPECT_EQ(http.healthy_threshold, 2u);
  EXPECT_EQ(http.unhealthy_threshold, 3u);
  EXPECT_EQ(http.port, 9090);
  const auto kind = [](const std::function<void(config::v1::HealthCheck&)>& change) {
    return *Upstream([&](Bundle& b) { change(Check(b)); }).health_check;
  };
  EXPECT_EQ(kind([](auto& check) { check.mutable_tcp(); }).kind, HealthCheckPolicy::Kind::kTcp);
  const HealthCheckPolicy grpc =
      kind([](auto& check) { check.mutable_grpc()->set_service("a.B"); });
  EXPECT_EQ(grpc.kind, HealthCheckPolicy::Kind::kGrpc);
  EXPECT_EQ(grpc.service, "a.B");
  EXPECT_EQ(kind([](auto& check) { check.mutable_grpc(); }).service, "") << "the whole server";
}

TEST(HealthCheckFields, AreChecked) {
  ExpectEach({
      {"health_check MISSING", [](Bundle& b) { Check(b).clear_kind(); }},
      {"health_check.http.path MISSING", [](Bundle& b) { Check(b).mutable_http()->clear_path(); }},
      {"health_check.http.path INVALID",
       [](Bundle& b) { Check(b).mutable_http()->set_path("healthz"); }},
      {"health_check.http.path INVALID",
       [](Bundle& b) { Check(b).mutable_http()->set_path("/a\r\nx: y"); }},
      {"health_check.http.host INVALID",
       [](Bundle& b) { Check(b).mutable_http()->set_host("a b"); }},
      {"health_check.http.expect MISSING",
       [](Bundle& b) { Check(b).mutable_http()->clear_expect(); }},
      {"health_check.http.expect[0].from OUT_OF_RANGE",
       [](Bundle& b) { Check(b).mutable_http()->mutable_expect(0)->set_from(100); }},
      {"health_check.http.expect[0].to OUT_OF_RANGE",
       [](Bundle& b) { Check(b).mutable_http()->mutable_expect(0)->set_from(300); }},
      {"health_check.grpc.service INVALID",
       [](Bundle& b) { Check(b).mutable_grpc()->set_service("a b"); }},
      {"health_check.interval_ms OUT_OF_RANGE",
       [](Bundle& b) {
         Check(b).set_interval_ms(99);
         Up(b).mutable_health_check()->set_timeout_ms(50);
       }},
      {"health_check.timeout_ms OUT_OF_RANGE", [](Bundle& b) { Check(b).set_timeout_ms(5001); }},
      {"health_check.jitter_ms OUT_OF_RANGE", [](Bundle& b) { Check(b).set_jitter_ms(5001); }},
      {"health_check.healthy_threshold OUT_OF_RANGE",
       [](Bundle& b) { Check(b).set_healthy_threshold(0); }},
      {"health_check.unhealthy_threshold OUT_OF_RANGE",
       [](Bundle& b) { Check(b).set_unhealthy_threshold(101); }},
      {"health_check.port OUT_OF_RANGE", [](Bundle& b) { Check(b).set_port(65536); }},
  });
}

TEST(HealthCheckFields, AUnixSocketHasNoOtherPort) {
  Bundle bundle = GoodBundle();
  Check(bundle).set_port(9090);
  bundle.mutable_endpoints(0)->mutable_endpoints(0)->set_address("unix:/run/payments.sock");
  EXPECT_THAT(ErrorsOf(bundle),
              ElementsAre("Endpoints local/payments endpoints[0].address CONFLICT"));
  Up(bundle).mutable_health_check()->set_port(0);
  EXPECT_THAT(ErrorsOf(bundle), IsEmpty());
}

TEST(OutlierFields, SweepsAreTakenOverAndChecked) {
  const auto outliers = [](Bundle& b) { return Up(b).mutable_outlier_detection(); };
  const auto rate = [&](Bundle& b) {
    auto* to = outliers(b)->mutable_success_rate();
    to->set_stdev_factor(1900);
    to->set_min_hosts(5);
    to->set_min_volume(100);
    return to;
  };
  const auto share = [&](Bundle& b) {
    auto* to = outliers(b)->mutable_failure_percentage();
    to->set_threshold(85);
    to->set_min_hosts(5);
    to->set_min_volume(50);
    return to;
  };
  const OutlierDetectionPolicy off = Upstream([](Bundle&) {}).outlier_detection;
  EXPECT_FALSE(off.success_rate.has_value() || off.failure_percentage.has_value());
  const OutlierDetectionPolicy on = Upstream([&](Bundle& b) {
                                      rate(b);
                                      share(b);
                                    }).outlier_detection;
  EXPECT_EQ(on.success_rate, SuccessRatePolicy());
  EXPECT_EQ(on.failure_percentage, FailurePercentagePolicy());
  ExpectEach({
      {"outlier_detection.success_rate.stdev_factor OUT_OF_RANGE",
       [&](Bundle& b) { rate(b)->set_stdev_factor(0); }},
      {"outlier_detection.success_rate.min_hosts OUT_OF_RANGE",
       [&](Bundle& b) { rate(b)->set_min_hosts(1); }},
      {"outlier_detection.success_rate.min_volume OUT_OF_RANGE",
       [&](Bundle& b) { rate(b)->set_min_volume(0); }},
      {"outlier_detection.failure_percentage.threshold OUT_OF_RANGE",
       [&](Bundle& b) { share(b)->set_threshold(101); }},
      {"outlier_detection.failure_percentage.min_hosts OUT_OF_RANGE",
       [&](Bundle& b) { share(b)->set_min_hosts(0); }},
      {"outlier_detection.failure_percentage.min_volume OUT_OF_RANGE",
       [&](Bundle& b) { share(b)->set_min_volume(0); }},
  });
}

TEST(Caps, AreTakenOverAndChecked) {
  EXPECT_EQ(Upstream([](Bundle&) {}).max_requests, 1024u);
  EXPECT_EQ(Upstream([](Bundle& b) { Up(b).set_max_requests(7); }).max_requests, 7u);
  EXPECT_EQ(Upstream([](Bundle& b) {
              Up(b).mutable_retry_budget()->set_max_concurrent(20);
            }).retry_budget.max_concurrent,
            20u);
  ExpectEach({
      {"max_requests OUT_OF_RANGE", [](Bundle& b) { Up(b).set_max_requests(4'000'000); }},
      {"retry_budget.max_concurrent OUT_OF_RANGE",
       [](Bundle& b) { Up(b).mutable_retry_budget()->set_max_concurrent(1'000'001); }},
  });
}

TEST(AdaptiveConcurrencyFields, AreTakenOverAndChecked) {
  EXPECT_FALSE(Upstream([](Bundle&) {}).adaptive_concurrency.has_value());
  AdaptiveConcurrencyPolicy expected;
  expected.jitter_percent = expected.buffer_percent = 0;
  EXPECT_EQ(Upstream([](Bundle& b) { Adaptive(b); }).adaptive_concurrency, expected);
  const char* const field[] = {"min_concurrency",     "max_concurrency", "update_interval_ms",
                               "min_rtt_interval_ms", "jitter_percent",  "min_rtt_requests",
                               "buffer_percent",      "percentile"};
  const std::function<void(config::v1::AdaptiveConcurrency&)> wrong[] = {[](auto& to) { to.set_min_concurrency(0); },
                                                                         [](auto& to) { to.set_max_concurrency(2); },
                                                                         [](auto& to) { to.set_update_interval_ms(0); },
                                                                         [](auto& to) { to.set_min_rtt_interval_ms(999); },
                                                                         [](auto& to) { to.set_jitter_percent(101); },
                                                                         [](auto& to) { to.set_min_rtt_requests(0); },
                                                                         [](auto& to) { to.set_buffer_percent(1001); },
                                                                         [](auto& to) { to.set_percentile(100); }};
  for (size_t i = 0; i < std::size(wrong); ++i) {
    const std::string error = absl::StrCat("adaptive_concurrency.", field[i], " OUT_OF_RANGE");
    ExpectEach({{error.c_str(), [&](Bundle& b) { wrong[i](Adaptive(b)); }}});
  }
}

TEST(Priorities, WhereThereIsOneCapsAreShared) {
  const auto route = [](Bundle& b, config::v1::Priority priority) {
    b.mutable_route_tables(0)->mutable_routes(0)->set_priority(priority);
  };
  EXPECT_FALSE(Upstream([](Bundle&) {}).has_priorities);
  EXPECT_FALSE(Upstream([&](Bundle& b) { route(b, config::v1::PRIORITY_DEFAULT); }).has_priorities);
  EXPECT_TRUE(Upstream([&](Bundle& b) { route(b, config::v1::PRIORITY_CRITICAL); }).has_priorities);
  EXPECT_TRUE(
      Upstream([&](Bundle& b) { route(b, config::v1::PRIORITY_SHEDDABLE); }).has_priorities);
  Bundle bundle = GoodBundle();
  route(bundle, static_cast<config::v1::Priority>(9));
  EXPECT_THAT(ErrorsOf(bundle),
              ElementsAre("RouteTable cards/v2 routes[0].priority UNKNOWN_VALUE"));
  route(bundle, config::v1::PRIORITY_SHEDDABLE);
  EXPECT_EQ(FromBundle(bundle).policy.route_tables.at("cards/v2").routes[0].priority,
            Priority::kSheddable);
}

}  // namespace
}  // namespace tollgate
