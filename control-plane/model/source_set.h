// What an operator hands over at once: several YAML texts and the files that they name. Stateless,
// thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "control-plane/model/document.h"
#include "control-plane/model/inline_files.h"
#include "control-plane/model/problem.h"

namespace tollgate::control {

struct SourceText {
  std::string file;   // a name for messages
  std::string text;   // YAML
  FileReader reader;  // of the files that it names; called with the path as written
};

struct SourceSet {
  std::vector<SourceDocument> documents;  // files inlined
  std::vector<Problem> problems;          // of parsing
  bool whole = true;  // false: a text was not read to its end: names are missing
  bool ok() const { return problems.empty(); }
};

SourceSet ParseSources(absl::Span<const SourceText> sources);

// The problems of parsing and of compiling `set` (with others, perhaps), by file and line. That a
// document was not compiled because it could not be read is left out: why is there already. When
// the set is not whole, only those of parsing count: the others follow from what is missing.
std::vector<Problem> MergeProblems(const SourceSet& set, std::vector<Problem> compiled);

}  // namespace tollgate::control
