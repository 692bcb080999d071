#include "control-plane/model/parse.h"

#include <utility>

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
  if (result.problems.size() >= kMaxProblems) result.whole = false;
  SortAndLimit(&result.problems);
  return result;
}

}  // namespace tollgate::control
