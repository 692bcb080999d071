#include "proxy/auth/consumer_index.h"

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {

absl::StatusOr<ConsumerIndex> ConsumerIndex::Build(const Policy& policy) {
  ConsumerIndex index;
  for (const auto& [name, consumer] : policy.consumers) {
    for (const TokenIdentity& identity : consumer.tokens) {
      if (identity.value.empty()) {
        return absl::InvalidArgumentError(absl::StrCat("consumer '", name, "': tokens: issuer '",
                                                       identity.issuer, "' has an empty value"));
      }
      const auto [it, added] =
          index.tokens_.emplace(Identity(identity.issuer, identity.value), &consumer);
      if (!added) {
        return absl::InvalidArgumentError(absl::StrCat(
            "consumers '", it->second->name, "' and '", name, "' both claim the token identity '",
            identity.value, "' of issuer '", identity.issuer, "'; an identity names one consumer"));
      }
    }
    for (const ApiKeyPolicy& key : consumer.api_keys) {
      const auto [it, added] = index.keys_.emplace(key.id, Key{&consumer, &key});
      if (!added) {
        return absl::InvalidArgumentError(absl::StrCat("consumers '", it->second.consumer->name,
                                                       "' and '", name, "' both have the API key '",
                                                       key.id, "'"));
      }
    }
  }
  return index;
}

const ConsumerPolicy* ConsumerIndex::FindByToken(absl::string_view issuer_name,
                                                 absl::string_view value) const {
  const auto it = tokens_.find(Identity(issuer_name, value));
  return it == tokens_.end() ? nullptr : it->second;
}

ConsumerIndex::Key ConsumerIndex::FindByKeyId(absl::string_view id) const {
  const auto it = keys_.find(id);
  return it == keys_.end() ? Key{} : it->second;
}

}  // namespace tollgate::proxy
