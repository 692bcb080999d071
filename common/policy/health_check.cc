#include "common/policy/health_check.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"

namespace tollgate {

absl::Status CheckProbePath(absl::string_view path) {
  const bool clean = absl::c_all_of(
      path, [](unsigned char c) { return absl::ascii_isgraph(c) && c != '#' && c != '\\'; });
  if (!path.empty() && path[0] == '/' && path.size() <= 1024 && clean) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "expected a path that begins with a slash, of at most 1024 printable bytes");
}

absl::Status CheckProbeHost(absl::string_view host) {
  const bool clean = absl::c_all_of(host, [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == ':' || c == '[' ||
           c == ']';
  });
  if (!host.empty() && host.size() <= 255 && clean) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "expected a host, e.g. pay.example.com, with a port if it needs one");
}

}  // namespace tollgate
