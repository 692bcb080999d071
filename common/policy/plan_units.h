// What a plan can admit at all. Stateless.
#pragma once

#include <cstdint>

#include "common/policy/policy.h"

namespace tollgate {

// The most units that one request can ever take under `plan`: the least of its windows' counts (or
// of the bursts that replace them). No windows: any.
uint32_t MostUnits(const PlanPolicy& plan);

}  // namespace tollgate
