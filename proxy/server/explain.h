// What would happen to a request: the steps of each listener explain themselves on a snapshot, up
// to the one that refuses. Matching is the real thing; limits and credentials are only described.
// Stateless, any thread but a worker's (it allocates).
#pragma once

#include "common/base/clock.h"
#include "proxy/snapshot/snapshot.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::proxy {

// `snapshot` may be null: there is no policy yet, and `error` of the answer says so, as it does
// when the question makes no sense.
agent::v1::Explanation ExplainRequest(const Snapshot* snapshot, const agent::v1::Explain& question,
                                      WallTime now);

}  // namespace tollgate::proxy
