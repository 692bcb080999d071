// The bootstrap file: read once at start, strict. A value.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tollgate/config/v1/bootstrap.pb.h"

namespace tollgate::proxy {

// Parses JSON; an unknown member is an error that names it.
absl::StatusOr<config::v1::Bootstrap> ParseBootstrap(absl::string_view json);
// Fills in defaults and checks every field; the error names the field, the value and the remedy.
// `standalone`: the policy comes from a file, so neither node nor control plane is needed.
absl::Status CompleteBootstrap(config::v1::Bootstrap* bootstrap, bool standalone);

// Processors that this process may use: affinity, and the cgroup's quota rounded up; at least 1.
uint32_t CpuQuota();

}  // namespace tollgate::proxy
