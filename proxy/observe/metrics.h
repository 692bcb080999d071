// Counters, gauges and latency histograms, in the Prometheus text format. Each worker counts into
// its own set without atomics contention; a scrape adds them up. By api, version, route, consumer,
// method and status class, bounded: when series run short, first the consumer becomes "other", then
// the route too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "proxy/observe/access_log.h"

namespace tollgate::proxy {

class Exposition;

// One worker's counters. Written by its thread, read by a scrape.
class WorkerMetrics {
 public:
  explicit WorkerMetrics(size_t max_series = 2000);
  ~WorkerMetrics();
  WorkerMetrics(const WorkerMetrics&) = delete;
  WorkerMetrics& operator=(const WorkerMetrics&) = delete;

  // A finished request: counts it, its latency, bytes, refusal reason and retries.
  void Record(const AccessRecord& record);
  // A connection or request that never became a stream: "bad_chunk_size", "header_timeout".
  void Refused(absl::string_view listener, absl::string_view reason);

  // Single writer: relaxed atomics, no read-modify-write.
  struct Gauge {
    std::atomic<int64_t> value{0};
    void Add(int64_t n) {
      value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
  };
  Gauge downstream_connections;
  Gauge active_streams;
  Gauge buffer_bytes;

  struct Impl;

 private:
  friend class Metrics;
  std::unique_ptr<Impl> impl_;
};

// The process's: knows every worker's set and whatever gauges the rest of the program offers.
// Thread-safe.
class Metrics {
 public:
  // `worker` outlives the last scrape.
  void AddWorker(const WorkerMetrics* worker);
  // `read` is called by a scrape, on its thread: name without the "tollgate_" prefix, help, value.
  // It must not block, nor call into this object. The same name again replaces the first.
  void AddGauge(std::string name, std::string help, std::function<double()> read);
  void AddCounter(std::string name, std::string help, std::function<double()> read);
  // The same for whole families with labels.
  void AddFamilies(std::function<void(Exposition*)> write);
  // Lines written and dropped. `log` outlives the last scrape.
  void AddAccessLog(const AccessLogWriter* log);
  // The whole exposition.
  std::string Scrape() const;
  // Totals for the agent's Usage report.
  struct Totals {
    uint64_t requests = 0;
    uint64_t failed = 0;  // answered 5xx
    int64_t connections = 0;
  };
  Totals Sum() const;

 private:
  struct Callback {
    std::string name, help;
    bool counter;
    std::function<double()> read;
  };
  void AddCallback(Callback callback);

  mutable std::mutex mutex_;
  std::vector<const WorkerMetrics*> workers_;  // guarded by mutex_
  std::vector<Callback> callbacks_;            // guarded by mutex_
  std::vector<std::function<void(Exposition*)>> families_;  // guarded by mutex_
};

}  // namespace tollgate::proxy
