#include "control-plane/model/inline_files.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/jwk.h"
#include "control-plane/model/yaml_tree.h"

namespace tollgate::control {

std::vector<Problem> InlineFiles(SourceDocument* source, absl::string_view base_dir,
                                 const FileReader& reader) {
  std::vector<Problem> problems;
  if (!source->document.has_issuer() || !source->document.issuer().has_keys()) return problems;
  model::v1::Keys* keys = source->document.mutable_issuer()->mutable_keys();
  if (keys->file().empty() || !keys->jwks().empty()) return problems;  // both: Compile says so
  const auto report = [&](absl::string_view message, absl::string_view remedy) {
    problems.push_back({source->file, LineOf(*source, "keys.file"), DocumentId(source->document),
                        "keys.file", keys->file(), std::string(message), std::string(remedy)});
  };
  std::string path = keys->file();
  if (!base_dir.empty() && !absl::StartsWith(path, "/")) {
    path = absl::StrCat(base_dir, absl::EndsWith(base_dir, "/") ? "" : "/", path);
  }
  absl::StatusOr<std::string> content = reader(path);
  size_t at = 0;
  if (!content.ok()) {
    report(absl::StrCat("cannot be read: ", content.status().message()),
           "The path is relative to the YAML file");
  } else if (content->empty()) {
    report("is an empty file", "Put the issuer's JWK set there");
  } else if (content->size() > kMaxJwkSetBytes) {
    report(absl::StrCat("has ", content->size(), " bytes; at most ", kMaxJwkSetBytes), "");
  } else if (!IsCleanUtf8(*content, &at)) {
    report(absl::StrCat("is not UTF-8 text (byte ", at, ")"), "Expected a JWK set (RFC 7517)");
  } else {
    if (auto line = source->lines.find("keys.file"); line != source->lines.end()) {
      source->lines["keys.jwks"] = line->second;
    }
    keys->clear_file();
    keys->set_jwks(*std::move(content));
  }
  return problems;
}

}  // namespace tollgate::control
