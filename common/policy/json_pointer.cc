#include "common/policy/json_pointer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tollgate {
namespace {

constexpr size_t kMaxTokens = 8;
constexpr size_t kMaxBytes = 255;

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(why, "; expected a JSON Pointer (RFC 6901) such as /amount or /card/amount"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseJsonPointer(absl::string_view text) {
  if (text.empty() || text.front() != '/') return Bad("does not begin with '/'");
  if (text.size() > kMaxBytes) return Bad(absl::StrCat("is longer than ", kMaxBytes, " bytes"));
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return Bad("has a control character");
  }
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      tokens.emplace_back();
    } else if (text[i] != '~') {
      tokens.back().push_back(text[i]);
    } else if (i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1')) {
      tokens.back().push_back(text[++i] == '0' ? '~' : '/');
    } else {
      return Bad("has a '~' without 0 or 1 behind it");
    }
  }
  if (tokens.size() > kMaxTokens) {
    return Bad(absl::StrCat("has ", tokens.size(), " parts, more than ", kMaxTokens));
  }
  return tokens;
}

}  // namespace tollgate
