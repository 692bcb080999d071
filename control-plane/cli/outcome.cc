#include "control-plane/cli/outcome.h"

namespace tollgate::control {

Outcome OutcomeOf(const admin::v1::Proxy& proxy, uint64_t release) {
  if (!proxy.connected()) return Outcome::kDisconnected;
  if (proxy.refused_release() == release) return Outcome::kRefused;
  if (proxy.state() == "SYNCED" && proxy.offered_release() >= release) return Outcome::kApplied;
  if (proxy.serving_release() >= release) return Outcome::kApplied;
  if (proxy.refused_release() > release) return Outcome::kRefused;
  if (!proxy.has_unservable_release() || proxy.unservable_release() < release) {
    return Outcome::kPending;
  }
  const bool stranger = proxy.errors_size() == 1 && proxy.errors(0).code() == "NOT_FOUND";
  return stranger ? Outcome::kStranger : Outcome::kRefused;
}

}  // namespace tollgate::control
