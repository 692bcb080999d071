// Releases: reading.
#include "control-plane/release/releases.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "control-plane/release/store_keys.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {
namespace {

ReleaseInfo ToInfo(const store::v1::Release& record, Revision revision) {
  return ReleaseInfo{.number = record.number(),
                     .revision = revision,
                     .created = WallTime(std::chrono::milliseconds(record.created_ms())),
                     .author = record.author(),
                     .message = record.message(),
                     .digest = record.digest(),
                     .documents = record.documents(),
                     .rollback_of = record.rollback_of()};
}

absl::StatusOr<StoredDocument> ReadBlob(RevStore& store, const std::string& environment,
                                        const DocumentKey& key, const std::string& bytes_hash) {
  const std::string blob_key = BlobKey(environment, bytes_hash);
  ASSIGN_OR_RETURN(const auto blob, Get(store, blob_key));
  if (!blob.has_value()) {
    return absl::DataLossError(
        absl::StrCat("store: ", blob_key, " of ", ToString(key), " is gone"));
  }
  if (AsBytes(Sha256(blob->value)) != bytes_hash) {
    return absl::DataLossError(
        absl::StrCat("store: ", blob_key, " of ", ToString(key), " is not what was written"));
  }
  ASSIGN_OR_RETURN(model::v1::Document document, ParseStored<model::v1::Document>(*blob));
  if (document.kind() != key.kind || document.name() != key.name) {
    return absl::DataLossError(absl::StrCat("store: ", blob_key, " is not ", ToString(key)));
  }
  return StoredDocument{
      .document = std::make_shared<const model::v1::Document>(std::move(document)),
      .bytes_hash = bytes_hash};
}

absl::StatusOr<DocumentSet> ReadDocuments(RevStore& store, const std::string& environment,
                                          const store::v1::Release& record,
                                          const DocumentSet& known) {
  ASSIGN_OR_RETURN(const std::vector<KeyValue> chunks,
                   ReadAll(store, ManifestPrefix(environment, record.digest())));
  if (chunks.size() < record.chunks()) {
    return absl::DataLossError(absl::StrCat("store: the manifest of release ", record.number(),
                                            " of environment '", environment, "' has ",
                                            chunks.size(), " of ", record.chunks(), " chunks"));
  }
  DocumentSet documents;
  for (uint32_t i = 0; i < record.chunks(); ++i) {
    const KeyValue& kv = chunks[i];
    ASSIGN_OR_RETURN(const store::v1::ManifestChunk chunk,
                     ParseStored<store::v1::ManifestChunk>(kv));
    for (const store::v1::ManifestEntry& entry : chunk.entries()) {
      const DocumentKey key{.kind = entry.kind(), .name = entry.name()};
      const auto it = known.find(key);
      if (it != known.end() && it->second.bytes_hash == entry.hash()) {
        documents.insert(*it);
        continue;
      }
      ASSIGN_OR_RETURN(StoredDocument stored, ReadBlob(store, environment, key, entry.hash()));
      documents.emplace(key, std::move(stored));
    }
  }
  if (DigestOf(documents) != record.digest()) {
    return absl::DataLossError(absl::StrCat("store: release ", record.number(), " of environment '",
                                            environment, "' does not match its digest"));
  }
  return documents;
}

}  // namespace

Releases::Releases(RevStore& store, const Clock& clock, ValidateDocuments validate)
    : store_(store), clock_(clock), validate_(std::move(validate)) {}

absl::StatusOr<std::optional<ReleaseInfo>> Releases::ReadInfo(const std::string& environment,
                                                              uint64_t number) {
  ASSIGN_OR_RETURN(const auto kv, Get(store_, ReleaseKey(environment, number)));
  if (!kv.has_value()) return std::optional<ReleaseInfo>();
  ASSIGN_OR_RETURN(const store::v1::Release record, ParseStored<store::v1::Release>(*kv));
  return std::optional<ReleaseInfo>(ToInfo(record, kv->mod_revision));
}

absl::StatusOr<ReleaseInfo> Releases::Head(const std::string& environment) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  ASSIGN_OR_RETURN(const auto head, Get(store_, HeadKey(environment)));
  if (!head.has_value()) return ReleaseInfo();
  ASSIGN_OR_RETURN(const store::v1::Head parsed, ParseStored<store::v1::Head>(*head));
  ASSIGN_OR_RETURN(const auto info, ReadInfo(environment, parsed.release()));
  if (!info.has_value()) {
    return absl::DataLossError(absl::StrCat("store: the head of environment '", environment,
                                            "', release ", parsed.release(), ", is gone"));
  }
  return *info;
}

absl::StatusOr<std::vector<ReleaseInfo>> Releases::History(const std::string& environment,
                                                           size_t limit, uint64_t before) {
  ASSIGN_OR_RETURN(const ReleaseInfo head, Head(environment));
  const uint64_t end = before == 0 ? head.number + 1 : std::min(before, head.number + 1);
  std::vector<ReleaseInfo> infos;
  if (end <= 1 || limit == 0) return infos;
  const uint64_t first = end - 1 > limit ? end - limit : 1;
  ASSIGN_OR_RETURN(const RangeResult range,
                   store_.Range({.prefix = ReleasesPrefix(environment),
                                 .limit = end - first,
                                 .start_key = ReleaseKey(environment, first)}));
  for (const KeyValue& kv : range.kvs) {
    ASSIGN_OR_RETURN(const store::v1::Release record, ParseStored<store::v1::Release>(kv));
    if (record.number() < end) infos.push_back(ToInfo(record, kv.mod_revision));
  }
  std::reverse(infos.begin(), infos.end());
  return infos;
}

absl::StatusOr<Release> Releases::Load(const std::string& environment, uint64_t number,
                                       const DocumentSet& known) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  if (number == 0) {
    ASSIGN_OR_RETURN(const ReleaseInfo head, Head(environment));
    if (head.number == 0) return Release();
    number = head.number;
  }
  const std::string key = ReleaseKey(environment, number);
  const absl::Status missing = absl::NotFoundError(
      absl::StrCat("environment '", environment, "' has no release ", number,
                   ", or no longer keeps it (tollgatectl releases lists them)"));
  ASSIGN_OR_RETURN(const auto kv, Get(store_, key));
  if (!kv.has_value()) return missing;
  ASSIGN_OR_RETURN(const store::v1::Release record, ParseStored<store::v1::Release>(*kv));
  Release release;
  release.info = ToInfo(record, kv->mod_revision);
  absl::StatusOr<DocumentSet> documents = ReadDocuments(store_, environment, record, known);
  if (!documents.ok()) {
    // It may have been collected while it was read.
    ASSIGN_OR_RETURN(const auto still, Get(store_, key));
    return still.has_value() ? documents.status() : missing;
  }
  release.documents = *std::move(documents);
  return release;
}

absl::StatusOr<std::vector<std::string>> Releases::Environments() {
  ASSIGN_OR_RETURN(const std::vector<std::string> all, ListEnvironments(store_));
  std::vector<std::string> environments;
  for (const std::string& environment : all) {
    ASSIGN_OR_RETURN(const auto head, Get(store_, HeadKey(environment)));
    if (head.has_value()) environments.push_back(environment);
  }
  return environments;
}

}  // namespace tollgate::control
