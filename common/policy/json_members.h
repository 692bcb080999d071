// Finds what a JSON parser that keeps the last of two members would hide. Internal to
// common/policy. Stateless, thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tollgate::internal {

// InvalidArgument with line and path of the first syntax error (RFC 8259, strict), of the first
// member that stands twice in one object, or of nesting beyond 64 levels. Names are compared as the
// protobuf JSON mapping does: timeout_ms and timeoutMs are one field.
absl::Status CheckJsonMembers(absl::string_view json);

}  // namespace tollgate::internal
