// How tollgatectl ends. Part of its interface: scripts depend on these numbers.
#pragma once

#include "absl/status/status.h"

namespace tollgate::control {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kProblems = 3,     // what the documents say is wrong; nothing was changed
  kConflict = 4,     // somebody else published in between
  kUnreachable = 5,  // no control plane at that address
  kNotApplied = 6,   // --wait: the time is over, or a sidecar refused
};

inline constexpr char kExitCodesHelp[] =
    "Exit codes: 0 ok; 1 failed; 2 wrong usage; 3 the documents have problems (nothing was\n"
    "changed); 4 conflict: another release was published in between; 5 the control plane cannot\n"
    "be reached; 6 --wait: the time is over, or a sidecar refused the release.";

ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace tollgate::control
