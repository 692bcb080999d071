// A sidecar's introduction, read from the wire. Stateless.
#pragma once

#include "absl/status/statusor.h"
#include "control-plane/push/source.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace tollgate::control {

// Metadata: schema (mandatory), environment, address, version. Locality: zone. InvalidArgument names
// the field.
absl::StatusOr<NodeInfo> ParseNode(const envoy::service::discovery::v3::Node& node);

}  // namespace tollgate::control
