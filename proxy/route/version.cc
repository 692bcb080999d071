// Which version of an API a request is for; declared in api_table.h.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proxy/route/api_table.h"

namespace tollgate::proxy {
namespace {

constexpr int kNone = -1;
constexpr absl::string_view kRoot = "/";

// Few: a linear search beats hashing.
int FindVersion(const ApiEntry& entry, absl::string_view name) {
  for (size_t i = 0; i < entry.versions.size(); ++i) {
    if (entry.versions[i] == name) return static_cast<int>(i);
  }
  return kNone;
}

// "V2" also where a server ignores letter case.
bool ReadsLikeVersion(const ApiEntry& entry, absl::string_view segment) {
  const bool numbered = segment.size() >= 2 && absl::ascii_tolower(segment[0]) == 'v' &&
                        absl::ascii_isdigit(segment[1]);
  return numbered || absl::c_any_of(entry.versions, [&](absl::string_view name) {
           return absl::EqualsIgnoreCase(name, segment);
         });
}

absl::string_view OrRoot(absl::string_view path) { return path.empty() ? kRoot : path; }

VersionMatch Refused(VersionMatch::Kind kind) {
  VersionMatch match;
  match.kind = kind;
  return match;
}

VersionMatch Found(VersionMatch::Source source, int version, absl::string_view route_path,
                   absl::string_view upstream_path) {
  return {VersionMatch::Kind::kFound, source, static_cast<uint32_t>(version), route_path,
          upstream_path};
}

}  // namespace

VersionMatch SelectVersion(const ApiEntry& entry, absl::string_view path,
                           std::optional<absl::string_view> header, std::string* scratch) {
  using Kind = VersionMatch::Kind;
  using Source = VersionMatch::Source;
  // What stands behind the base path: empty, or from a slash on.
  const absl::string_view rest =
      entry.base_path == kRoot ? path : path.substr(entry.base_path.size());

  int by_header = kNone;
  if (!entry.version_from.header.empty() && header.has_value()) {
    by_header = FindVersion(entry, *header);
    if (by_header == kNone) return Refused(Kind::kUnknown);
  }
  if (entry.version_from.path && rest.size() > 1) {
    const size_t end = std::min(rest.find('/', 1), rest.size());
    const absl::string_view segment = rest.substr(1, end - 1);
    const int by_path = FindVersion(entry, segment);
    if (by_path != kNone) {
      if (by_header != kNone && by_header != by_path) return Refused(Kind::kContradiction);
      const absl::string_view after = rest.substr(end);
      absl::string_view upstream_path = path;
      if (entry.version_from.strip) {
        upstream_path = OrRoot(after);
        if (entry.base_path != kRoot) {
          *scratch = absl::StrCat(entry.base_path, after);
          upstream_path = *scratch;
        }
      }
      return Found(Source::kPath, by_path, OrRoot(after), upstream_path);
    }
    if (ReadsLikeVersion(entry, segment)) return Refused(Kind::kNotFound);
  }
  if (by_header != kNone) return Found(Source::kHeader, by_header, OrRoot(rest), path);
  if (entry.default_version != kNone) {
    return Found(Source::kDefault, entry.default_version, OrRoot(rest), path);
  }
  return Refused(Kind::kNotFound);
}

std::string VersionUri(const ApiEntry& entry, absl::string_view version) {
  if (!entry.version_from.path || FindVersion(entry, version) == kNone) return "";
  return absl::StrCat(entry.base_path == kRoot ? "" : entry.base_path, "/", version, "/");
}

}  // namespace tollgate::proxy
