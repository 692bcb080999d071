#include "proxy/upstream/outlier_sweep.h"

#include <algorithm>
#include <cmath>

namespace tollgate::proxy {
namespace {

// What had `min_volume` requests, if at least `min_hosts` had.
std::vector<size_t> WithVolume(absl::Span<const RequestVolume> endpoints, uint32_t min_volume,
                               uint32_t min_hosts) {
  std::vector<size_t> found;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    if (endpoints[i].total > 0 && endpoints[i].total >= min_volume) found.push_back(i);
  }
  if (found.size() < min_hosts) found.clear();
  return found;
}

double SuccessRate(const RequestVolume& volume) {
  return 1 - static_cast<double>(volume.failed) / volume.total;
}

void SortWorstFirst(absl::Span<const RequestVolume> endpoints, std::vector<size_t>& indices) {
  std::stable_sort(indices.begin(), indices.end(), [&](size_t a, size_t b) {
    return SuccessRate(endpoints[a]) < SuccessRate(endpoints[b]);
  });
}

}  // namespace

std::vector<size_t> BelowSuccessRate(absl::Span<const RequestVolume> endpoints,
                                     const SuccessRatePolicy& policy) {
  std::vector<size_t> found = WithVolume(endpoints, policy.min_volume, policy.min_hosts);
  if (found.empty()) return found;
  double sum = 0;
  for (const size_t i : found) sum += SuccessRate(endpoints[i]);
  const double mean = sum / static_cast<double>(found.size());
  double squares = 0;
  for (const size_t i : found) squares += std::pow(SuccessRate(endpoints[i]) - mean, 2);
  const double deviation = std::sqrt(squares / static_cast<double>(found.size()));
  // Rates that are equal differ in the last bit of their mean.
  const double least = mean - policy.stdev_factor / 1000.0 * deviation - 1e-9;
  std::erase_if(found, [&](size_t i) { return SuccessRate(endpoints[i]) >= least; });
  SortWorstFirst(endpoints, found);
  return found;
}

std::vector<size_t> AboveFailurePercentage(absl::Span<const RequestVolume> endpoints,
                                           const FailurePercentagePolicy& policy) {
  std::vector<size_t> found = WithVolume(endpoints, policy.min_volume, policy.min_hosts);
  std::erase_if(found, [&](size_t i) {
    return uint64_t{endpoints[i].failed} * 100 < uint64_t{policy.threshold} * endpoints[i].total;
  });
  SortWorstFirst(endpoints, found);
  return found;
}

}  // namespace tollgate::proxy
