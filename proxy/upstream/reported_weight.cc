#include "proxy/upstream/reported_weight.h"

#include <algorithm>
#include <cmath>

namespace tollgate::proxy {

void ReportedWeight::OnReport(const LoadReport& report, const LoadReportPolicy& policy,
                              MonoTime now) {
  const double utilization =
      report.application_utilization > 0 ? report.application_utilization : report.cpu_utilization;
  if (utilization <= 0 || report.qps <= 0) return;
  const double penalty = report.eps / report.qps * policy.error_penalty_permille / 1000;
  const double weight = report.qps / (utilization + penalty);
  // Numbers may be finite, and what they give is not.
  if (!std::isfinite(weight) || weight <= 0) return;
  if (weight_ == 0 || now - newest_ >= policy.expiry) first_ = now;
  weight_ = weight;
  newest_ = now;
}

double ReportedWeight::At(MonoTime now, const LoadReportPolicy& policy, MonoTime since) const {
  if (weight_ == 0 || now - newest_ >= policy.expiry || newest_ < since) return 0;
  if (now - std::max(first_, since) < policy.blackout) return 0;
  return weight_;
}

}  // namespace tollgate::proxy
