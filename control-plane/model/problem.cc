#include "control-plane/model/problem.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace tollgate::control {
namespace {

constexpr size_t kShownValue = 120;

// Quoted, on one line, and short: a value may be a whole file.
std::string Shown(absl::string_view value) {
  std::string out = "\"";
  for (char c : value.substr(0, kShownValue)) {
    if (c == '\n') {
      absl::StrAppend(&out, "\\n");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppend(&out, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      out.push_back(c);
    }
  }
  if (value.size() > kShownValue) {
    // Not in the middle of a UTF-8 sequence.
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    absl::StrAppend(&out, "...");
  }
  out.push_back('"');
  return out;
}

bool StandsBefore(const Problem& a, const Problem& b) {
  return std::tie(a.file, a.line) < std::tie(b.file, b.line);
}

}  // namespace

void SortAndLimit(std::vector<Problem>* problems) {
  std::stable_sort(problems->begin(), problems->end(), StandsBefore);
  if (problems->size() <= kMaxProblems) return;
  problems->resize(kMaxProblems);
  Problem more;
  more.file = problems->back().file;
  more.line = problems->back().line;
  more.message = absl::StrCat("more than ", kMaxProblems, " problems; the rest is not shown");
  problems->push_back(std::move(more));
}

std::string ToString(const Problem& problem) {
  std::string out;
  if (!problem.file.empty()) {
    absl::StrAppend(&out, problem.file);
    if (problem.line > 0) absl::StrAppend(&out, ":", problem.line);
    absl::StrAppend(&out, ": ");
  }
  if (!problem.document.empty()) absl::StrAppend(&out, problem.document, ": ");
  if (!problem.field.empty()) absl::StrAppend(&out, problem.field, ": ");
  if (!problem.value.empty()) absl::StrAppend(&out, Shown(problem.value), ": ");
  absl::StrAppend(&out, problem.message);
  if (!problem.remedy.empty()) absl::StrAppend(&out, ". ", problem.remedy);
  return out;
}

std::string ToString(std::vector<Problem> problems) {
  std::stable_sort(problems.begin(), problems.end(), StandsBefore);
  std::string out;
  for (const Problem& problem : problems) absl::StrAppend(&out, ToString(problem), "\n");
  return out;
}

}  // namespace tollgate::control
