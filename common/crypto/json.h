// JSON as security needs it: one value, valid UTF-8, bounded depth, and no name twice in one object
// (two readers could each see another value). A thin layer over simdjson's DOM; its error codes,
// not its exceptions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "simdjson.h"

namespace tollgate {

enum class JsonError { kNone, kInvalid, kDuplicateName };

// Owns the parser's memory. Elements are valid until its next Parse. One thread.
class StrictJson {
 public:
  static constexpr size_t kPadding = simdjson::SIMDJSON_PADDING;
  static constexpr size_t kMaxDepth = 32;

  // `text` must be followed by kPadding readable bytes, whose values do not matter.
  JsonError ParsePadded(absl::string_view text, simdjson::dom::element* root);
  // Copies `text`.
  JsonError Parse(absl::string_view text, simdjson::dom::element* root);

 private:
  JsonError ParseBuffer(absl::string_view text, bool copy, simdjson::dom::element* root);
  simdjson::dom::parser parser_;
};

// Member access without exceptions. Absent: nullopt.
std::optional<simdjson::dom::element> JsonMember(const simdjson::dom::object& object,
                                                 absl::string_view name);
std::optional<absl::string_view> JsonString(const simdjson::dom::element& element);

// Appends `text` (UTF-8) as a JSON string, quotes included.
void AppendJsonString(absl::string_view text, std::string* out);

}  // namespace tollgate
