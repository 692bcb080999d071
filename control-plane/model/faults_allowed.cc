#include "control-plane/model/faults_allowed.h"

#include "absl/strings/str_cat.h"
#include "control-plane/model/checker.h"

namespace tollgate::control {

std::vector<Problem> RefuseFaults(absl::string_view environment,
                                  absl::Span<const SourceDocument> documents) {
  std::vector<Problem> problems;
  const NameIndex no_names;  // nothing refers to anything here
  for (const SourceDocument& source : documents) {
    if (!source.document.has_api()) continue;
    const model::v1::Api& api = source.document.api();
    Checker check(source, no_names, &problems);
    for (int v = 0; v < api.versions_size(); ++v) {
      const std::string routes = At("versions", v, "routes");
      for (int r = 0; r < api.versions(v).routes_size(); ++r) {
        if (!api.versions(v).routes(r).has_faults()) continue;
        check.Report(
            At(routes, r, "faults"), "",
            absl::StrCat("injects faults, which environment '", environment, "' does not allow"),
            absl::StrCat("Take it out, or start the control plane with --allow-faults ",
                         environment, " (and its sidecars with --allow-faults)"));
      }
    }
  }
  SortAndLimit(&problems);
  return problems;
}

}  // namespace tollgate::control
