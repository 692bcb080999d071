#include "proxy/route/api_table.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proxy/route/letter_case.h"

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kAnyHost = "*";
constexpr size_t kMaxHost = 255;

// Host as policy writes it: lower case, no port, no trailing dot. Empty when it is too long to be
// a host name. Writes into `buffer` of kMaxHost bytes.
absl::string_view NormalHost(absl::string_view host, char* buffer) {
  // "[::1]:80": the port's colon is the one behind the bracket.
  const size_t from = host.empty() || host[0] != '[' ? 0 : std::min(host.find(']'), host.size());
  host = host.substr(0, host.find(':', from));
  absl::ConsumeSuffix(&host, ".");
  if (host.size() > kMaxHost) return {};
  for (size_t i = 0; i < host.size(); ++i) buffer[i] = absl::ascii_tolower(host[i]);
  return {buffer, host.size()};
}

absl::StatusOr<ApiEntry> MakeEntry(const ApiBindingPolicy& api, uint32_t index) {
  ApiEntry entry;
  entry.index = index;
  entry.base_path = api.base_path;
  entry.version_from = api.version_from;
  const bool only_version =
      api.route_tables.size() == 1 && !api.version_from.path && api.version_from.header.empty();
  for (absl::string_view table : api.route_tables) {
    // "API/VERSION" or "outbound/API/VERSION"; neither part holds a slash.
    const absl::string_view version = table.substr(table.rfind('/') + 1);
    if (version.empty() || version.size() == table.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("api ", api.api, ": route table \"", table, "\": expected \"API/VERSION\""));
    }
    if (version == api.version_from.default_version || only_version) {
      entry.default_version = static_cast<int>(entry.versions.size());
    }
    entry.versions.emplace_back(version);
  }
  return entry;
}

}  // namespace

absl::StatusOr<ApiTable> ApiTable::Build(absl::Span<const ApiBindingPolicy> apis) {
  ApiTable table;
  size_t hosts = 0;
  for (const ApiBindingPolicy& api : apis) {
    auto entry = MakeEntry(api, table.entries_.size());
    if (!entry.ok()) return entry.status();
    table.entries_.push_back(*std::move(entry));
    hosts += api.hosts.size();
  }
  table.host_names_.reserve(hosts);  // views into it must stay
  absl::flat_hash_set<std::pair<uint32_t, std::string>> places;
  for (size_t i = 0; i < apis.size(); ++i) {
    const ApiEntry& entry = table.entries_[i];
    table.longest_base_ = std::max(table.longest_base_, entry.base_path.size());
    for (const std::string& name : apis[i].hosts) {
      auto host = table.hosts_.find(name);
      if (host == table.hosts_.end()) {
        table.host_names_.push_back(name);
        host = table.hosts_.emplace(table.host_names_.back(), table.hosts_.size()).first;
      }
      std::pair lower(host->second, absl::AsciiStrToLower(entry.base_path));
      if (!places.insert(lower).second) {
        return absl::InvalidArgumentError(absl::StrCat("api ", apis[i].api, ": host \"", name,
                                                       "\" with base path \"", entry.base_path,
                                                       "\" belongs to another API already"));
      }
      table.bases_.emplace(Key(host->second, entry.base_path), i);
      if (HasCapital(entry.base_path)) table.lowered_.emplace(std::move(lower), i);
    }
  }
  return table;
}

const ApiEntry* ApiTable::Match(absl::string_view host, absl::string_view path) const {
  return Find(host, path, {});
}

bool ApiTable::ReadsAsAnother(absl::string_view host, absl::string_view path,
                              const ApiEntry& entry) const {
  if (lowered_.empty() && !HasCapital(path)) return false;
  return Find(host, path, absl::AsciiStrToLower(path)) != &entry;
}

const ApiEntry* ApiTable::Find(absl::string_view host, absl::string_view path,
                               absl::string_view lower) const {
  char buffer[kMaxHost];
  const absl::string_view name = NormalHost(host, buffer);
  if (auto it = hosts_.find(name); it != hosts_.end() && name != kAnyHost) {
    if (const ApiEntry* entry = FindIn(it->second, path, lower)) return entry;
  }
  auto any = hosts_.find(kAnyHost);
  return any == hosts_.end() ? nullptr : FindIn(any->second, path, lower);
}

const ApiEntry* ApiTable::FindIn(uint32_t host, absl::string_view path,
                                 absl::string_view lower) const {
  // From the longest prefix that could be a base path down to "/", by segment boundaries.
  size_t end = path.size();
  if (end > longest_base_) end = path.rfind('/', longest_base_);
  while (end != 0 && end != absl::string_view::npos) {
    const ApiEntry* entry = FindBase(host, path.substr(0, end), lower.substr(0, end));
    if (entry != nullptr) return entry;
    end = path.rfind('/', end - 1);
  }
  return FindBase(host, "/", {});
}

const ApiEntry* ApiTable::FindBase(uint32_t host, absl::string_view base,
                                   absl::string_view lower) const {
  if (auto it = bases_.find(Key(host, base)); it != bases_.end()) return &entries_[it->second];
  if (lower.empty()) return nullptr;
  if (auto it = bases_.find(Key(host, lower)); it != bases_.end()) return &entries_[it->second];
  auto it = lowered_.find(std::pair(host, std::string(lower)));
  return it == lowered_.end() ? nullptr : &entries_[it->second];
}

}  // namespace tollgate::proxy
