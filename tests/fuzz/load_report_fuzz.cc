// The value of a load report as an upstream sends it; the first byte chooses the field: 'b' the one
// of base64, else the one that names its form. What is accepted is finite and not negative.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "proxy/upstream/load_report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tollgate::proxy;  // NOLINT
  if (size == 0) return 0;
  const absl::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto report = data[0] == 'b' ? ParseLoadMetricsBin(value) : ParseLoadMetrics(value);
  if (!report.has_value()) return 0;
  for (const double number :
       {report->application_utilization, report->cpu_utilization, report->qps, report->eps}) {
    if (std::isfinite(number) && number >= 0) continue;
    std::fprintf(stderr, "violated: numbers are finite and not negative\n");
    std::abort();
  }
  return 0;
}
