// With a permit from the chain this is all right: the control of the files beside it.
#include "proxy/upstream/attempt.h"

namespace tollgate::proxy {

void Send(Attempt& attempt, Cluster& cluster, const Permit& permit) {
  attempt.Start(cluster, permit, /*end=*/true, {});
}

Permit Keep(Permit&& permit) { return std::move(permit); }

}  // namespace tollgate::proxy
