// What picking an endpoint and reporting the attempt cost, by number of endpoints.
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "proxy/upstream/balancer.h"
#include "proxy/upstream/retry_budget.h"

namespace tollgate::proxy {
namespace {

void PickAndReport(benchmark::State& state, Balance kind) {
  const size_t size = static_cast<size_t>(state.range(0));
  std::vector<EndpointStats> stats(size);
  std::vector<EndpointHealth> health(size);
  std::vector<EndpointSlot> slots;
  for (size_t i = 0; i < size; ++i) slots.push_back({&stats[i], &health[i], 1});
  const std::unique_ptr<Balancer> balancer = MakeBalancer(kind);
  Random random(1);
  MonoTime now(std::chrono::hours(1));
  for (auto _ : state) {
    now += std::chrono::microseconds(50);
    EndpointStats& picked = stats[*balancer->Pick(slots, {now, random})];
    picked.Started(now);
    picked.Answered(now, std::chrono::microseconds(900 + random.Below(200)), Outcome::kSuccess);
    picked.Ended();
  }
}
void BM_PeakEwma(benchmark::State& state) { PickAndReport(state, Balance::kPeakEwma); }
BENCHMARK(BM_PeakEwma)->Arg(3)->Arg(10)->Arg(1000);
void BM_RoundRobin(benchmark::State& state) { PickAndReport(state, Balance::kRoundRobin); }
BENCHMARK(BM_RoundRobin)->Arg(3)->Arg(10)->Arg(1000);

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
