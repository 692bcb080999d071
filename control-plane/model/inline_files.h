// Files that a document names (`keys: {file: ...}`) become part of it, so that a document is whole
// wherever it goes: tollgatectl calls this, with a path relative to the YAML file, before it sends
// anything. Reading is injected; nothing here touches the file system.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-plane/model/document.h"
#include "control-plane/model/problem.h"

namespace tollgate::control {

using FileReader = std::function<absl::StatusOr<std::string>(const std::string& path)>;

// Replaces every `file` of `source` by what `reader` gives for it. A relative path is joined to
// `base_dir` (""; "." and "dir" are all fine). Problems: unreadable, not UTF-8, over 512 KiB.
std::vector<Problem> InlineFiles(SourceDocument* source, absl::string_view base_dir,
                                 const FileReader& reader);

}  // namespace tollgate::control
