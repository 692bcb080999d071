// The operational log (not the access log): spdlog, one line an event, to stderr. The level is
// process-wide and may be changed while running (admin endpoint).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "spdlog/spdlog.h"

namespace tollgate {

// Sets pattern and level; `level` is one of trace, debug, info, warn, error.
absl::Status InitLog(absl::string_view program, absl::string_view level);
absl::Status SetLogLevel(absl::string_view level);

}  // namespace tollgate
