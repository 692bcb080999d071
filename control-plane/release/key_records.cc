#include "control-plane/release/key_records.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {

absl::StatusOr<std::vector<KeyRecord>> ParseKeyRing(const KeyValue& kv) {
  StoreKey key;
  const bool known = ParseStoreKey(kv.key, &key);
  const size_t slash = known ? key.rest.find('/') : absl::string_view::npos;
  if (slash == absl::string_view::npos) {
    return absl::DataLossError(absl::StrCat("store: unexpected key '", kv.key, "'"));
  }
  ASSIGN_OR_RETURN(const store::v1::KeyRing ring, ParseStored<store::v1::KeyRing>(kv));
  std::vector<KeyRecord> records;
  for (const store::v1::ApiKey& stored : ring.keys()) {
    records.push_back(KeyRecord{.id = stored.id(),
                                .consumer = std::string(key.rest.substr(0, slash)),
                                .name = std::string(key.rest.substr(slash + 1)),
                                .hash = stored.hash(),
                                .pepper = stored.pepper(),
                                .created = stored.created(),
                                .not_after = stored.not_after()});
  }
  return records;
}

absl::StatusOr<KeyRecord> ParseRevokedKey(const KeyValue& kv) {
  StoreKey key;
  if (!ParseStoreKey(kv.key, &key) || key.rest.empty()) {
    return absl::DataLossError(absl::StrCat("store: unexpected key '", kv.key, "'"));
  }
  ASSIGN_OR_RETURN(const store::v1::RevokedKey stored, ParseStored<store::v1::RevokedKey>(kv));
  return KeyRecord{.id = std::string(key.rest),
                   .consumer = stored.consumer(),
                   .name = stored.name(),
                   .hash = "",
                   .pepper = "",
                   .created = stored.created(),
                   .not_after = 0,
                   .revoked = stored.revoked(),
                   .revision = kv.mod_revision};
}

absl::StatusOr<std::vector<KeyRecord>> ReadKeyRings(RevStore& store, const std::string& prefix,
                                                    Revision revision) {
  ASSIGN_OR_RETURN(const std::vector<KeyValue> rings,
                   ReadAll(store, prefix, /*keys_only=*/false, revision));
  std::vector<KeyRecord> records;
  for (const KeyValue& kv : rings) {
    ASSIGN_OR_RETURN(std::vector<KeyRecord> keys, ParseKeyRing(kv));
    for (KeyRecord& record : keys) records.push_back(std::move(record));
  }
  return records;
}

absl::StatusOr<std::vector<KeyRecord>> ReadRevokedKeys(RevStore& store,
                                                       const std::string& environment,
                                                       Revision revision) {
  ASSIGN_OR_RETURN(const std::vector<KeyValue> all,
                   ReadAll(store, RevokedPrefix(environment), /*keys_only=*/false, revision));
  std::vector<KeyRecord> records;
  for (const KeyValue& kv : all) {
    ASSIGN_OR_RETURN(KeyRecord record, ParseRevokedKey(kv));
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace tollgate::control
