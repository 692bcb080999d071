// Phase one of matching: which API of a listener a request is for, by host and base path, and which
// version of it. Authentication stands between this and phase two (route_tree.h). Built off the
// workers, immutable, any thread may look up. Owns all its strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

// One ApiBinding, ready for requests.
struct ApiEntry {
  uint32_t index = 0;     // into the bindings that the table was built from
  std::string base_path;  // "/", or "/a/b" without trailing slash
  VersionFromPolicy version_from;
  std::vector<std::string> versions;  // names, in the order of ApiBindingPolicy::route_tables
  // Index into versions, or -1. Where nothing selects a version, the only one.
  int default_version = -1;
};

class ApiTable {
 public:
  // InvalidArgument when two bindings claim the same host and, but for letter case, the same base
  // path, or a name is malformed
  // (FromBundle has refused these already).
  static absl::StatusOr<ApiTable> Build(absl::Span<const ApiBindingPolicy> apis);

  // `host` is the Host header's value (or the target's authority): letter case, port and one
  // trailing dot do not matter. `path` is canonical. A binding of exactly this host comes before
  // one of "*"; then the longest base path that ends on a segment boundary. Null: 404. No
  // allocation.
  const ApiEntry* Match(absl::string_view host, absl::string_view path) const;
  // Whether a server that ignores letter case would serve the path as part of another API than
  // `entry`, which Match found.
  bool ReadsAsAnother(absl::string_view host, absl::string_view path, const ApiEntry& entry) const;
  // Of the binding at `index`.
  const ApiEntry& entry(size_t index) const { return entries_[index]; }

 private:
  using Key = std::pair<uint32_t, absl::string_view>;  // host, base path
  // `lower` is the path in lower case where letter case does not matter, or else empty.
  const ApiEntry* Find(absl::string_view host, absl::string_view path,
                       absl::string_view lower) const;
  const ApiEntry* FindIn(uint32_t host, absl::string_view path, absl::string_view lower) const;
  const ApiEntry* FindBase(uint32_t host, absl::string_view base, absl::string_view lower) const;

  ApiTable() = default;

  std::vector<ApiEntry> entries_;  // never changes after Build: views point into it
  std::vector<std::string> host_names_;
  absl::flat_hash_map<absl::string_view, uint32_t> hosts_;
  absl::flat_hash_map<Key, uint32_t> bases_;
  // Bases with a capital letter again, in lower case. No two of a host differ in nothing else.
  absl::flat_hash_map<std::pair<uint32_t, std::string>, uint32_t> lowered_;
  size_t longest_base_ = 0;
};

// What a request is asking for, among an API's versions.
struct VersionMatch {
  enum class Kind : uint8_t {
    kFound,
    kNotFound,       // 404: no selector names a version, or the path names one that is not there
    kUnknown,        // 400: the header names a version that is not there
    kContradiction,  // 400: path and header name different versions
  };
  enum class Source : uint8_t { kPath, kHeader, kDefault };
  Kind kind = Kind::kNotFound;
  Source source = Source::kDefault;
  uint32_t version = 0;             // index into ApiEntry::versions and ApiBinding.route_tables
  absl::string_view route_path;     // without base path and version segment: for RouteTree::Match
  absl::string_view upstream_path;  // what the upstream sees: all of it, but the stripped segment
  bool found() const { return kind == Kind::kFound; }
};

// Path before header before default: the path is what logs, caches and people see. Under
// version_from.path the segment after the base path selects when it is one of the API's versions. A
// segment that reads like a version ('v' and a digit) and is none is 404, so /v9/payments is never
// a route of the default version; any other segment leaves the choice to header and default. A
// header that names no version is 400, as is one that contradicts the path. `path` is canonical and
// matched entry.base_path; the result points into it, into `*scratch` (when a segment is cut out
// behind a base path) or to a constant.
VersionMatch SelectVersion(const ApiEntry& entry, absl::string_view path,
                           std::optional<absl::string_view> header, std::string* scratch);

// Where the given version of an API starts, for Link rel=successor-version: "/base/v2/". Empty when
// the version is not selected by path: there is no address to name.
std::string VersionUri(const ApiEntry& entry, absl::string_view version);

}  // namespace tollgate::proxy
