// What protects a Service: what is understood, and what is refused.
#include <cstring>

#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::string Yaml(absl::string_view lines) {
  return absl::StrCat("kind: Service\nname: p\nlocal: 127.0.0.1:9\n", lines, "\n");
}
UpstreamPolicy Upstream(absl::string_view lines) {
  return ModelOf(Yaml(lines)).services.at("p").upstream;
}
std::string Problems(absl::string_view lines) { return ProblemsOf(Yaml(lines)); }
HealthCheckPolicy Check(absl::string_view check) {
  return *Upstream(absl::StrCat("health_check: ", check)).health_check;
}

TEST(CompileHealthCheck, OneWordIsEnough) {
  EXPECT_FALSE(Upstream("").health_check.has_value());
  HealthCheckPolicy expected;
  EXPECT_EQ(Check("{tcp: true}"), expected);
  expected.kind = HealthCheckPolicy::Kind::kHttp;
  expected.path = "/healthz";
  EXPECT_EQ(Check("{http: /healthz}"), expected);
  EXPECT_EQ(Check("{grpc: \"*\"}").kind, HealthCheckPolicy::Kind::kGrpc);
  EXPECT_EQ(Check("{grpc: a.v1.B}").service, "a.v1.B");
}

TEST(CompileHealthCheck, TakesWhatItSays) {
  const HealthCheckPolicy check = Check(
      "{http: \"/healthz?deep=1\", host: pay.example.com, expect: [\"204\", \"300-399\"],"
      " interval: 2s, timeout: 300ms, jitter: 1s, healthy_threshold: 4, unhealthy_threshold: 5,"
      " port: 9090}");
  EXPECT_EQ(check.path, "/healthz?deep=1");
  EXPECT_EQ(check.host, "pay.example.com");
  EXPECT_EQ(check.expect, (std::vector<StatusRange>{{204, 204}, {300, 399}}));
  EXPECT_EQ(check.interval, seconds(2));
  EXPECT_EQ(check.timeout, milliseconds(300));
  EXPECT_EQ(check.jitter, seconds(1));
  EXPECT_EQ(check.healthy_threshold, 4u);
  EXPECT_EQ(check.unhealthy_threshold, 5u);
  EXPECT_EQ(check.port, 9090);
  EXPECT_EQ(Check("{tcp: true, interval: 200ms}").timeout, milliseconds(200))
      << "at most the interval";
  EXPECT_EQ(Check("{tcp: true, interval: 200ms}").jitter, milliseconds(20));
}

TEST(CompileHealthCheck, RefusesWhatMakesNoSense) {
  const auto problems = [](absl::string_view check) {
    return Problems(absl::StrCat("health_check: ", check));
  };
  EXPECT_THAT(problems("{interval: 5s}"), HasSubstr("t.yaml:4"));
  EXPECT_THAT(problems("{interval: 5s}"), HasSubstr("does not say how to check"));
  EXPECT_THAT(problems("{tcp: true, http: /x}"), HasSubstr("more than one of http, tcp, grpc"));
  EXPECT_THAT(problems("{http: healthz}"), HasSubstr("begins with a slash"));
  EXPECT_THAT(problems("{tcp: true, host: x.com}"), HasSubstr("health_check.host"));
  EXPECT_THAT(problems("{tcp: true, expect: [\"200\"]}"), HasSubstr("health_check.expect"));
  EXPECT_THAT(problems("{http: /x, host: \"a b\"}"), HasSubstr("health_check.host"));
  for (const char* expect : {"99", "200-", "-200", "299-200", "2xx", "200-600", "20"}) {
    EXPECT_THAT(problems(absl::StrCat("{http: /x, expect: [\"", expect, "\"]}")),
                HasSubstr("health_check.expect[0]"))
        << expect;
  }
  EXPECT_THAT(problems("{grpc: \"a b\"}"), HasSubstr("health_check.grpc"));
  EXPECT_THAT(problems("{tcp: true, interval: 50ms}"), HasSubstr("at least 100ms"));
  EXPECT_THAT(problems("{tcp: true, timeout: 6s}"), HasSubstr("longer than the interval"));
  EXPECT_THAT(problems("{tcp: true, jitter: 6s}"), HasSubstr("longer than the interval"));
  EXPECT_THAT(problems("{tcp: true, healthy_threshold: 0}"), HasSubstr("expected 1 to 100"));
  EXPECT_THAT(problems("{tcp: true, port: 0}"), HasSubstr("expected 1 to 65535"));
  EXPECT_THAT(Problems("health_check: {tcp: true, port: 81}\n"
                       "endpoints: [{address: \"unix:/run/p.sock\"}]"),
              HasSubstr("endpoints[0].address"));
}

TEST(CompileOutliers, SweepsAreOffUnlessTheyStandThere) {
  const OutlierDetectionPolicy off = Upstream("").outlier_detection;
  EXPECT_FALSE(off.success_rate.has_value() || off.failure_percentage.has_value());
  EXPECT_EQ(off.interval, seconds(10));
  const OutlierDetectionPolicy on =
      Upstream("outlier_detection: {success_rate: {}, failure_percentage: {}}").outlier_detection;
  EXPECT_EQ(on.success_rate, SuccessRatePolicy());
  EXPECT_EQ(on.failure_percentage, FailurePercentagePolicy());
  const OutlierDetectionPolicy said =
      Upstream(
          "outlier_detection: {success_rate: {stdev_factor: 1000, min_hosts: 3,"
          " min_volume: 10}, failure_percentage: {threshold: 50, min_hosts: 1,"
          " min_volume: 1}}")
          .outlier_detection;
  EXPECT_EQ(said.success_rate, (SuccessRatePolicy{1000, 3, 10}));
  EXPECT_EQ(said.failure_percentage, (FailurePercentagePolicy{50, 1, 1}));
  EXPECT_THAT(Problems("outlier_detection: {success_rate: {min_hosts: 1}}"),
              HasSubstr("outlier_detection.success_rate.min_hosts"));
  EXPECT_THAT(Problems("outlier_detection: {failure_percentage: {threshold: 0}}"),
              HasSubstr("outlier_detection.failure_percentage.threshold"));
}

TEST(CompileCaps, AreNumbersAboveZero) {
  EXPECT_EQ(Upstream("").max_requests, 1024u);
  EXPECT_EQ(Upstream("max_requests: 5").max_requests, 5u);
  EXPECT_EQ(Upstream("").retry_budget.max_concurrent, 0u);
  EXPECT_EQ(Upstream("retry_budget: {max_concurrent: 9}").retry_budget.max_concurrent, 9u);
  EXPECT_THAT(Problems("max_requests: 0"), HasSubstr("max_requests"));
  EXPECT_THAT(Problems("retry_budget: {max_concurrent: 0}"),
              HasSubstr("retry_budget.max_concurrent"));
}

TEST(CompileAdaptiveConcurrency, TakesDefaultsAndWhatItSays) {
  EXPECT_FALSE(Upstream("").adaptive_concurrency.has_value());
  EXPECT_EQ(Upstream("adaptive_concurrency: {}").adaptive_concurrency, AdaptiveConcurrencyPolicy());
  const AdaptiveConcurrencyPolicy said =
      *Upstream(
           "adaptive_concurrency: {min_concurrency: 2, max_concurrency: 50,"
           " update_interval: 200ms, min_rtt_interval: 2m, jitter_percent: 0,"
           " min_rtt_requests: 20, buffer_percent: 10, percentile: 90}")
           .adaptive_concurrency;
  AdaptiveConcurrencyPolicy expected;
  expected.min_concurrency = 2;
  expected.max_concurrency = 50;
  expected.update_interval = milliseconds(200);
  expected.min_rtt_interval = seconds(120);
  expected.jitter_percent = 0;
  expected.min_rtt_requests = 20;
  expected.buffer_percent = 10;
  expected.percentile = 90;
  EXPECT_EQ(said, expected);
  for (const char* wrong :
       {"min_concurrency: 0", "max_concurrency: 2", "update_interval: 2m", "min_rtt_interval: 50ms",
        "min_rtt_interval: 900ms", "jitter_percent: 101", "min_rtt_requests: 0",
        "buffer_percent: 1001", "percentile: 100"}) {
    const std::string field(wrong, std::strchr(wrong, ':'));
    EXPECT_THAT(Problems(absl::StrCat("adaptive_concurrency: {", wrong, "}")),
                HasSubstr(absl::StrCat("adaptive_concurrency.", field)));
  }
}

TEST(CompileRoutes, APriorityIsOneOfThree) {
  const auto yaml = [](absl::string_view more) {
    return absl::StrCat(Yaml(""),
                        "---\nkind: Api\nname: a\nhosts: [a.internal]\nservice: p\nversions:\n  - "
                        "name: v1\n    routes:\n"
                        "      - {name: r, match: GET /x, public: true",
                        more, "}\n");
  };
  const auto priority = [&](absl::string_view more) {
    return ModelOf(yaml(more)).apis.at("a").versions.front().routes.front().priority;
  };
  EXPECT_EQ(priority(""), Priority::kDefault);
  EXPECT_EQ(priority(", priority: default"), Priority::kDefault);
  EXPECT_EQ(priority(", priority: critical"), Priority::kCritical);
  EXPECT_EQ(priority(", priority: sheddable"), Priority::kSheddable);
  EXPECT_THAT(ProblemsOf(yaml(", priority: urgent")), HasSubstr("priority: \"urgent\": expected"));
}

}  // namespace
}  // namespace tollgate::control
