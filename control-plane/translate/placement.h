// Which instance a sidecar stands beside: where it listens and where it delivers. Stateless,
// thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/address.h"
#include "control-plane/model/model.h"
#include "control-plane/translate/translate.h"

namespace tollgate::control {

struct Placement {
  Address listen;
  Address local;
  std::string zone = {};  // where its endpoint is said to run; "": not said
  friend bool operator==(const Placement&, const Placement&) = default;
};

// Its endpoint is the one whose `instance` is the node's id; else the one whose address is the
// node's; else the service's only one, unless that names another instance. It listens at the
// address of the Listener document, else of its endpoint; it delivers to its endpoint's local, else
// the service's. Nothing: nobody calls this service (no endpoints, no Listener with an address).
// FailedPrecondition names the remedy.
absl::StatusOr<std::optional<Placement>> Place(const ServiceModel& service,
                                               const NodeIdentity& node);

}  // namespace tollgate::control
