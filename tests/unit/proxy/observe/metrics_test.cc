#include "proxy/observe/metrics.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "re2/re2.h"

namespace tollgate::proxy {
namespace {

using testing::HasSubstr;

// Reads the text format, strictly: every sample belongs to the family announced last, every family
// is announced once, no sample occurs twice. The result is by "name{labels}".
std::map<std::string, double> Read(const std::string& text) {
  static const RE2 kHelp("# HELP ([a-z_]+) [^\n]+");
  static const RE2 kType("# TYPE ([a-z_]+) (counter|gauge|histogram)");
  static const RE2 kSample(
      "(([a-z_]+)(?:\\{(?:[a-z]+=\"(?:[^\"\\\\\n]|\\\\[\"\\\\n])*\",?)+\\})?) "
      "([-+0-9.e]+|NaN|[+-]Inf)");
  std::map<std::string, double> samples;
  std::set<std::string> families;
  std::string family, type;
  EXPECT_TRUE(text.ends_with("\n"));
  for (absl::string_view view : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::string line(view);
    std::string id, name, value;
    if (RE2::FullMatch(line, kHelp, &family)) {
      EXPECT_TRUE(families.insert(family).second) << line;
    } else if (RE2::FullMatch(line, kType, &name, &type)) {
      EXPECT_EQ(name, family);
    } else if (RE2::FullMatch(line, kSample, &id, &name, &value)) {
      const bool suffixed =
          type == "histogram" &&
          (name == family + "_bucket" || name == family + "_sum" || name == family + "_count");
      EXPECT_TRUE(type == "histogram" ? suffixed : name == family) << line;
      EXPECT_EQ(type == "counter", absl::EndsWith(family, "_total")) << line;
      double number = 0;
      EXPECT_TRUE(absl::SimpleAtod(value, &number)) << line;
      EXPECT_TRUE(samples.emplace(id, number).second) << line;
    } else {
      ADD_FAILURE() << "not in the text format: " << line;
    }
  }
  return samples;
}

AccessRecord Payment() {
  AccessRecord record;
  record.api = "pay";
  record.version = "v2";
  record.route = "create";
  record.consumer = "shop-42";
  record.method = "POST";
  record.status = 201;
  record.bytes_in = 10;
  record.bytes_out = 20;
  record.duration = std::chrono::milliseconds(3);
  return record;
}

constexpr char kPayment[] =
    "tollgate_requests_total{api=\"pay\",version=\"v2\",route=\"create\",consumer=\"shop-42\","
    "method=\"POST\",code=\"2xx\"}";

TEST(Metrics, AddsUpTheWorkers) {
  WorkerMetrics a, b;
  Metrics metrics;
  metrics.AddWorker(&a);
  metrics.AddWorker(&b);
  a.Record(Payment());
  b.Record(Payment());
  b.Record(Payment());
  a.downstream_connections.Add(5);
  b.downstream_connections.Add(3);
  b.downstream_connections.Add(-1);
  a.active_streams.Add(1);
  auto samples = Read(metrics.Scrape());
  EXPECT_EQ(samples[kPayment], 3);
  EXPECT_EQ(samples["tollgate_request_body_bytes_total{api=\"pay\",version=\"v2\","
                    "route=\"create\"}"],
            30);
  EXPECT_EQ(samples["tollgate_response_body_bytes_total{api=\"pay\",version=\"v2\","
                    "route=\"create\"}"],
            60);
  EXPECT_EQ(samples["tollgate_downstream_connections"], 7);
  EXPECT_EQ(samples["tollgate_active_streams"], 1);
  EXPECT_EQ(metrics.Sum().requests, 3u);
  EXPECT_EQ(metrics.Sum().connections, 7);
}

TEST(Metrics, TellsClassesOfStatusApart) {
  WorkerMetrics worker;
  Metrics metrics;
  metrics.AddWorker(&worker);
  AccessRecord record = Payment();
  for (const int status : {101, 200, 299, 304, 401, 429, 500, 503, 0}) {
    record.status = status;
    worker.Record(record);
  }
  auto samples = Read(metrics.Scrape());
  const auto of = [&](const char* code) {
    return samples[absl::StrCat(
        "tollgate_requests_total{api=\"pay\",version=\"v2\",route=\"create\""
        ",consumer=\"shop-42\",method=\"POST\",code=\"",
        code, "\"}")];
  };
  EXPECT_EQ(of("1xx"), 1);
  EXPECT_EQ(of("2xx"), 2);
  EXPECT_EQ(of("3xx"), 1);
  EXPECT_EQ(of("4xx"), 2);
  EXPECT_EQ(of("5xx"), 2);
  EXPECT_EQ(of("none"), 1);
  EXPECT_EQ(metrics.Sum().failed, 2u);
}

TEST(Metrics, PutsEachLatencyInItsBucket) {
  WorkerMetrics worker;
  Metrics metrics;
  metrics.AddWorker(&worker);
  AccessRecord record = Payment();
  for (const int64_t micros : {0, 100, 101, 2'500, 10'000'000, 10'000'001}) {
    record.duration = std::chrono::microseconds(micros);
    worker.Record(record);
  }
  auto samples = Read(metrics.Scrape());
  const std::string name = "tollgate_request_duration_seconds";
  const std::string labels = "{api=\"pay\",version=\"v2\",route=\"create\"";
  const auto upto = [&](const char* le) {
    const std::string id = absl::StrCat(name, "_bucket", labels, ",le=\"", le, "\"}");
    EXPECT_EQ(samples.count(id), 1u) << id;
    return samples[id];
  };
  EXPECT_EQ(upto("0.0001"), 2);  // bounds are inclusive
  EXPECT_EQ(upto("0.00025"), 3);
  EXPECT_EQ(upto("0.001"), 3);
  EXPECT_EQ(upto("0.0025"), 4);
  EXPECT_EQ(upto("5"), 4);
  EXPECT_EQ(upto("10"), 5);
  EXPECT_EQ(upto("+Inf"), 6);
  EXPECT_EQ(samples[name + "_count" + labels + "}"], 6);
  EXPECT_NEAR(samples[name + "_sum" + labels + "}"], 20.002702, 1e-9);
}

TEST(Metrics, SaysWhyRequestsWereRefusedRetriedAndFailed) {
  WorkerMetrics worker;
  Metrics metrics;
  metrics.AddWorker(&worker);
  AccessRecord refused = Payment();
  refused.status = 429;
  refused.step = "limit";
  refused.reason = "limit_exceeded";
  refused.plan = "standard";
  worker.Record(refused);
  worker.Record(refused);
  AccessRecord shadowed = Payment();
  shadowed.shadow_plan = "trial";
  worker.Record(shadowed);
  AccessRecord failed = Payment();
  failed.status = 503;
  failed.upstream = "payments";
  failed.attempts = 3;
  failed.retries = "not-sent,status-503";
  failed.reason = "connect_failed";
  failed.upstream_duration = std::chrono::milliseconds(2);
  worker.Record(failed);
  worker.Refused("inbound", "bad_chunk_size");
  auto samples = Read(metrics.Scrape());
  EXPECT_EQ(samples["tollgate_refused_total{step=\"limit\",reason=\"limit_exceeded\"}"], 2);
  EXPECT_EQ(samples["tollgate_limited_total{plan=\"standard\",result=\"refused\"}"], 2);
  EXPECT_EQ(samples["tollgate_limited_total{plan=\"trial\",result=\"shadow\"}"], 1);
  EXPECT_EQ(samples["tollgate_upstream_attempts_total{upstream=\"payments\"}"], 3);
  EXPECT_EQ(samples["tollgate_upstream_retries_total{upstream=\"payments\",reason=\"not-sent\"}"],
            1);
  EXPECT_EQ(samples["tollgate_upstream_retries_total{upstream=\"payments\",reason=\"status-503\"}"],
            1);
  EXPECT_EQ(
      samples["tollgate_upstream_failures_total{upstream=\"payments\",reason=\"connect_failed\"}"],
      1);
  EXPECT_EQ(samples["tollgate_upstream_duration_seconds_count{upstream=\"payments\"}"], 1);
  EXPECT_EQ(
      samples["tollgate_downstream_errors_total{listener=\"inbound\",reason=\"bad_chunk_size\"}"],
      1);
}

TEST(Metrics, FollowsARouteToItsNewUpstream) {
  WorkerMetrics worker;
  Metrics metrics;
  metrics.AddWorker(&worker);
  AccessRecord record = Payment();
  record.attempts = 1;
  for (const char* upstream : {"blue", "green", "green", "blue", "green"}) {
    record.upstream = upstream;
    worker.Record(record);
  }
  auto samples = Read(metrics.Scrape());
  EXPECT_EQ(samples["tollgate_upstream_attempts_total{upstream=\"blue\"}"], 2);
  EXPECT_EQ(samples["tollgate_upstream_attempts_total{upstream=\"green\"}"], 3);
}

TEST(Metrics, GivesUpConsumersFirstThenRoutesAndLosesNoRequest) {
  WorkerMetrics worker(/*max_series=*/8);
  Metrics metrics;
  metrics.AddWorker(&worker);
  AccessRecord record = Payment();
  for (int i = 0; i < 100; ++i) {
    const std::string consumer = absl::StrCat("shop-", i);
    record.consumer = consumer;
    worker.Record(record);
  }
  record.consumer = "shop-99";
  for (int i = 0; i < 100; ++i) {
    const std::string route = absl::StrCat("route-", i);
    record.route = route;
    worker.Record(record);
  }
  auto samples = Read(metrics.Scrape());
  double total = 0;
  size_t series = 0;
  for (const auto& [id, value] : samples) {
    if (!absl::StartsWith(id, "tollgate_requests_total{")) continue;
    total += value;
    ++series;
  }
  EXPECT_EQ(total, 200);
  EXPECT_EQ(series, 9u);  // 8, and the one that is "other" in all
  EXPECT_EQ(samples["tollgate_requests_total{api=\"pay\",version=\"v2\",route=\"create\","
                    "consumer=\"other\",method=\"POST\",code=\"2xx\"}"],
            94);
  EXPECT_EQ(samples["tollgate_requests_total{api=\"other\",version=\"other\",route=\"other\","
                    "consumer=\"other\",method=\"POST\",code=\"2xx\"}"],
            99);
}

TEST(Metrics, IsNotFloodedByInventedMethodsAndReasons) {
  WorkerMetrics worker;
  Metrics metrics;
  metrics.AddWorker(&worker);
  AccessRecord record = Payment();
  for (int i = 0; i < 1'000; ++i) {
    const std::string word = absl::StrCat("WORD", i);
    record.method = word;
    worker.Record(record);
    worker.Refused("inbound", word);
  }
  const std::string text = metrics.Scrape();
  EXPECT_THAT(text, HasSubstr("method=\"other\",code=\"2xx\"} 1000\n"));
  EXPECT_EQ(Read(text)["tollgate_downstream_errors_total{listener=\"other\",reason=\"other\"}"],
            500);
}

TEST(Metrics, EscapesLabels) {
  WorkerMetrics worker;
  Metrics metrics;
  metrics.AddWorker(&worker);
  worker.Refused("a\"b\\c\nd", "x");
  EXPECT_EQ(Read(metrics.Scrape())["tollgate_downstream_errors_total{listener=\"a\\\"b\\\\c\\nd\","
                                   "reason=\"x\"}"],
            1);
}

TEST(Metrics, AsksTheRestOfTheProgram) {
  Metrics metrics;
  metrics.AddGauge("policy_revision", "Revision.", [] { return 41.0; });
  metrics.AddGauge("policy_revision", "Revision being served.", [] { return 42.0; });
  metrics.AddGauge("staleness_seconds", "Age.", [] { return 0.25; });
  metrics.AddCounter("adopted_total", "Policies adopted.", [] { return 1e6; });
  metrics.AddGauge("unknown", "Not known.", [] { return std::nan(""); });
  const std::string text = metrics.Scrape();
  auto samples = Read(text);
  EXPECT_EQ(samples["tollgate_policy_revision"], 42);
  EXPECT_EQ(samples["tollgate_staleness_seconds"], 0.25);
  EXPECT_EQ(samples["tollgate_adopted_total"], 1'000'000);
  EXPECT_TRUE(std::isnan(samples["tollgate_unknown"]));
  EXPECT_THAT(text, HasSubstr("# HELP tollgate_policy_revision Revision being served.\n"
                              "# TYPE tollgate_policy_revision gauge\n"));
}

TEST(Metrics, TellsTheLossOfLogLines) {
  auto log = *AccessLogWriter::Open("/dev/full");
  log->Submit("a\nb\n", 2);
  log->Flush();
  Metrics metrics;
  metrics.AddAccessLog(log.get());
  metrics.AddAccessLog(nullptr);
  auto samples = Read(metrics.Scrape());
  EXPECT_EQ(samples["tollgate_access_log_lines_written_total"], 0);
  EXPECT_EQ(samples["tollgate_access_log_lines_dropped_total"], 2);
}

TEST(Metrics, AreScrapedWhileWorkersCount) {
  constexpr int kWorkers = 3, kRequests = 20'000;
  std::vector<std::unique_ptr<WorkerMetrics>> sets;
  Metrics metrics;
  for (int i = 0; i < kWorkers; ++i) {
    sets.push_back(std::make_unique<WorkerMetrics>(500));
    metrics.AddWorker(sets.back().get());
  }
  std::atomic<int> running{kWorkers};
  std::vector<std::thread> threads;
  for (const auto& set : sets) {
    threads.emplace_back([&running, worker = set.get()] {
      AccessRecord record = Payment();
      record.attempts = 1;
      for (int i = 0; i < kRequests; ++i) {
        const std::string name = absl::StrCat("n", i % 1'000);
        record.consumer = record.upstream = name;
        worker->Record(record);
        worker->active_streams.Add(i % 2 == 0 ? 1 : -1);
      }
      --running;
    });
  }
  uint64_t last = 0;
  while (running > 0) {
    metrics.Scrape();
    const uint64_t now = metrics.Sum().requests;
    EXPECT_GE(now, last);
    last = now;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics.Sum().requests, uint64_t{kWorkers} * kRequests);
  EXPECT_EQ(Read(metrics.Scrape())["tollgate_active_streams"], 0);
}

}  // namespace
}  // namespace tollgate::proxy
