// From config resources on the wire to a Policy: the one place where a sidecar (and, before it
// publishes, the control plane) decides whether it understands a configuration. Strict: an unknown
// field at any depth, an unknown or unset enum, a dangling name, a duplicate, two routes that could not be told
// apart, a pattern or key that does not compile: each refuses the whole, with a code and a field
// path. All errors are reported at once. Stateless, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/policy/policy.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate {

// One thing that is wrong with one resource.
struct ResourceError {
  std::string type_url;    // "type.googleapis.com/tollgate.config.v1.RouteTable"
  std::string name;        // resource name
  std::string code;        // UNKNOWN_FIELD, UNKNOWN_VALUE, MISSING, DANGLING, DUPLICATE, CONFLICT,
                           // OUT_OF_RANGE, INVALID, UNSUPPORTED_SCHEMA
  std::string field_path;  // "routes[3].retry.max_retries"
  std::string message;     // value and what was expected
  friend bool operator==(const ResourceError&, const ResourceError&) = default;
};

inline constexpr absl::string_view kTypePrefix = "type.googleapis.com/tollgate.config.v1.";

// The Policy of a whole bundle, or every error found.
struct PolicyOrErrors {
  Policy policy;                      // meaningless when there are errors
  std::vector<ResourceError> errors;  // empty: ok
  bool ok() const { return errors.empty(); }
};
PolicyOrErrors FromBundle(const config::v1::Bundle& bundle);

// Reads a bundle from JSON (the protobuf JSON mapping; `tollgate-proxy --policy`). Unknown and
// duplicate members are refused.
absl::StatusOr<config::v1::Bundle> BundleFromJson(absl::string_view json);
// Secrets as "<redacted>", JWK sets' private members too: what /config shows.
std::string BundleToRedactedJson(const config::v1::Bundle& bundle);

// One line an error: "RouteTable card-payments/v2: routes[3].path: ...".
std::string ToString(const ResourceError& error);

}  // namespace tollgate
