#include "control-plane/model/document.h"

#include "absl/strings/str_cat.h"

namespace tollgate::control {

std::string DocumentId(const model::v1::Document& document) {
  return absl::StrCat(document.kind(), "/", document.name());
}

uint32_t LineOf(const SourceDocument& source, absl::string_view field) {
  while (!field.empty()) {
    if (auto it = source.lines.find(std::string(field)); it != source.lines.end()) {
      return it->second;
    }
    const size_t cut = field.find_last_of(".[");
    if (cut == absl::string_view::npos) break;
    field = field.substr(0, cut);
  }
  return source.line;
}

const std::vector<std::string>& Kinds() {
  static const auto* const kKinds =
      new std::vector<std::string>{"Api", "Consumer", "Issuer", "Listener", "Plan", "Service"};
  return *kKinds;
}

}  // namespace tollgate::control
