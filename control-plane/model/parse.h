// From YAML to documents. Strict: what YAML leaves to chance is refused (duplicate keys, aliases,
// anchors, tags, merge keys, yes/no/on/off), and so is what the model does not know (with the name
// that was probably meant). Values are checked for shape only; compile.h gives them meaning.
// Stateless, thread-safe; throws nothing.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "control-plane/model/document.h"
#include "control-plane/model/problem.h"

namespace tollgate::control {

inline constexpr size_t kMaxYamlBytes = 4 << 20;
inline constexpr size_t kMaxYamlDocuments = 10'000;
inline constexpr size_t kMaxYamlDepth = 32;

struct ParseResult {
  // Those with a problem are `broken`; Compile knows them by name and looks no further, so both
  // kinds of problems can be reported at once.
  std::vector<SourceDocument> documents;
  std::vector<Problem> problems;  // by line
  bool whole =
      true;  // false: not read to its end (a syntax error or a limit), so names are missing
};

// `file` is only a name for messages. Fields that were left out stay empty: environment too, which
// the caller then sets.
ParseResult ParseDocuments(absl::string_view file, absl::string_view text);

}  // namespace tollgate::control
