// "Did you mean": the known name that is nearest to what was written. Stateless, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tollgate::control {

// The nearest of `known`, or "" when none is near: a third of the letters may differ (restricted
// Damerau-Levenshtein distance), and case, '-' and '_' do not count.
std::string Nearest(absl::string_view written, const std::vector<std::string>& known);

// "Did you mean NAME?", or, when nothing is near, "Known: A, B, C" (the first 20), or "".
std::string DidYouMean(absl::string_view written, const std::vector<std::string>& known);

}  // namespace tollgate::control
