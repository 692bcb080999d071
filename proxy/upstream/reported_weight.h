// The weight that an endpoint's load reports give it (gRFC A58):
//   weight = qps / (utilization + eps / qps * error_penalty)
// utilization being the application's if it is reported, else the CPU's. It counts once reports
// have come for `blackout` (the first ones of a cold endpoint say little) and until `expiry` after
// the last. A value; one thread.
#pragma once

#include "common/base/clock.h"
#include "common/policy/policy.h"
#include "proxy/upstream/load_report.h"

namespace tollgate::proxy {

class ReportedWeight {
 public:
  // A report without queries or utilization is none.
  void OnReport(const LoadReport& report, const LoadReportPolicy& policy, MonoTime now);
  // 0: none that counts. `since`: the endpoint was out until then, and what it said before is void.
  double At(MonoTime now, const LoadReportPolicy& policy, MonoTime since) const;

 private:
  double weight_ = 0;  // 0: none yet
  MonoTime first_{};   // of the reports that came without a gap of `expiry`
  MonoTime newest_{};
};

}  // namespace tollgate::proxy
