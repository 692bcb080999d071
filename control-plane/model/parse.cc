#include "control-plane/model/parse.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/model/mapper.h"
#include "control-plane/model/yaml_tree.h"

namespace tollgate::control {

ParseResult ParseDocuments(absl::string_view file, absl::string_view text) {
  ParseResult result;
  YamlResult yaml = ReadYaml(text);
  result.problems = std::move(yaml.problems);
  for (Problem& problem : result.problems) problem.file = std::string(file);
  result.whole = yaml.whole;
  for (const YamlDocument& document : yaml.documents) {
    const YamlNode& root = document.root;
    SourceDocument source;
    source.file = std::string(file);
    source.line = root.fields.empty() ? root.line : root.fields.front().line;
    source.broken = !MapDocument(root, &source, &result.problems) ||
                    document.problems_begin != document.problems_end;
    if (!source.document.kind().empty()) {
      for (size_t i = document.problems_begin; i < document.problems_end; ++i) {
        result.problems[i].document = DocumentId(source.document);
      }
      result.documents.push_back(std::move(source));
    }
    if (result.problems.size() >= kMaxProblems) break;
  }
  if (result.problems.size() >= kMaxProblems) {
    result.whole = false;
    result.problems.resize(kMaxProblems);
    Problem enough;
    enough.file = std::string(file);
    enough.message = absl::StrCat("more than ", kMaxProblems, " problems; the rest is not shown");
    result.problems.push_back(std::move(enough));
  }
  std::stable_sort(result.problems.begin(), result.problems.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  return result;
}

}  // namespace tollgate::control
