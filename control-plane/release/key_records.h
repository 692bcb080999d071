// How API keys are stored, and the records that are made of it. Internal to control-plane/release.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/release/credential_store.h"
#include "control-plane/release/store_keys.h"

namespace tollgate::control {

// keys/CONSUMER/NAME -> its keys. DataLoss when it is not one.
absl::StatusOr<std::vector<KeyRecord>> ParseKeyRing(const KeyValue& kv);
// revoked/ID -> the key.
absl::StatusOr<KeyRecord> ParseRevokedKey(const KeyValue& kv);

// Both at one revision (0: now).
absl::StatusOr<std::vector<KeyRecord>> ReadKeyRings(RevStore& store, const std::string& prefix,
                                                    Revision revision = 0);
absl::StatusOr<std::vector<KeyRecord>> ReadRevokedKeys(RevStore& store,
                                                       const std::string& environment,
                                                       Revision revision = 0);

}  // namespace tollgate::control
