// What the tests of the model share: texts in, problems and models out.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "control-plane/model/compile.h"
#include "control-plane/model/inline_files.h"
#include "control-plane/model/parse.h"
#include "gtest/gtest.h"

namespace tollgate::control {

inline absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("no file ", path));
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

inline std::string Examples() { return absl::StrCat(TOLLGATE_SOURCE_DIR, "/deploy/examples"); }

// A file of deploy/examples as tollgatectl would read it; fails the test when it has a problem.
inline std::vector<SourceDocument> ReadExample(const std::string& name) {
  ParseResult parsed = ParseDocuments(name, ReadFile(absl::StrCat(Examples(), "/", name)).value());
  EXPECT_EQ(ToString(parsed.problems), "");
  for (SourceDocument& source : parsed.documents) {
    EXPECT_EQ(ToString(InlineFiles(&source, Examples(), ReadFile)), "");
  }
  return std::move(parsed.documents);
}

// Everything that is wrong with a text, one line each; the file is called "t.yaml".
inline std::string ProblemsOf(absl::string_view yaml) {
  ParseResult parsed = ParseDocuments("t.yaml", yaml);
  std::vector<Problem> problems = std::move(parsed.problems);
  if (parsed.whole) {
    for (Problem& problem : Compile("default", parsed.documents).problems) {
      problems.push_back(std::move(problem));
    }
  }
  return ToString(problems);
}

inline Model ModelOf(const std::vector<SourceDocument>& documents) {
  CompileResult result = Compile("default", documents);
  EXPECT_EQ(ToString(result.problems), "");
  return std::move(result.model);
}
inline Model ModelOf(absl::string_view yaml) {
  ParseResult parsed = ParseDocuments("t.yaml", yaml);
  EXPECT_EQ(ToString(parsed.problems), "");
  return ModelOf(parsed.documents);
}

}  // namespace tollgate::control
