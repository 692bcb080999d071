// Key ids that have been revoked: deny only, in force at once, whatever release is active.
// Immutable; the owner swaps one shared_ptr for the next.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tollgate::proxy {

class DenyList {
 public:
  DenyList() = default;
  DenyList(uint64_t revision, absl::Span<const std::string> key_ids)
      : revision_(revision), key_ids_(key_ids.begin(), key_ids.end()) {}

  bool KeyRevoked(absl::string_view id) const { return key_ids_.contains(id); }
  uint64_t revision() const { return revision_; }
  bool empty() const { return key_ids_.empty(); }

 private:
  uint64_t revision_ = 0;
  absl::flat_hash_set<std::string> key_ids_;
};

}  // namespace tollgate::proxy
