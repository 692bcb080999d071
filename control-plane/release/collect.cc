// Releases: collection of what no release refers to. It runs beside publishes, of this process and
// of others. Two compares keep them apart: each of its deletes changes the collector's key, which
// every publish compares when it moves the head (so no publish relies on a blob deleted meanwhile);
// and each of its deletes compares the head (so nothing is deleted that a new release refers to).
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "control-plane/release/releases.h"
#include "control-plane/release/store_keys.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {
namespace {

constexpr int kAttempts = 5;
constexpr size_t kBatch = kMaxTxnOperations - 1;  // and the collector's own key

// Deletes in batches as long as neither a publish nor another collector comes between.
class GuardedDelete {
 public:
  GuardedDelete(RevStore& store, const std::string& environment)
      : store_(store), head_key_(HeadKey(environment)), guard_key_(CollectorKey(environment)) {}

  absl::Status Begin() {
    ASSIGN_OR_RETURN(const auto guard, Get(store_, guard_key_));
    if (guard.has_value()) guard_ = guard->mod_revision;
    ASSIGN_OR_RETURN(const auto head, Get(store_, head_key_));
    if (head.has_value()) head_ = head->mod_revision;
    if (!head.has_value()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const store::v1::Head parsed, ParseStored<store::v1::Head>(*head));
    head_release_ = parsed.release();
    return absl::OkStatus();
  }
  uint64_t head_release() const { return head_release_; }

  // False when somebody came between.
  absl::StatusOr<bool> Delete(const std::vector<std::string>& keys) {
    for (size_t begin = 0; begin < keys.size(); begin += kBatch) {
      TxnRequest txn{.compares = {{head_key_, head_}, {guard_key_, guard_}},
                     .then = {Operation::Put(guard_key_, "")}};
      for (size_t i = begin; i < keys.size() && i < begin + kBatch; ++i) {
        txn.then.push_back(Operation::Delete(keys[i]));
      }
      ASSIGN_OR_RETURN(const TxnResult result, store_.Txn(txn));
      if (!result.succeeded) return false;
      guard_ = result.revision;
    }
    return true;
  }

 private:
  RevStore& store_;
  const std::string head_key_;
  const std::string guard_key_;
  Revision head_ = 0;
  Revision guard_ = 0;
  uint64_t head_release_ = 0;
};

}  // namespace

absl::StatusOr<Collected> Releases::Collect(const Retention& retention) {
  Collected total;
  ASSIGN_OR_RETURN(const std::vector<std::string> environments, ListEnvironments(store_));
  for (const std::string& environment : environments) {
    const std::lock_guard<std::mutex> lock(publishing_);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      ASSIGN_OR_RETURN(const std::optional<Collected> once,
                       CollectOnce(environment, std::max<uint64_t>(1, retention.releases)));
      if (!once.has_value()) continue;
      total.releases += once->releases;
      total.manifests += once->manifests;
      total.blobs += once->blobs;
      break;
    }
  }
  ASSIGN_OR_RETURN(const Revision revision, store_.CurrentRevision());
  if (revision > retention.revisions) {
    const absl::Status status = store_.Compact(revision - retention.revisions);
    if (!status.ok() && !absl::IsOutOfRange(status)) return status;  // compacted so far already
  }
  return total;
}

absl::StatusOr<std::optional<Collected>> Releases::CollectOnce(const std::string& environment,
                                                               uint64_t keep) {
  const std::optional<Collected> again;
  Collected collected;
  GuardedDelete guarded(store_, environment);
  RETURN_IF_ERROR(guarded.Begin());

  // Releases first: what only they refer to is found below, now or, after a crash, next time.
  ASSIGN_OR_RETURN(const std::vector<KeyValue> records,
                   ReadAll(store_, ReleasesPrefix(environment)));
  std::vector<std::string> doomed;
  std::set<std::string> digests;
  for (const KeyValue& kv : records) {
    ASSIGN_OR_RETURN(const store::v1::Release record, ParseStored<store::v1::Release>(kv));
    if (record.number() + keep <= guarded.head_release()) {
      doomed.push_back(kv.key);
    } else {
      digests.insert(record.digest());
    }
  }
  ASSIGN_OR_RETURN(bool undisturbed, guarded.Delete(doomed));
  if (!undisturbed) return again;
  collected.releases = doomed.size();

  doomed.clear();
  std::set<std::string> referred;
  ASSIGN_OR_RETURN(const std::vector<KeyValue> manifests,
                   ReadAll(store_, ManifestsPrefix(environment), /*keys_only=*/true));
  for (const KeyValue& kv : manifests) {
    StoreKey key;
    ParseStoreKey(kv.key, &key);
    const std::string digest(key.rest.substr(0, key.rest.find('/')));
    if (!digests.contains(digest)) {
      doomed.push_back(kv.key);
      continue;
    }
    ASSIGN_OR_RETURN(const auto chunk_kv, Get(store_, kv.key));
    if (!chunk_kv.has_value()) return again;
    ASSIGN_OR_RETURN(const store::v1::ManifestChunk chunk,
                     ParseStored<store::v1::ManifestChunk>(*chunk_kv));
    for (const store::v1::ManifestEntry& entry : chunk.entries()) {
      referred.insert(BlobKey(environment, entry.hash()));
    }
  }
  ASSIGN_OR_RETURN(undisturbed, guarded.Delete(doomed));
  if (!undisturbed) return again;
  collected.manifests = doomed.size();

  doomed.clear();
  ASSIGN_OR_RETURN(const std::vector<KeyValue> blobs,
                   ReadAll(store_, BlobsPrefix(environment), /*keys_only=*/true));
  for (const KeyValue& kv : blobs) {
    if (!referred.contains(kv.key)) doomed.push_back(kv.key);
  }
  ASSIGN_OR_RETURN(undisturbed, guarded.Delete(doomed));
  if (!undisturbed) return again;
  collected.blobs = doomed.size();
  return std::optional<Collected>(collected);
}

}  // namespace tollgate::control
