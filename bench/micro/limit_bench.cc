// What a limit check costs, and what a million active keys weigh (counters bytes_per_key and
// rss_per_key: as accounted, and as the kernel sees it).
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/base/random.h"
#include "proxy/limit/limit_table.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMillion = 1'000'000;

std::shared_ptr<const LimitPlan> Plan(LimitAlgorithm algorithm, uint32_t count) {
  PlanPolicy policy;
  policy.name = "standard";
  policy.algorithm = algorithm;
  policy.windows = {{count, std::chrono::seconds(1)}, {count * 10, std::chrono::minutes(1)}};
  return LimitPlan::Compile(policy);
}

LimitAlgorithm AlgorithmOf(const benchmark::State& state) {
  return state.range(0) == 0 ? LimitAlgorithm::kGcra : LimitAlgorithm::kSlidingWindow;
}

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  keys.reserve(kMillion);
  for (size_t i = 0; i < kMillion; ++i) keys.push_back(absl::StrCat("consumer-", i));
  return keys;
}

size_t ResidentBytes() {
  size_t total = 0;
  size_t resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%zu %zu", &total, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// One key, from one thread or two; admitted every time.
void BM_HotKey(benchmark::State& state) {
  static std::unique_ptr<LimitTable> table;
  if (state.thread_index() == 0) table = std::make_unique<LimitTable>();
  const auto plan = Plan(AlgorithmOf(state), 1000);
  int64_t now = 1'000'000'000;
  for (auto _ : state) {
    now += 10'000'000;
    benchmark::DoNotOptimize(table->Check(plan, "consumer-42", MonoTime(Duration(now))));
  }
}
BENCHMARK(BM_HotKey)->ArgName("sliding")->Arg(0)->Arg(1)->Threads(1)->Threads(2)->UseRealTime();

void BM_RefusedHotKey(benchmark::State& state) {
  LimitTable table;
  const auto plan = Plan(AlgorithmOf(state), 100);
  const MonoTime now(std::chrono::hours(1));
  for (auto _ : state) benchmark::DoNotOptimize(table.Check(plan, "consumer-42", now));
}
BENCHMARK(BM_RefusedHotKey)->ArgName("sliding")->Arg(0)->Arg(1);

// A million active keys in random order.
void BM_MillionKeys(benchmark::State& state) {
  static const std::vector<std::string>& keys = *new std::vector<std::string>(Keys());
  static std::unique_ptr<LimitTable> table;
  const auto plan = Plan(AlgorithmOf(state), 10);
  const MonoTime now(std::chrono::hours(1));
  if (state.thread_index() == 0) {
    table.reset();
    malloc_trim(0);
    table = std::make_unique<LimitTable>(LimitTableOptions{.max_entries = kMillion});
    const size_t before = ResidentBytes();
    for (const std::string& key : keys) table->Check(plan, key, now);
    state.counters["entries"] = static_cast<double>(table->Stats().entries);
    state.counters["bytes_per_key"] = static_cast<double>(table->Stats().bytes) / kMillion;
    state.counters["rss_per_key"] = static_cast<double>(ResidentBytes() - before) / kMillion;
  }
  Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->Check(plan, keys[random.Below(kMillion)], now));
  }
}
BENCHMARK(BM_MillionKeys)
    ->ArgName("sliding")
    ->Arg(0)
    ->Arg(1)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

// New keys at a table full of active ones.
void BM_FullTable(benchmark::State& state) {
  static const std::vector<std::string>& keys = *new std::vector<std::string>(Keys());
  LimitTable table({.max_entries = kMillion / 2});
  const auto plan = Plan(LimitAlgorithm::kGcra, 10);
  const MonoTime now(std::chrono::hours(1));
  for (size_t i = 0; i < kMillion / 2; ++i) table.Check(plan, keys[i], now);
  size_t i = kMillion / 2;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.Check(plan, keys[i], now));
    if (++i == kMillion) i = kMillion / 2;
  }
}
BENCHMARK(BM_FullTable);

}  // namespace
}  // namespace tollgate::proxy
