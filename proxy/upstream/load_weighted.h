// Weighted turns by what endpoints report of their load (gRFC A58; reported_weight.h). Weights are
// brought up to date every `update`; an endpoint without one has the mean of the others, and none
// has more than ten times the median or less than a tenth of it. While
// fewer than two have one, the configured weights count. One that keeps failing is avoided: an
// error costs little load, so it would report that it could do with more. One thread.
#pragma once

#include <vector>

#include "proxy/upstream/balancer.h"
#include "proxy/upstream/edf_schedule.h"

namespace tollgate::proxy {

class LoadWeighted final : public Balancer {
 public:
  explicit LoadWeighted(const LoadReportPolicy& policy) : policy_(policy) {}
  const EndpointSlot* Pick(const PickContext& context) override;

 private:
  void OnEndpoints() override;
  void UpdateWeights(const PickContext& context);

  const LoadReportPolicy policy_;
  std::vector<double> weights_;        // one a slot; empty: not known yet
  std::vector<double> fresh_, known_;  // of UpdateWeights; they keep their storage
  MonoTime update_at_{};
  EdfSchedule schedule_;
};

}  // namespace tollgate::proxy
