// Problem: one thing that is wrong with what an operator wrote, with enough to put it right. All
// problems of a set are reported at once. A value (its twin on the wire is admin.v1.Problem).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tollgate::control {

struct Problem {
  std::string file;      // "": the document came from the store
  uint32_t line = 0;     // counts from 1; 0: unknown
  std::string document;  // "Api/card-payments"; "": the file as a whole
  std::string field;     // "versions[0].routes[1].match"; "": the document as a whole
  std::string value;     // what was written there; "": nothing to show
  std::string message;   // what is wrong and what was expected
  std::string remedy;    // what to do; may be empty
  friend bool operator==(const Problem&, const Problem&) = default;
};

// "payments.yaml:12: Api/card-payments: versions[0].routes[1].match: "FETCH /x": unknown method;
// expected ... . Remedy". Parts that are empty are left out; control characters are escaped and a
// long value is cut.
std::string ToString(const Problem& problem);

// One line a problem, in the order of files and lines.
std::string ToString(std::vector<Problem> problems);

inline constexpr size_t kMaxProblems = 1'000;  // of one file, or of one set

// Sorts by file and line, and keeps the first kMaxProblems; then one more says that there are more.
void SortAndLimit(std::vector<Problem>* problems);

}  // namespace tollgate::control
