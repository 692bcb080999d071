// Probes one endpoint of one upstream again and again, and changes the process's verdict on it when
// as many probes in a row as the policy says disagree with it. An endpoint counts as healthy until
// then. Owned by the HealthChecker; loop thread only.
#pragma once

#include <memory>

#include "common/base/address.h"
#include "common/base/random.h"
#include "common/policy/policy.h"
#include "proxy/event/loop.h"
#include "proxy/health/probe.h"
#include "proxy/net/buffer.h"
#include "proxy/upstream/cluster_shared.h"

namespace tollgate::proxy {

// What the probers of a process share. Outlives them.
struct ProbeContext {
  Loop& loop;
  BufferPool& buffers;
  Random& random;
};

class EndpointProber {
 public:
  // `policy` and `shared` outlive it. The first probe begins within an interval, a second at most:
  // those of many endpoints, and of many sidecars, do not begin together.
  EndpointProber(ProbeContext& context, ClusterShared& shared, const HealthCheckPolicy& policy,
                 const Address& address, std::shared_ptr<EndpointHealth> health);
  EndpointProber(const EndpointProber&) = delete;
  EndpointProber& operator=(const EndpointProber&) = delete;

  const std::shared_ptr<EndpointHealth>& health() const { return health_; }
  // The policy says something else now. What was found so far counts.
  void PolicyChanged();

 private:
  void Begin();
  void OnDone(const char* failure);
  void SetFailing(bool failing);
  Duration Jitter(Duration most);

  ProbeContext& context_;
  ClusterShared& shared_;
  const HealthCheckPolicy& policy_;
  const Address address_;
  const std::shared_ptr<EndpointHealth> health_;
  Timer next_;
  std::unique_ptr<Probe> probe_;  // null: none is on its way
  uint32_t successes_ = 0;        // in a row
  uint32_t failures_ = 0;
};

}  // namespace tollgate::proxy
