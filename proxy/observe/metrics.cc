#include "proxy/observe/metrics.h"

#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/observe/exposition.h"
#include "proxy/observe/worker_metrics.h"

namespace tollgate::proxy {
namespace {

using Type = Exposition::Type;

// All workers' series of one family, added up, in order of their labels.
template <size_t kLabels, typename Sum>
using Merged = std::map<std::array<std::string, kLabels>, Sum>;

template <typename M>
void WriteSamples(const M& merged, Exposition* out) {
  for (const auto& [labels, sum] : merged) out->Sample(labels, sum);
}

struct RouteSums {
  Histogram::Sums duration;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

struct UpstreamSums {
  Histogram::Sums duration;
  uint64_t attempts = 0;
};

template <typename M, typename Field>
void WriteField(const M& merged, Field field, Exposition* out) {
  for (const auto& [labels, sums] : merged) out->Sample(labels, sums.*field);
}

int64_t Read(const WorkerMetrics::Gauge& gauge) {
  return gauge.value.load(std::memory_order_relaxed);
}

}  // namespace

void Metrics::AddWorker(const WorkerMetrics* worker) {
  std::lock_guard<std::mutex> lock(mutex_);
  workers_.push_back(worker);
}

void Metrics::AddCallback(Callback callback) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Callback& old : callbacks_) {
    if (old.name != callback.name) continue;
    old = std::move(callback);
    return;
  }
  callbacks_.push_back(std::move(callback));
}

void Metrics::AddGauge(std::string name, std::string help, std::function<double()> read) {
  AddCallback({std::move(name), std::move(help), /*counter=*/false, std::move(read)});
}

void Metrics::AddCounter(std::string name, std::string help, std::function<double()> read) {
  AddCallback({std::move(name), std::move(help), /*counter=*/true, std::move(read)});
}

void Metrics::AddFamilies(std::function<void(Exposition*)> write) {
  std::lock_guard<std::mutex> lock(mutex_);
  families_.push_back(std::move(write));
}

void Metrics::AddAccessLog(const AccessLogWriter* log) {
  if (log == nullptr) return;
  AddCounter("access_log_lines_written_total", "Lines of the access log that were written.",
             [log] { return static_cast<double>(log->written()); });
  AddCounter("access_log_lines_dropped_total",
             "Lines of the access log that were lost: the disk is full, fails or is slow.",
             [log] { return static_cast<double>(log->dropped()); });
}

std::string Metrics::Scrape() const {
  // Series are never removed and workers outlive us, so counting goes on while this reads.
  std::vector<const WorkerMetrics*> workers;
  std::vector<Callback> callbacks;
  std::vector<std::function<void(Exposition*)>> families;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    workers = workers_;
    callbacks = callbacks_;
    families = families_;
  }
  Merged<6, uint64_t> requests;
  Merged<3, RouteSums> routes;
  Merged<1, UpstreamSums> upstreams;
  Merged<4, uint64_t> faults;
  Merged<2, uint64_t> refused, limited, failures, retries, errors;
  double connections = 0, streams = 0, buffers = 0;
  for (const WorkerMetrics* worker : workers) {
    const WorkerMetrics::Impl& impl = *worker->impl_;
    impl.requests.ForEach([&](const auto& s) { requests[s.labels] += s.value.count.get(); });
    impl.routes.ForEach([&](const auto& s) {
      RouteSums& sums = routes[s.labels];
      s.value.duration.AddTo(&sums.duration);
      sums.bytes_in += s.value.bytes_in.get();
      sums.bytes_out += s.value.bytes_out.get();
    });
    impl.upstreams.ForEach([&](const auto& s) {
      UpstreamSums& sums = upstreams[s.labels];
      s.value.duration.AddTo(&sums.duration);
      sums.attempts += s.value.attempts.get();
    });
    impl.refused.ForEach([&](const auto& s) { refused[s.labels] += s.value.get(); });
    impl.limited.ForEach([&](const auto& s) { limited[s.labels] += s.value.get(); });
    impl.faults.ForEach([&](const auto& s) { faults[s.labels] += s.value.get(); });
    impl.failures.ForEach([&](const auto& s) { failures[s.labels] += s.value.get(); });
    impl.retries.ForEach([&](const auto& s) { retries[s.labels] += s.value.get(); });
    impl.errors.ForEach([&](const auto& s) { errors[s.labels] += s.value.get(); });
    connections += static_cast<double>(Read(worker->downstream_connections));
    streams += static_cast<double>(Read(worker->active_streams));
    buffers += static_cast<double>(Read(worker->buffer_bytes));
  }

  Exposition out;
  out.Family("tollgate_requests_total", "Finished requests.", Type::kCounter,
             {"api", "version", "route", "consumer", "method", "code"});
  WriteSamples(requests, &out);
  out.Family("tollgate_request_duration_seconds",
             "From the complete request head to the response handed over.", Type::kHistogram,
             {"api", "version", "route"});
  WriteField(routes, &RouteSums::duration, &out);
  out.Family("tollgate_request_body_bytes_total", "Bytes of request bodies.", Type::kCounter,
             {"api", "version", "route"});
  WriteField(routes, &RouteSums::bytes_in, &out);
  out.Family("tollgate_response_body_bytes_total", "Bytes of response bodies.", Type::kCounter,
             {"api", "version", "route"});
  WriteField(routes, &RouteSums::bytes_out, &out);
  out.Family("tollgate_refused_total", "Requests that a policy step refused.", Type::kCounter,
             {"step", "reason"});
  WriteSamples(refused, &out);
  out.Family("tollgate_limited_total",
             "Requests over a limit: refused, or let through by a plan in shadow mode.",
             Type::kCounter, {"plan", "result"});
  WriteSamples(limited, &out);
  out.Family("tollgate_faults_injected_total", "Requests that met a fault on purpose.",
             Type::kCounter, {"api", "version", "route", "fault"});
  WriteSamples(faults, &out);
  out.Family("tollgate_downstream_errors_total",
             "Connections and requests that ended before there was a request to judge.",
             Type::kCounter, {"listener", "reason"});
  WriteSamples(errors, &out);
  out.Family("tollgate_upstream_attempts_total", "Attempts, retries included.", Type::kCounter,
             {"upstream"});
  WriteField(upstreams, &UpstreamSums::attempts, &out);
  out.Family("tollgate_upstream_retries_total", "Further attempts, by why they were allowed.",
             Type::kCounter, {"upstream", "reason"});
  WriteSamples(retries, &out);
  out.Family("tollgate_upstream_failures_total", "Requests that failed at their upstream.",
             Type::kCounter, {"upstream", "reason"});
  WriteSamples(failures, &out);
  out.Family("tollgate_upstream_duration_seconds",
             "Of the last attempt: from its start to the response head.", Type::kHistogram,
             {"upstream"});
  WriteField(upstreams, &UpstreamSums::duration, &out);
  out.Family("tollgate_downstream_connections", "Open connections of clients.", Type::kGauge);
  out.Sample({}, connections);
  out.Family("tollgate_active_streams", "Requests in progress.", Type::kGauge);
  out.Sample({}, streams);
  out.Family("tollgate_buffer_bytes", "Bytes in workers' buffers.", Type::kGauge);
  out.Sample({}, buffers);
  for (const Callback& callback : callbacks) {
    out.Family(absl::StrCat("tollgate_", callback.name), callback.help,
               callback.counter ? Type::kCounter : Type::kGauge);
    out.Sample({}, callback.read());
  }
  for (const auto& write : families) write(&out);
  return out.Take();
}

Metrics::Totals Metrics::Sum() const {
  std::lock_guard<std::mutex> lock(mutex_);
  Totals totals;
  for (const WorkerMetrics* worker : workers_) {
    totals.requests += worker->impl_->total.get();
    totals.failed += worker->impl_->failed.get();
    totals.connections += Read(worker->downstream_connections);
  }
  return totals;
}

}  // namespace tollgate::proxy
