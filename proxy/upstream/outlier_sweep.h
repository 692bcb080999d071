// Who stands out among the endpoints of a cluster, by what their requests of one interval came to.
// Pure functions; the computations are Envoy's outlier detection (gRFC A50).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

struct RequestVolume {
  uint32_t total = 0;
  uint32_t failed = 0;
};

// Indices of those whose success rate is below mean - factor * standard deviation, taken over all
// that had enough requests; the worst first. None when too few had.
std::vector<size_t> BelowSuccessRate(absl::Span<const RequestVolume> endpoints,
                                     const SuccessRatePolicy& policy);

// Indices of those that failed at least `threshold` percent of enough requests; the worst first.
std::vector<size_t> AboveFailurePercentage(absl::Span<const RequestVolume> endpoints,
                                           const FailurePercentagePolicy& policy);

}  // namespace tollgate::proxy
