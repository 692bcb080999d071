// The families that one worker counts: the inside of WorkerMetrics, for those who count (its
// thread) and who read (a scrape, any thread).
#pragma once

#include "absl/strings/string_view.h"
#include "proxy/observe/histogram.h"
#include "proxy/observe/metrics.h"
#include "proxy/observe/series_table.h"

namespace tollgate::proxy {

struct WorkerMetrics::Impl {
  explicit Impl(size_t max) : max_series(max) {}

  struct Route {
    Histogram duration;
    Counter bytes_in, bytes_out;
  };
  struct Upstream {
    Histogram duration;
    Counter attempts;
  };
  using Routes = SeriesTable<3, Route>;        // api, version, route
  using Upstreams = SeriesTable<1, Upstream>;  // name
  struct Request {
    Counter count;
    // Owner thread: where requests of this series are counted too; the upstream is that of the
    // last one.
    Routes::Series* route = nullptr;
    Upstreams::Series* upstream = nullptr;
  };
  using Requests = SeriesTable<6, Request>;  // api, version, route, consumer, method, code
  using Pairs = SeriesTable<2, Counter>;

  Requests::Series& FindRequest(const Requests::Key& key);
  Requests::Series& MakeRequest(const Requests::Key& key);
  void CountUpstream(const AccessRecord& record, Request& request);

  const size_t max_series;
  Requests requests;
  Routes routes;
  Upstreams upstreams;
  Pairs refused;   // step, reason
  Pairs limited;   // plan, result: "refused", "shadow"
  SeriesTable<4, Counter> faults;  // api, version, route, fault: on purpose
  Pairs failures;  // upstream, reason
  Pairs retries;   // upstream, reason
  Pairs errors;    // listener, reason: what never became a request
  Counter total, failed;
};

}  // namespace tollgate::proxy
