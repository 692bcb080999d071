// How callers choose between the endpoints of a Service: what is understood, and what is refused.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Yaml(absl::string_view balance) {
  return absl::StrCat("kind: Service\nname: p\nlocal: 127.0.0.1:9\nbalance: ", balance, "\n");
}
UpstreamPolicy Upstream(absl::string_view balance) {
  return ModelOf(Yaml(balance)).services.at("p").upstream;
}
std::string Problems(absl::string_view balance) { return ProblemsOf(Yaml(balance)); }

TEST(CompileBalance, ANameIsEnough) {
  EXPECT_EQ(ModelOf("kind: Service\nname: p\n").services.at("p").upstream.balance,
            Balance::kPeakEwma);
  EXPECT_EQ(Upstream("peak-ewma").balance, Balance::kPeakEwma);
  EXPECT_EQ(Upstream("round-robin").balance, Balance::kRoundRobin);
  EXPECT_EQ(Upstream("least-request").balance, Balance::kLeastRequest);
  EXPECT_EQ(Upstream("random").balance, Balance::kRandom);
  EXPECT_EQ(Upstream("load-weighted").balance, Balance::kLoadWeighted);
  EXPECT_EQ(Upstream("random").balancing, BalancingPolicy());
  EXPECT_EQ(Upstream("{policy: random}"), Upstream("random"));
  EXPECT_THAT(Problems("least_request"), HasSubstr("balance.policy: \"least_request\": expected"));
}

TEST(CompileBalance, TakesWhatAPolicyLeavesOpen) {
  const UpstreamPolicy least = Upstream(
      "{policy: least-request, bias: \"0.5\", slow_start: 30s, panic_threshold: 0,"
      " overprovisioning: 200, zones: ignore}");
  EXPECT_EQ(least.balancing.bias_permille, 500u);
  EXPECT_EQ(least.balancing.slow_start, seconds(30));
  EXPECT_EQ(least.balancing.panic_threshold, 0u);
  EXPECT_EQ(least.balancing.overprovisioning, 200u);
  EXPECT_TRUE(least.balancing.zones.ignore);
  const UpstreamPolicy weighted = Upstream(
      "{policy: load-weighted, load_reports: {blackout: 1s, expiry: 1m, update: 2s,"
      " error_penalty: \"2.5\"}}");
  EXPECT_EQ(weighted.balancing.load_reports,
            (LoadReportPolicy{seconds(1), seconds(60), seconds(2), 2500}));
}

TEST(CompileBalance, AHashSaysWhatKeepsTogether) {
  using Kind = HashKeyPolicy::Kind;
  const auto hash = [](absl::string_view text) {
    return Upstream(absl::StrCat("{policy: maglev, hash: ", text, "}")).balancing.hash;
  };
  EXPECT_EQ(hash("consumer"), (HashKeyPolicy{Kind::kConsumer, ""}));
  EXPECT_EQ(hash("header X-Account"), (HashKeyPolicy{Kind::kHeader, "x-account"}));
  EXPECT_EQ(hash("path-parameter id"), (HashKeyPolicy{Kind::kPathParameter, "id"}));
  const UpstreamPolicy ring = Upstream("{policy: ring-hash, hash: consumer, ring_points: 500}");
  EXPECT_EQ(ring.balance, Balance::kRingHash);
  EXPECT_EQ(ring.balancing.ring_points, 500u);
  EXPECT_EQ(Upstream("{policy: maglev, hash: consumer, table_size: 251}").balancing.table_size,
            251u);
}

TEST(CompileBalance, RefusesAHashThatSaysNothing) {
  EXPECT_THAT(Problems("maglev"), HasSubstr("balance.hash: is missing; expected consumer, header"));
  EXPECT_THAT(Problems("{policy: ring-hash, hash: header}"),
              HasSubstr("expected consumer, header"));
  EXPECT_THAT(Problems("{policy: ring-hash, hash: \"header a b\"}"), HasSubstr("balance.hash"));
  EXPECT_THAT(Problems("{policy: ring-hash, hash: \"path-parameter a/b\"}"),
              HasSubstr("expected the name of a parameter"));
  EXPECT_THAT(Problems("{policy: random, hash: consumer}"),
              HasSubstr("only ring-hash and maglev hash anything"));
}

TEST(CompileBalance, RefusesWhatThePolicyDoesNotRead) {
  EXPECT_THAT(Problems("{policy: random, ring_points: 100}"),
              HasSubstr("only ring-hash reads this"));
  EXPECT_THAT(Problems("{policy: random, table_size: 251}"), HasSubstr("only maglev reads this"));
  EXPECT_THAT(Problems("{policy: random, bias: \"1\"}"),
              HasSubstr("only least-request reads this"));
  EXPECT_THAT(Problems("{policy: random, load_reports: {update: 1s}}"),
              HasSubstr("only load-weighted reads this"));
  EXPECT_THAT(Problems("{policy: maglev, hash: consumer, slow_start: 1s}"),
              HasSubstr("only a policy without hash reads this"));
  EXPECT_THAT(Problems("{policy: maglev, hash: consumer, zones: prefer-local}"),
              HasSubstr("the hash chooses"));
}

TEST(CompileBalance, ChecksNumbers) {
  EXPECT_THAT(
      Problems("{policy: maglev, hash: consumer, table_size: 65536}"),
      AllOf(HasSubstr("balance.table_size: \"65536\": expected a prime"), HasSubstr("E.g. 65537")));
  EXPECT_THAT(Problems("{policy: ring-hash, hash: consumer, ring_points: 0}"),
              HasSubstr("expected 1 to 10000"));
  EXPECT_THAT(Problems("{policy: least-request, bias: \"11\"}"),
              HasSubstr("expected a number from 0 to 10"));
  EXPECT_THAT(Problems("{panic_threshold: 101}"), HasSubstr("expected 0 to 100"));
  EXPECT_THAT(Problems("{overprovisioning: 99}"), HasSubstr("expected 100 to 1000"));
  EXPECT_THAT(Problems("{zones: nearest}"), HasSubstr("expected prefer-local or ignore"));
  EXPECT_THAT(Problems("{policy: load-weighted, load_reports: {error_penalty: \"101\"}}"),
              HasSubstr("expected a number from 0 to 100"));
  EXPECT_THAT(Problems("{slow_start: soon}"), HasSubstr("expected a duration"));
}

TEST(CompileBalance, AMaglevTableHasRoomForAllEndpoints) {
  EXPECT_THAT(Problems("{policy: maglev, hash: consumer, table_size: 2}\nplaintext: true\n"
                       "endpoints: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3]"),
              HasSubstr("balance.table_size: \"2\": is too small for 3 endpoints"));
}

TEST(CompileBalance, SomeRouteHasTheParameterThatIsHashed) {
  const auto problems = [](absl::string_view match) {
    return ProblemsOf(absl::StrCat(Yaml("{policy: maglev, hash: path-parameter account}"),
                                   "---\nkind: Api\nname: a\nhosts: [a.internal]\nservice: "
                                   "p\nversions:\n  - name: v1\n    routes:\n"
                                   "      - {name: r, match: \"GET ",
                                   match, "\", public: true}\n"));
  };
  EXPECT_EQ(problems("/accounts/{account}/entries"), "");
  EXPECT_THAT(problems("/accounts/{id}"),
              AllOf(HasSubstr("no route to this service has such a parameter"),
                    HasSubstr("Write {account} in a route")));
}

TEST(CompileBalance, EndpointsHaveZoneAndPriority) {
  const UpstreamPolicy upstream = Upstream(
      "random\nendpoints: [{address: 127.0.0.1:1, zone: eu-1a, priority: 2}, 127.0.0.1:2]");
  EXPECT_EQ(upstream.endpoints[0].zone, "eu-1a");
  EXPECT_EQ(upstream.endpoints[0].priority, 2u);
  EXPECT_EQ(upstream.endpoints[1].zone, "");
  EXPECT_EQ(upstream.endpoints[1].priority, 0u);
  EXPECT_THAT(Problems("random\nendpoints: [{address: 127.0.0.1:1, priority: 10}]"),
              HasSubstr("endpoints[0].priority: \"10\": expected 0 to 9"));
  EXPECT_THAT(Problems("random\nendpoints: [{address: 127.0.0.1:1, zone: \"a b\"}]"),
              HasSubstr("endpoints[0].zone: \"a b\""));
}

}  // namespace
}  // namespace tollgate::control
