// The documents that -f names: files, directories, standard input. Stateless.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/model/document.h"
#include "control-plane/model/model.h"
#include "control-plane/model/problem.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

// A path is a file, a directory (its *.yaml and *.yml, by name, not those below) or "-". Files that
// the documents name are read too, relative to the YAML file; one that cannot be read is the
// server's to report, with the line that names it.
absl::StatusOr<std::vector<admin::v1::Source>> ReadSources(const std::vector<std::string>& paths);

struct OfflineResult {
  std::vector<SourceDocument> documents;
  Model model;
  std::vector<Problem> problems;
};
// What the control plane would say if there were nothing else in the environment.
OfflineResult CompileOffline(const std::string& environment,
                             const std::vector<admin::v1::Source>& sources);

}  // namespace tollgate::control
