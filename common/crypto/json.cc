#include "common/crypto/json.h"

#include <algorithm>
#include <cstdint>

#include "absl/container/inlined_vector.h"

namespace tollgate {
namespace {

using simdjson::dom::element;
using Names = absl::InlinedVector<std::string_view, 32>;

bool HasDuplicate(Names* names) {
  if (names->size() <= 16) {  // the usual header or claims: comparing sizes settles most pairs
    for (size_t i = 1; i < names->size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if ((*names)[i] == (*names)[j]) return true;
      }
    }
    return false;
  }
  std::sort(names->begin(), names->end());
  return std::adjacent_find(names->begin(), names->end()) != names->end();
}

// Depth is bounded by the parser. Names are compared as decoded: "\u0061lg" is "alg".
bool DuplicateNameIn(const element& value) {
  simdjson::dom::array array;
  simdjson::dom::object object;
  if (value.get(object) == simdjson::SUCCESS) {
    Names names;
    for (const auto field : object) {
      names.push_back(field.key);
      if ((field.value.is_object() || field.value.is_array()) && DuplicateNameIn(field.value)) {
        return true;
      }
    }
    return HasDuplicate(&names);
  }
  if (value.get(array) == simdjson::SUCCESS) {
    for (const element item : array) {
      if ((item.is_object() || item.is_array()) && DuplicateNameIn(item)) return true;
    }
  }
  return false;
}

}  // namespace

JsonError StrictJson::ParseBuffer(absl::string_view text, bool copy, element* root) {
  if (text.empty()) return JsonError::kInvalid;  // also: data() may be null then
  // Grows in steps, so that a parser reused for tokens of many sizes settles.
  if (parser_.capacity() < text.size() || parser_.max_depth() != kMaxDepth) {
    const size_t capacity = std::max<size_t>(4096, text.size() + text.size() / 2);
    if (parser_.allocate(capacity, kMaxDepth) != simdjson::SUCCESS) return JsonError::kInvalid;
  }
  if (parser_.parse(text.data(), text.size(), copy).get(*root) != simdjson::SUCCESS) {
    return JsonError::kInvalid;
  }
  return DuplicateNameIn(*root) ? JsonError::kDuplicateName : JsonError::kNone;
}

JsonError StrictJson::ParsePadded(absl::string_view text, element* root) {
  return ParseBuffer(text, /*copy=*/false, root);
}

JsonError StrictJson::Parse(absl::string_view text, element* root) {
  return ParseBuffer(text, /*copy=*/true, root);
}

std::optional<element> JsonMember(const simdjson::dom::object& object, absl::string_view name) {
  element value;
  if (object.at_key(std::string_view(name.data(), name.size())).get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return value;
}

std::optional<absl::string_view> JsonString(const element& value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return std::nullopt;
  return absl::string_view(text.data(), text.size());
}

void AppendJsonString(absl::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20) {
      *out += "\\u00";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

}  // namespace tollgate
