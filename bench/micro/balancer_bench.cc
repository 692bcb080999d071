// What picking an endpoint and reporting the attempt cost, by policy and number of endpoints; and
// what building a table of consistent hashing costs (on the compiler thread).
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/policy/balancing.h"
#include "proxy/upstream/hash_table.h"
#include "proxy/upstream/load_balancer.h"
#include "proxy/upstream/retry_budget.h"

namespace tollgate::proxy {
namespace {

// Of every endpoint: a zone (one of three) and a weight.
struct Shape {
  bool zones = false;
  bool weights = false;
};

void PickAndReport(benchmark::State& state, Balance kind, Shape shape = {}) {
  const size_t size = static_cast<size_t>(state.range(0));
  std::vector<EndpointStats> stats(size);
  std::vector<EndpointHealth> health(size);
  std::vector<std::string> names(size);
  BalancingPolicy policy;
  if (shape.zones) policy.zones.local = "zone-0";
  std::vector<LoadBalancer::Endpoint> endpoints;
  for (size_t i = 0; i < size; ++i) {
    names[i] = absl::StrCat("10.0.", i / 256, ".", i % 256, ":8080");
    endpoints.push_back({&stats[i], &health[i],
                         shape.weights ? 1 + static_cast<uint32_t>(i % 3) : 1,
                         shape.zones ? absl::StrCat("zone-", i % 3) : "", 0, &names[i]});
  }
  const OutlierDetector verdicts;
  LoadBalancer balancer(kind, policy, &verdicts, nullptr);
  balancer.SetEndpoints(endpoints);
  Random random(1);
  MonoTime now(std::chrono::hours(1));
  for (auto _ : state) {
    now += std::chrono::microseconds(50);
    LoadBalancer::Request request{now, random};
    if (IsHashing(kind)) request.hash = random();
    EndpointStats& picked = stats[*balancer.Pick(request)];
    picked.Started(now);
    picked.Answered(now, std::chrono::microseconds(900 + random.Below(200)), Outcome::kSuccess);
    picked.Ended();
    if (kind == Balance::kLoadWeighted) {
      picked.reported_weight().OnReport({.cpu_utilization = 0.5, .qps = 100.0 + random.Below(9)},
                                        policy.load_reports, now);
    }
  }
}
void Sizes(benchmark::internal::Benchmark* bench) { bench->Arg(3)->Arg(10)->Arg(1000); }

BENCHMARK_CAPTURE(PickAndReport, PeakEwma, Balance::kPeakEwma)->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, PeakEwmaZones, Balance::kPeakEwma, Shape{.zones = true})
    ->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, RoundRobin, Balance::kRoundRobin)->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, LeastRequest, Balance::kLeastRequest)->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, LeastRequestWeighted, Balance::kLeastRequest,
                  Shape{.weights = true})
    ->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, Random, Balance::kRandom)->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, RandomWeighted, Balance::kRandom, Shape{.weights = true})
    ->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, RingHash, Balance::kRingHash)->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, Maglev, Balance::kMaglev)->Apply(Sizes);
BENCHMARK_CAPTURE(PickAndReport, LoadWeighted, Balance::kLoadWeighted)->Apply(Sizes);

void BuildTable(benchmark::State& state, Balance kind) {
  std::vector<HashMember> members;
  for (int64_t i = 0; i < state.range(0); ++i) members.push_back({absl::StrCat("10.0.0.1:", i), 1});
  const BalancingPolicy policy;
  for (auto _ : state) {
    HashTables tables;
    benchmark::DoNotOptimize(tables.Get(kind, policy, members));
  }
}
BENCHMARK_CAPTURE(BuildTable, RingHash, Balance::kRingHash)->Apply(Sizes);
BENCHMARK_CAPTURE(BuildTable, Maglev, Balance::kMaglev)->Apply(Sizes);

void BM_ParseLoadReport(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        ParseLoadMetrics("TEXT cpu_utilization=0.3,rps_fractional=90,eps=1.5"));
  }
}
BENCHMARK(BM_ParseLoadReport);

void BM_OutlierReport(benchmark::State& state) {
  static OutlierDetector detector;
  static EndpointHealth health;
  const MonoTime now(std::chrono::hours(1));
  for (auto _ : state) benchmark::DoNotOptimize(detector.Report(health, false, now));
}
BENCHMARK(BM_OutlierReport)->Threads(1)->Threads(2);

void BM_RetryBudgetRequest(benchmark::State& state) {
  static RetryBudget budget;
  for (auto _ : state) benchmark::DoNotOptimize(budget.Request());
}
BENCHMARK(BM_RetryBudgetRequest)->Threads(1)->Threads(2);

}  // namespace
}  // namespace tollgate::proxy
