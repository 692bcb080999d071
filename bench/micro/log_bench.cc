// What a finished request costs: its log line, its counters; and what a scrape costs.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proxy/observe/access_log.h"
#include "proxy/observe/metrics.h"

namespace tollgate::proxy {
namespace {

class Sample {
 public:
  Sample() : client_(*Address::Parse("10.20.30.40:51234")) {
    record_.time = FromUnixSeconds(1'760'000'000) + std::chrono::microseconds(123'456);
    record_.listener = "payments-inbound";
    record_.request_id = "0d8a4f3c-6f0e-4c9b-a1a7-5f0a3b1c9e21";
    record_.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    record_.client = &client_;
    record_.consumer = "shop-42";
    record_.api = "card-payments";
    record_.version = "v2";
    record_.route = "create-payment";
    record_.path_template = "/payments/{id}/captures";
    record_.method = "POST";
    record_.status = 201;
    record_.upstream = "payments";
    record_.endpoint = "10.0.1.11:8080";
    record_.attempts = 1;
    record_.bytes_in = 312;
    record_.bytes_out = 1'204;
    record_.duration = std::chrono::microseconds(4'321);
    record_.upstream_duration = std::chrono::microseconds(4'100);
    record_.release = "1042";
  }
  AccessRecord& record() { return record_; }

 private:
  Address client_;
  AccessRecord record_;
};

void BM_FormatAccessRecord(benchmark::State& state) {
  Sample sample;
  std::string out;
  out.reserve(64 << 10);
  size_t line = 0;
  for (auto _ : state) {
    if (out.size() > (32 << 10)) out.clear();
    const size_t before = out.size();
    FormatAccessRecord(sample.record(), &out);
    line = out.size() - before;
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(line);
}
BENCHMARK(BM_FormatAccessRecord);

// With the writer thread behind it, to /dev/null.
void BM_AccessLogWrite(benchmark::State& state) {
  auto writer = AccessLogWriter::Open("/dev/null");
  if (!writer.ok()) std::abort();
  AccessLog log(writer->get());
  Sample sample;
  for (auto _ : state) log.Write(sample.record());
  log.Flush();
}
BENCHMARK(BM_AccessLogWrite);

// A different series each time, of as many as the argument says.
void BM_MetricsRecord(benchmark::State& state) {
  WorkerMetrics metrics;
  Sample sample;
  std::vector<std::string> consumers;
  for (int i = 0; i < state.range(0); ++i) consumers.push_back(absl::StrCat("shop-", i));
  size_t next = 0;
  for (auto _ : state) {
    sample.record().consumer = consumers[next];
    if (++next == consumers.size()) next = 0;
    metrics.Record(sample.record());
  }
}
BENCHMARK(BM_MetricsRecord)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000);

void BM_Scrape(benchmark::State& state) {
  WorkerMetrics a, b;
  Metrics metrics;
  metrics.AddWorker(&a);
  metrics.AddWorker(&b);
  Sample sample;
  for (int i = 0; i < state.range(0); ++i) {
    const std::string consumer = absl::StrCat("shop-", i);
    sample.record().consumer = consumer;
    a.Record(sample.record());
    b.Record(sample.record());
  }
  for (auto _ : state) benchmark::DoNotOptimize(metrics.Scrape());
}
BENCHMARK(BM_Scrape)->Arg(10)->Arg(1'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tollgate::proxy
