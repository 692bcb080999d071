// From documents to a Model: every rule about what operators write is checked here, once, for
// `tollgatectl validate`, for dry runs and before a release is published. Stateless, thread-safe.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "control-plane/model/document.h"
#include "control-plane/model/model.h"
#include "control-plane/model/problem.h"

namespace tollgate::control {

struct CompileResult {
  Model model;                    // meaningless when there are problems
  std::vector<Problem> problems;  // all of them, by file and line; empty: ok
  bool ok() const { return problems.empty(); }
};

// `documents` is the whole set of one environment: what is stored and stays, and what is applied.
// A broken document counts as there, for those that refer to it, but is a problem itself.
// A document that names another environment is a problem; one that names none belongs to this one.
//
// An Api is reachable under the name of its service too (its "alias"), so that callers need no DNS
// name: unless another Api of that service has the same base path, or some Api lists that name as a
// host of its own with that base path. A name that could mean two things means neither.
CompileResult Compile(absl::string_view environment, absl::Span<const SourceDocument> documents);

}  // namespace tollgate::control
