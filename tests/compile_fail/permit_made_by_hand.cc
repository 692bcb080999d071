// A permit that the chain has not made.
#include "proxy/upstream/attempt.h"

namespace tollgate::proxy {

void Send(Attempt& attempt, Cluster& cluster, RequestHead request, const RoutePolicy& route) {
  const Permit permit(std::move(request), route);
  attempt.Start(cluster, permit, /*end=*/true, {});
}

}  // namespace tollgate::proxy
