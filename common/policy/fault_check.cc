#include "common/policy/fault_check.h"

#include "absl/strings/str_cat.h"

namespace tollgate {

std::vector<ResourceError> RefuseFaults(const Policy& policy) {
  std::vector<ResourceError> errors;
  for (const auto& [name, table] : policy.route_tables) {
    for (size_t i = 0; i < table.routes.size(); ++i) {
      if (!table.routes[i].faults.any()) continue;
      errors.push_back({absl::StrCat(kTypePrefix, "RouteTable"), name, "FAULTS_NOT_ALLOWED",
                        absl::StrCat("routes[", i, "].faults"),
                        absl::StrCat("route ", table.routes[i].name,
                                     " injects faults, which this sidecar was not started to "
                                     "allow (bootstrap allow_faults, or --allow-faults)")});
    }
  }
  return errors;
}

}  // namespace tollgate
