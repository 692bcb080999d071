// What operators are shown about the upstreams of a process: metrics, and a JSON view of every
// endpoint. Reads what the workers count; any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "proxy/observe/exposition.h"
#include "proxy/upstream/cluster_shared.h"

namespace tollgate::proxy {

using ClusterList = std::vector<std::shared_ptr<ClusterShared>>;

// Families by upstream. Endpoints are counted, not named: their addresses have no bound.
void ExposeClusters(const ClusterList& clusters, MonoTime now, Exposition* out);

// {"upstreams": [{"name", "active_requests", ..., "endpoints": [{"address", "state", ...}]}]}
std::string ClustersJson(const ClusterList& clusters, MonoTime now);

}  // namespace tollgate::proxy
