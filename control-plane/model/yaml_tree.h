// A YAML text as a tree of plain values with line numbers. The only place that knows yaml-cpp: it
// listens to the parser's events, so that what yaml-cpp would let pass (duplicate keys, aliases,
// tags) is seen and refused, and what it throws becomes a problem. Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "control-plane/model/problem.h"

namespace tollgate::control {

struct YamlNode {
  // kBad: refused, and already reported; whoever meets it says nothing more.
  enum class Kind { kNull, kScalar, kSequence, kMapping, kBad };
  struct Field;
  Kind kind = Kind::kNull;
  uint32_t line = 0;   // counts from 1
  bool plain = false;  // a scalar without quotes
  std::string scalar;
  std::vector<YamlNode> items;  // of a sequence
  std::vector<Field> fields;    // of a mapping, in the order written; keys are distinct
};
struct YamlNode::Field {
  std::string key;
  uint32_t line = 0;
  YamlNode value;
};

struct YamlDocument {
  YamlNode root;
  size_t problems_begin = 0;  // its own problems: [begin, end) of YamlResult::problems
  size_t problems_end = 0;
};
struct YamlResult {
  std::vector<YamlDocument> documents;  // empty ones are left out
  std::vector<Problem> problems;        // line, field, value, message, remedy
  bool whole = true;                    // false: reading stopped before the end
};

// Text is UTF-8 (a byte order mark is skipped); limits are those of parse.h.
YamlResult ReadYaml(absl::string_view text);

// A plain scalar that some YAML reader takes for a boolean: yes, Off, TRUE, n.
bool LooksBoolean(absl::string_view scalar);

// Whether `text` is UTF-8 (RFC 3629) without control characters other than tab and line ends; if
// not, `*at` is where it stops being so.
bool IsCleanUtf8(absl::string_view text, size_t* at);

}  // namespace tollgate::control
