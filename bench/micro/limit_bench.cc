// What a limit check costs, and what a million active keys weigh (counters bytes_per_key and
// rss_per_key: as accounted, and as the kernel sees it). A check of a key that is known must not
// allocate: the run fails when it does.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/base/random.h"
#include "proxy/limit/concurrency.h"
#include "proxy/limit/limit_key.h"
#include "proxy/limit/limit_table.h"
#include "proxy/limit/ratelimit_fields.h"

namespace {
thread_local uint64_t allocations = 0;
}  // namespace

// Not inlined: the compiler would warn of memory that one half made and the other half frees.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

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

// What runs between its making and Check() must not allocate.
class NoAllocation {
 public:
  explicit NoAllocation(benchmark::State& state) : state_(state), before_(allocations) {}
  void Check() {
    if (allocations != before_) state_.SkipWithError("it allocates");
  }

 private:
  benchmark::State& state_;
  const uint64_t before_;
};

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

// What most plans are: one window.
void BM_OneWindow(benchmark::State& state) {
  LimitTable table;
  PlanPolicy policy;
  policy.name = "standard";
  policy.algorithm = AlgorithmOf(state);
  policy.windows = {{1000, std::chrono::seconds(1)}};
  const auto plan = LimitPlan::Compile(policy);
  int64_t now = 1'000'000'000;
  // A sliding window grows until it is as large as it is full.
  for (int i = 0; i < 1000; ++i) {
    table.Check(plan, "c:consumer-42", MonoTime(Duration(now += 10'000'000)));
  }
  NoAllocation none(state);
  for (auto _ : state) {
    now += 10'000'000;
    benchmark::DoNotOptimize(table.Check(plan, "c:consumer-42", MonoTime(Duration(now))));
  }
  none.Check();
}
BENCHMARK(BM_OneWindow)->ArgName("sliding")->Arg(0)->Arg(1);

// The text of a key of several parts, and its check.
void BM_CompositeKey(benchmark::State& state) {
  LimitTable table;
  const auto plan = Plan(LimitAlgorithm::kGcra, 1'000'000'000);
  std::string text;
  const MonoTime now(std::chrono::hours(1));
  const auto check = [&] {
    LimitKeyText key(&text, 3);
    key.Add(LimitKeyText::kConsumer, "shop-42");
    key.Add(LimitKeyText::kRoute, "card-payments/v2", "/", "create-payment");
    key.Add(LimitKeyText::kAddress, "192.0.2.1");
    return table.Check(plan, text, now);
  };
  check();
  NoAllocation none(state);
  for (auto _ : state) benchmark::DoNotOptimize(check());
  none.Check();
}
BENCHMARK(BM_CompositeKey);

// A place among the requests in progress, taken and given back: a key that has others in progress,
// or none.
void BM_Concurrency(benchmark::State& state) {
  ConcurrencyTable table(SipKey{1, 2});
  PlanPolicy policy;
  policy.name = "standard";
  policy.concurrency = 10;
  const auto plan = LimitPlan::Compile(policy);
  ConcurrencyDecision other;
  if (state.range(0) != 0) other = table.Acquire(plan, "c:consumer-42");
  table.Acquire(plan, "c:consumer-42");
  NoAllocation none(state);
  for (auto _ : state) benchmark::DoNotOptimize(table.Acquire(plan, "c:consumer-42"));
  none.Check();
}
BENCHMARK(BM_Concurrency)->ArgName("others")->Arg(0)->Arg(1);

// The fields of a response under a plan that tells its clients.
void BM_RateLimitFields(benchmark::State& state) {
  PlanPolicy policy;
  policy.name = "standard";
  policy.windows = {{100, std::chrono::seconds(1)}, {1000, std::chrono::minutes(1)}};
  policy.headers = LimitHeaders::kDraft10;
  const RateLimitFields fields(policy, LimitRole::kCaller);
  LimitTable table;
  const LimitDecision decision =
      table.Check(LimitPlan::Compile(policy), "a", MonoTime(std::chrono::hours(1)));
  std::string out;
  for (auto _ : state) {
    out.clear();
    fields.AppendWindow(decision, &out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_RateLimitFields);

void BM_RefusedHotKey(benchmark::State& state) {
  LimitTable table;
  const auto plan = Plan(AlgorithmOf(state), 100);
  const MonoTime now(std::chrono::hours(1));
  for (int i = 0; i < 200; ++i) table.Check(plan, "consumer-42", now);
  NoAllocation none(state);
  for (auto _ : state) benchmark::DoNotOptimize(table.Check(plan, "consumer-42", now));
  none.Check();
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
