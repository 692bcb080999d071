// Faults are never on by accident: whoever was not started to allow them refuses them. Stateless.
#pragma once

#include <vector>

#include "common/policy/from_proto.h"
#include "common/policy/policy.h"

namespace tollgate {

// One error for each route that injects faults, with the remedy; empty: none does.
std::vector<ResourceError> RefuseFaults(const Policy& policy);

}  // namespace tollgate
