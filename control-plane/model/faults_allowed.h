// Faults are never on by accident: an environment takes documents with faults only where the
// control plane was started to allow it there. Stateless, thread-safe.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "control-plane/model/document.h"
#include "control-plane/model/problem.h"

namespace tollgate::control {

// One problem for each route of `documents` that injects faults, with the remedy; empty: none does.
std::vector<Problem> RefuseFaults(absl::string_view environment,
                                  absl::Span<const SourceDocument> documents);

}  // namespace tollgate::control
