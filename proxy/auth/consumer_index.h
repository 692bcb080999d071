// From what a credential says to the Consumer that it names. Compiled from a Policy, points into
// it, and must not outlive it: the snapshot owns both. Immutable, thread-safe.
#pragma once

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

class ConsumerIndex {
 public:
  struct Key {
    const ConsumerPolicy* consumer = nullptr;
    const ApiKeyPolicy* key = nullptr;
  };

  // Refuses two consumers with one identity and two keys with one id: neither could be told apart.
  static absl::StatusOr<ConsumerIndex> Build(const Policy& policy);

  // nullptr: no such consumer. An empty value names nobody.
  const ConsumerPolicy* FindByToken(absl::string_view issuer_name, absl::string_view value) const;
  // .key is nullptr: no such key.
  Key FindByKeyId(absl::string_view id) const;
  size_t keys() const { return keys_.size(); }

 private:
  using Identity = std::pair<absl::string_view, absl::string_view>;
  absl::flat_hash_map<Identity, const ConsumerPolicy*> tokens_;
  absl::flat_hash_map<absl::string_view, Key> keys_;
};

}  // namespace tollgate::proxy
