// Where everything is in the store: "/tollgate/v1/ENVIRONMENT/...". Internal to
// control-plane/release; the values are the messages of tollgate.store.v1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-plane/store/rev_store.h"

namespace tollgate::control {

inline constexpr absl::string_view kStoreRoot = "/tollgate/v1/";

// InvalidArgument unless `name` is one: [a-z0-9]([-a-z0-9.]*[a-z0-9])?, at most 63. `what` names it
// in the message.
absl::Status CheckName(absl::string_view what, absl::string_view name);

std::string HeadKey(absl::string_view environment);
// Changed whenever the collector deletes: whoever read before that must read again.
std::string CollectorKey(absl::string_view environment);
std::string ReleasesPrefix(absl::string_view environment);
std::string ReleaseKey(absl::string_view environment, uint64_t number);
std::string ManifestsPrefix(absl::string_view environment);
std::string ManifestPrefix(absl::string_view environment, absl::string_view digest);
std::string ManifestKey(absl::string_view environment, absl::string_view digest, uint32_t chunk);
std::string BlobsPrefix(absl::string_view environment);
std::string BlobKey(absl::string_view environment, absl::string_view bytes_hash);
std::string KeyRingsPrefix(absl::string_view environment);
std::string KeyRingKey(absl::string_view environment, absl::string_view consumer,
                       absl::string_view name);
std::string RevokedPrefix(absl::string_view environment);
std::string RevokedKeyKey(absl::string_view environment, absl::string_view id);
std::string DeniedPrefix(absl::string_view environment);
std::string DeniedKey(absl::string_view environment, absl::string_view id);
// Written whenever a denial is deleted: what was deleted has no revision.
std::string LiftedKey(absl::string_view environment);

// "/tollgate/v1/ENVIRONMENT/KIND/rest" taken apart. False for anything else.
struct StoreKey {
  absl::string_view environment;
  absl::string_view kind;  // head, release, manifest, blob, keys, revoked, denied, lifted,
                           // collector
  absl::string_view rest;
};
bool ParseStoreKey(absl::string_view key, StoreKey* out);

// Those that have any key, sorted.
absl::StatusOr<std::vector<std::string>> ListEnvironments(RevStore& store, Revision revision = 0);

// Every key and value under a prefix, read in pages (a gRPC reply of etcd is bounded).
absl::StatusOr<std::vector<KeyValue>> ReadAll(RevStore& store, const std::string& prefix,
                                              bool keys_only = false, Revision revision = 0);

// A stored message. DataLoss, naming the key, when it is not one.
template <typename Message>
absl::StatusOr<Message> ParseStored(const KeyValue& kv) {
  Message message;
  if (!message.ParseFromString(kv.value)) {
    return absl::DataLossError("store: the value of key '" + kv.key + "' cannot be understood");
  }
  return message;
}

}  // namespace tollgate::control
