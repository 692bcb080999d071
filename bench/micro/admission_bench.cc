// What it costs a request to be admitted and to end, by what the upstream's policy asks for, and
// what an attempt's report to outlier detection costs; alone and from several threads at once.
#include <memory>

#include "benchmark/benchmark.h"
#include "proxy/upstream/cluster_shared.h"

namespace tollgate::proxy {
namespace {

UpstreamPolicy Policy(bool adaptive, bool priorities, bool sweeps) {
  UpstreamPolicy policy;
  policy.name = "payments";
  policy.has_priorities = priorities;
  if (adaptive) policy.adaptive_concurrency.emplace();
  if (sweeps) policy.outlier_detection.success_rate.emplace();
  return policy;
}

// A clock for all threads would be what is measured: each has its own.
void AdmitAndFinish(benchmark::State& state, bool adaptive, bool priorities) {
  static std::unique_ptr<ClusterShared> shared;
  if (state.thread_index() == 0) {
    shared = std::make_unique<ClusterShared>(Policy(adaptive, priorities, false));
  }
  MonoTime now{std::chrono::hours(1)};
  for (auto _ : state) {
    now += std::chrono::microseconds(1);
    Admission admission = shared->Admit(Priority::kDefault, now);
    benchmark::DoNotOptimize(admission.refused());
    admission.Finish(std::chrono::microseconds(1), now);
  }
}
BENCHMARK_CAPTURE(AdmitAndFinish, caps, false, false)->ThreadRange(1, 4);
BENCHMARK_CAPTURE(AdmitAndFinish, priorities, false, true)->ThreadRange(1, 4);
BENCHMARK_CAPTURE(AdmitAndFinish, adaptive, true, false)->ThreadRange(1, 4);

void Report(benchmark::State& state, bool sweeps) {
  static std::unique_ptr<ClusterShared> shared;
  const Address address = *Address::Parse("10.0.0.1:80");
  if (state.thread_index() == 0) {
    const UpstreamPolicy policy = Policy(false, false, sweeps);
    shared = std::make_unique<ClusterShared>(policy);
    shared->outliers().Update(policy.outlier_detection, {address});
  }
  MonoTime now{std::chrono::hours(1)};
  std::shared_ptr<EndpointHealth> health;
  for (auto _ : state) {
    // The first thread has made it by now.
    if (health == nullptr) health = shared->outliers().Find(address);
    now += std::chrono::microseconds(1);
    shared->outliers().Report(*health, false, now);
  }
}
BENCHMARK_CAPTURE(Report, consecutive_errors, false)->ThreadRange(1, 4);
BENCHMARK_CAPTURE(Report, sweeps, true)->ThreadRange(1, 4);

}  // namespace
}  // namespace tollgate::proxy
