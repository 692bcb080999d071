// Active health checks: the one prober of a process. Probes every member of every upstream whose
// policy asks for it, on one loop, and sets the verdicts that all workers' balancers obey. It
// learns the members from the verdicts (OutlierDetector), which the workers keep up to date, host
// names included; it looks for changes after each push and once a second. Owned by the server; loop
// thread only.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/base/random.h"
#include "common/policy/policy.h"
#include "proxy/event/loop.h"
#include "proxy/health/endpoint_prober.h"
#include "proxy/net/buffer.h"
#include "proxy/upstream/cluster_shared.h"

namespace tollgate::proxy {

class HealthChecker {
 public:
  // `loop` and `clusters` outlive it.
  HealthChecker(Loop& loop, SharedClusters& clusters, uint64_t seed);
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;

  // A push that the workers have adopted. Who is probed already goes on with what is known about
  // it; an upstream that is not to be probed any more has all its endpoints back.
  void Update(const std::map<std::string, UpstreamPolicy>& upstreams);

 private:
  struct Checked {
    HealthCheckPolicy policy;
    std::shared_ptr<ClusterShared> shared;
    uint64_t generation = 0;  // of the verdicts, when members was made
    std::map<Address, std::unique_ptr<EndpointProber>> members;
  };

  void SyncAll();
  void Sync(Checked& checked);

  SharedClusters& clusters_;
  BufferPool buffers_;
  Random random_;
  ProbeContext context_;
  std::map<std::string, std::unique_ptr<Checked>> upstreams_;
  Timer sync_;
};

}  // namespace tollgate::proxy
