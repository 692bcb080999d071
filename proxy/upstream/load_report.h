// An endpoint's own account of its load, as it comes with a response: ORCA (Open Request Cost
// Aggregation, xds.data.orca.v3.OrcaLoadReport, gRFC A51), in a header or trailer field
//   endpoint-load-metrics-bin: <base64 of the protobuf>
//   endpoint-load-metrics: BIN <the same> | JSON {"cpu_utilization": 0.3, "rps_fractional": 90}
//                          | TEXT cpu_utilization=0.3,rps_fractional=90
// Only what weights need is read. Stateless.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

struct LoadReport {
  double application_utilization = 0;  // 0: not reported; 1: fully used
  double cpu_utilization = 0;
  double qps = 0;  // of the whole endpoint, whoever asks
  double eps = 0;  // of these, errors
  friend bool operator==(const LoadReport&, const LoadReport&) = default;
};

inline constexpr absl::string_view kLoadMetrics = "endpoint-load-metrics";
inline constexpr absl::string_view kLoadMetricsBin = "endpoint-load-metrics-bin";

// Values of these fields. Nullopt: not of this form, longer than 8 KiB, or one of the numbers is
// none, negative or not finite. Metrics that weights do not need are passed over.
std::optional<LoadReport> ParseLoadMetrics(absl::string_view value);
std::optional<LoadReport> ParseLoadMetricsBin(absl::string_view base64);

// Takes the fields out: they are meant for us, not for who asked. Nullopt: there is no report, or
// none that can be read.
std::optional<LoadReport> TakeLoadReport(HeaderMap& fields);

}  // namespace tollgate::proxy
