#include "control-plane/cli/sources.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "control-plane/model/compile.h"
#include "control-plane/model/parse.h"
#include "control-plane/model/source_set.h"

namespace tollgate::control {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 1 << 20;  // that a document names

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  std::error_code error;
  if (path == "-" || !fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string extension = it->path().extension().string();
    if (extension == ".yaml" || extension == ".yml") files.push_back(it->path().string());
  }
  if (error) return absl::UnavailableError(absl::StrCat("-f ", path, ": ", error.message()));
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat("-f ", path, ": there is no *.yaml or *.yml in it"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  if (path != "-") {
    PosixFileSystem files;
    absl::StatusOr<std::string> text = files.Read(path, kMaxYamlBytes);
    return text.ok() ? text : absl::StatusOr<std::string>(Annotate(text.status(), "-f"));
  }
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.size() > kMaxYamlBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("standard input: more than ", kMaxYamlBytes, " bytes"));
  }
  return text;
}

// Reads the files that the documents of `source` name.
void AttachFiles(admin::v1::Source* source) {
  const fs::path base = fs::path(source->file()).parent_path();
  SourceText text{source->file(), source->text(), nullptr};
  text.reader = [&](const std::string& path) -> absl::StatusOr<std::string> {
    PosixFileSystem files;
    const fs::path full = fs::path(path).is_absolute() ? fs::path(path) : base / path;
    const absl::StatusOr<std::string> content = files.Read(full.string(), kMaxFileBytes);
    admin::v1::NamedFile& file = (*source->mutable_files())[path];
    if (content.ok()) {
      file.set_content(*content);
    } else {
      file.set_error(std::string(content.status().message()));
    }
    return content;
  };
  ParseSources({text});  // the server parses again: only what the reader saw matters here
}

}  // namespace

absl::StatusOr<std::vector<admin::v1::Source>> ReadSources(const std::vector<std::string>& paths) {
  std::vector<admin::v1::Source> sources;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(path));
    for (const std::string& file : files) {
      ASSIGN_OR_RETURN(std::string text, ReadText(file));
      admin::v1::Source& source = sources.emplace_back();
      source.set_file(file == "-" ? "stdin" : file);
      source.set_text(std::move(text));
      AttachFiles(&source);
    }
  }
  return sources;
}

OfflineResult CompileOffline(const std::string& environment,
                             const std::vector<admin::v1::Source>& sources) {
  std::vector<SourceText> texts;
  for (const admin::v1::Source& source : sources) {
    texts.push_back({source.file(), source.text(),
                     [&source](const std::string& path) -> absl::StatusOr<std::string> {
                       const auto it = source.files().find(path);
                       if (it == source.files().end()) return absl::NotFoundError("not read");
                       const admin::v1::NamedFile& file = it->second;
                       if (!file.error().empty()) return absl::NotFoundError(file.error());
                       return file.content();
                     }});
  }
  SourceSet set = ParseSources(texts);
  CompileResult compiled = Compile(environment, set.documents);
  OfflineResult result;
  result.problems = MergeProblems(set, std::move(compiled.problems));
  result.model = std::move(compiled.model);
  result.documents = std::move(set.documents);
  return result;
}

}  // namespace tollgate::control
