#include "control-plane/model/source_set.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "control-plane/model/parse.h"

namespace tollgate::control {

SourceSet ParseSources(absl::Span<const SourceText> sources) {
  SourceSet set;
  const auto add = [&set](std::vector<Problem> problems) {
    std::move(problems.begin(), problems.end(), std::back_inserter(set.problems));
  };
  for (const SourceText& source : sources) {
    ParseResult parsed = ParseDocuments(source.file, source.text);
    add(std::move(parsed.problems));
    set.whole = set.whole && parsed.whole;
    for (SourceDocument& document : parsed.documents) {
      std::vector<Problem> problems = InlineFiles(&document, "", source.reader);
      if (!problems.empty()) document.broken = true;
      add(std::move(problems));
      set.documents.push_back(std::move(document));
    }
  }
  return set;
}

std::vector<Problem> MergeProblems(const SourceSet& set, std::vector<Problem> compiled) {
  std::vector<Problem> all = set.problems;
  if (set.whole) {
    std::set<std::pair<std::string, std::string>> explained;
    for (const Problem& problem : set.problems) explained.emplace(problem.file, problem.document);
    for (Problem& problem : compiled) {
      const bool of_document = problem.field.empty() && problem.value.empty();
      if (of_document && explained.contains({problem.file, problem.document})) continue;
      all.push_back(std::move(problem));
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.file, a.line) < std::tie(b.file, b.line);
  });
  return all;
}

}  // namespace tollgate::control
