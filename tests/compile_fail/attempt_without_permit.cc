// An attempt that is handed a request instead of the permission to send it.
#include "proxy/upstream/attempt.h"

namespace tollgate::proxy {

void Send(Attempt& attempt, Cluster& cluster, const RequestHead& request) {
  attempt.Start(cluster, request, /*end=*/true, {});
}

}  // namespace tollgate::proxy
