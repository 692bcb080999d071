#include "control-plane/release/store_keys.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/policy/words.h"

namespace tollgate::control {
namespace {

constexpr size_t kPage = 500;

std::string Under(absl::string_view environment, absl::string_view rest) {
  return absl::StrCat(kStoreRoot, environment, "/", rest);
}

}  // namespace

absl::Status CheckName(absl::string_view what, absl::string_view name) {
  const absl::Status good = words::CheckName(name);
  if (good.ok()) return good;
  return absl::InvalidArgumentError(absl::StrCat(what, ": '",
                                                 absl::CHexEscape(name.substr(0, 100)),
                                                 "' is not a name; ", good.message()));
}

std::string HeadKey(absl::string_view e) { return Under(e, "head"); }
std::string CollectorKey(absl::string_view e) { return Under(e, "collector"); }
std::string ReleasesPrefix(absl::string_view e) { return Under(e, "release/"); }
std::string ReleaseKey(absl::string_view e, uint64_t number) {
  return absl::StrCat(ReleasesPrefix(e), absl::Hex(number, absl::kZeroPad16));
}
std::string ManifestsPrefix(absl::string_view e) { return Under(e, "manifest/"); }
std::string ManifestPrefix(absl::string_view e, absl::string_view digest) {
  return absl::StrCat(ManifestsPrefix(e), digest, "/");
}
std::string ManifestKey(absl::string_view e, absl::string_view digest, uint32_t chunk) {
  return absl::StrCat(ManifestPrefix(e, digest), absl::Hex(chunk, absl::kZeroPad8));
}
std::string BlobsPrefix(absl::string_view e) { return Under(e, "blob/"); }
std::string BlobKey(absl::string_view e, absl::string_view bytes_hash) {
  return absl::StrCat(BlobsPrefix(e), absl::BytesToHexString(bytes_hash));
}
std::string KeyRingsPrefix(absl::string_view e) { return Under(e, "keys/"); }
std::string KeyRingKey(absl::string_view e, absl::string_view consumer, absl::string_view name) {
  return absl::StrCat(KeyRingsPrefix(e), consumer, "/", name);
}
std::string RevokedPrefix(absl::string_view e) { return Under(e, "revoked/"); }
std::string RevokedKeyKey(absl::string_view e, absl::string_view id) {
  return absl::StrCat(RevokedPrefix(e), id);
}
std::string DeniedPrefix(absl::string_view e) { return Under(e, "denied/"); }
std::string DeniedKey(absl::string_view e, absl::string_view id) {
  return absl::StrCat(DeniedPrefix(e), id);
}
std::string LiftedKey(absl::string_view e) { return Under(e, "lifted"); }

bool ParseStoreKey(absl::string_view key, StoreKey* out) {
  if (!absl::ConsumePrefix(&key, kStoreRoot)) return false;
  const size_t slash = key.find('/');
  if (slash == absl::string_view::npos) return false;
  out->environment = key.substr(0, slash);
  key.remove_prefix(slash + 1);
  const size_t next = key.find('/');
  out->kind = key.substr(0, next);
  out->rest = next == absl::string_view::npos ? absl::string_view() : key.substr(next + 1);
  return true;
}

absl::StatusOr<std::vector<std::string>> ListEnvironments(RevStore& store, Revision revision) {
  std::vector<std::string> environments;
  RangeRequest request{.prefix = std::string(kStoreRoot),
                       .revision = revision,
                       .limit = 1,
                       .start_key = "",
                       .keys_only = true};
  for (;;) {
    ASSIGN_OR_RETURN(const RangeResult result, store.Range(request));
    if (result.kvs.empty()) break;
    StoreKey key;
    if (!ParseStoreKey(result.kvs[0].key, &key)) {
      return absl::DataLossError(absl::StrCat("store: unexpected key '", result.kvs[0].key, "'"));
    }
    environments.emplace_back(key.environment);
    // '0' follows '/': past everything of this environment.
    request.start_key = absl::StrCat(kStoreRoot, key.environment, "0");
  }
  std::sort(environments.begin(), environments.end());  // in the store "a-b/" is before "a/"
  return environments;
}

absl::StatusOr<std::vector<KeyValue>> ReadAll(RevStore& store, const std::string& prefix,
                                              bool keys_only, Revision revision) {
  std::vector<KeyValue> all;
  RangeRequest request{.prefix = prefix,
                       .revision = revision,
                       .limit = kPage,
                       .start_key = "",
                       .keys_only = keys_only};
  for (;;) {
    ASSIGN_OR_RETURN(RangeResult result, store.Range(request));
    // All pages from the revision of the first.
    if (request.revision == 0) request.revision = result.revision;
    for (KeyValue& kv : result.kvs) all.push_back(std::move(kv));
    if (!result.more) return all;
    request.start_key = all.back().key + '\0';
  }
}

}  // namespace tollgate::control
