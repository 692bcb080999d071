#include "control-plane/release/pepper.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"

namespace tollgate::control {
namespace {

constexpr size_t kPepperBytes = 32;
constexpr size_t kMaxFileBytes = 64 * 1024;
constexpr absl::string_view kHeader =
    "# Peppers of API keys (tollgate-control). Secret. Without this file no API key works.\n";

// From the content, so that another pepper cannot pass for this one.
std::string NameOf(absl::string_view pepper) {
  const Digest256 digest = Sha256(absl::StrCat("tollgate pepper name\n", pepper));
  return absl::StrCat("p-", HexEncode(AsBytes(digest).substr(0, 8)));
}

std::string FreshLine() { return absl::StrCat(HexEncode(RandomBytes(kPepperBytes)), "\n"); }

absl::StatusOr<std::string> ReadSecret(FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  if ((info.mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("pepper file '", path,
                     "' may be read by others; expected mode 600: chmod 600 '", path, "'"));
  }
  return files.Read(path, kMaxFileBytes);
}

}  // namespace

absl::StatusOr<Peppers> Peppers::LoadOrCreate(FileSystem& files, const std::string& path) {
  absl::StatusOr<std::string> text = ReadSecret(files, path);
  if (absl::IsNotFound(text.status())) {
    text = absl::StrCat(kHeader, FreshLine());
    RETURN_IF_ERROR(files.MakeDirectory(ParentDirectory(path)));
    RETURN_IF_ERROR(files.Write(path, *text));
  }
  RETURN_IF_ERROR(text.status());
  Peppers peppers;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const std::optional<std::string> pepper = HexDecode(line);
    if (!pepper.has_value() || pepper->size() != kPepperBytes) {
      return absl::InvalidArgumentError(absl::StrCat("pepper file '", path, "', line ", number,
                                                     ": expected 64 hexadecimal digits"));
    }
    peppers.current_ = NameOf(*pepper);  // the last one
    peppers.peppers_[peppers.current_] = *pepper;
  }
  if (peppers.peppers_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pepper file '", path, "' has no pepper; restore it, or remove it to make a new one"));
  }
  return peppers;
}

absl::Status Peppers::Add(FileSystem& files, const std::string& path) {
  RETURN_IF_ERROR(LoadOrCreate(files, path).status());
  ASSIGN_OR_RETURN(std::string text, ReadSecret(files, path));
  if (!text.empty() && text.back() != '\n') text += '\n';
  return files.Write(path, absl::StrCat(text, FreshLine()));
}

}  // namespace tollgate::control
