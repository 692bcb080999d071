// What a health check may ask for; both planes refuse the rest. Stateless, any thread.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tollgate {

// The target of a probe: "/healthz", "/ready?full=1"; at most 1024 printable bytes.
absl::Status CheckProbePath(absl::string_view path);
// What goes into Host (RFC 9110 section 7.2): "pay.example.com", "10.0.0.1:80", "[::1]:80".
absl::Status CheckProbeHost(absl::string_view host);

}  // namespace tollgate
