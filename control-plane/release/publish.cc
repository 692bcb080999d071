// Releases: publishing. The order of writes is what makes it safe: content first, the head last.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "control-plane/release/releases.h"
#include "control-plane/release/store_keys.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {
namespace {

constexpr int kAttempts = 20;
constexpr size_t kChunkEntries = 4000;  // about 400 KB of manifest
// Well below the limits of a transaction, which count keys too.
constexpr size_t kBatchBytes = kMaxTxnBytes / 2;

// Collects puts and writes them in transactions below the limits.
class BatchWriter {
 public:
  explicit BatchWriter(RevStore& store) : store_(store) {}
  absl::Status Put(std::string key, std::string value) {
    const size_t bytes = key.size() + value.size();
    if (txn_.then.size() == kMaxTxnOperations || bytes_ + bytes > kBatchBytes) {
      RETURN_IF_ERROR(Flush());
    }
    bytes_ += bytes;
    txn_.then.push_back(Operation::Put(std::move(key), std::move(value)));
    return absl::OkStatus();
  }
  absl::Status Flush() {
    if (txn_.then.empty()) return absl::OkStatus();
    const absl::Status status = store_.Txn(txn_).status();
    txn_.then.clear();
    bytes_ = 0;
    return status;
  }

 private:
  RevStore& store_;
  TxnRequest txn_;
  size_t bytes_ = 0;
};

std::string Describe(const ReleaseInfo& info) {
  if (info.number == 0) return "nothing was published yet";
  return absl::StrCat(
      "the head is now ", info.number, " (by ", info.author.empty() ? "somebody" : info.author,
      " at ",
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(UnixMillis(info.created)),
                       absl::UTCTimeZone()),
      info.message.empty() ? std::string() : absl::StrCat(": \"", info.message, "\""), ")");
}

DocumentKey KeyOf(const model::v1::Document& document) {
  return DocumentKey{.kind = document.kind(), .name = document.name()};
}

}  // namespace

struct Releases::Base {
  Revision collector = 0;  // mod_revisions, for the last compare
  Revision head = 0;
  Release release;
};

absl::StatusOr<Releases::Base> Releases::ReadBase(const std::string& environment) {
  Base base;
  // In this order: a collection or publish that comes later fails the last compare.
  ASSIGN_OR_RETURN(const auto collector, Get(store_, CollectorKey(environment)));
  if (collector.has_value()) base.collector = collector->mod_revision;
  ASSIGN_OR_RETURN(const auto head, Get(store_, HeadKey(environment)));
  if (!head.has_value()) return base;
  base.head = head->mod_revision;
  ASSIGN_OR_RETURN(const store::v1::Head parsed, ParseStored<store::v1::Head>(*head));
  DocumentSet& known = heads_[environment];
  ASSIGN_OR_RETURN(base.release, Load(environment, parsed.release(), known));
  known = base.release.documents;
  return base;
}

namespace {

// What the set would be. Only what validation cannot say is an error here.
absl::Status Propose(const PublishRequest& request, const DocumentSet& head,
                     std::vector<SourceDocument>* sources, DocumentSet* documents) {
  if (request.prune_owner.has_value() && request.prune_owner->empty()) {
    return absl::InvalidArgumentError("prune: the owner is empty; name whose documents to delete");
  }
  std::set<DocumentKey> given;
  for (const SourceDocument& source : request.documents) given.insert(KeyOf(source.document));
  std::set<DocumentKey> deleted;
  for (const DocumentKey& key : request.deletes) {
    if (!head.contains(key)) {
      return absl::NotFoundError(absl::StrCat("delete: there is no ", ToString(key),
                                              " in environment '", request.environment, "'"));
    }
    if (given.contains(key)) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToString(key), " is both given and to be deleted"));
    }
    deleted.insert(key);
  }
  for (const auto& [key, stored] : head) {
    const bool pruned = request.prune_owner == stored.document->owner();
    if (request.replace || pruned || deleted.contains(key) || given.contains(key)) continue;
    documents->emplace(key, stored);
  }
  *sources = ToSourceDocuments(*documents);
  sources->insert(sources->end(), request.documents.begin(), request.documents.end());
  return absl::OkStatus();
}

absl::Status AddGiven(const PublishRequest& request, DocumentSet* documents) {
  for (const SourceDocument& source : request.documents) {
    model::v1::Document document = source.document;
    const DocumentKey key = KeyOf(document);
    if (key.kind.empty() || key.name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("document '", ToString(key), "' has no kind or no name"));
    }
    if (document.environment().empty()) document.set_environment(request.environment);
    if (document.environment() != request.environment) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToString(key), " names environment '", document.environment(),
                       "'; expected '", request.environment, "', into which it is published"));
    }
    if (!documents->emplace(key, Store(std::move(document))).second) {
      return absl::InvalidArgumentError(absl::StrCat(ToString(key), " is there twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PublishResult> Releases::Publish(const PublishRequest& request) {
  return PublishRetrying(request, /*rollback_of=*/0);
}

absl::StatusOr<PublishResult> Releases::Rollback(const std::string& environment, uint64_t to,
                                                 const std::string& author,
                                                 const std::string& message) {
  PublishRequest request{.environment = environment,
                         .base = std::nullopt,
                         .documents = {},
                         .replace = true,
                         .deletes = {},
                         .prune_owner = std::nullopt,
                         .author = author,
                         .message = message};
  ASSIGN_OR_RETURN(const ReleaseInfo head, Head(environment));
  if (to == 0) {
    if (head.number < 2) {
      return absl::FailedPreconditionError(
          absl::StrCat("environment '", environment, "' has no release before its head"));
    }
    to = head.number - 1;
    request.base = head.number;  // "before" means before this one
  }
  ASSIGN_OR_RETURN(const Release target, Load(environment, to));
  request.documents = ToSourceDocuments(target.documents);
  if (request.message.empty()) request.message = absl::StrCat("rollback to release ", to);
  return PublishRetrying(request, to);
}

absl::StatusOr<PublishResult> Releases::PublishRetrying(const PublishRequest& request,
                                                        uint64_t rollback_of) {
  RETURN_IF_ERROR(CheckName("environment", request.environment));
  const std::lock_guard<std::mutex> lock(publishing_);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(std::optional<PublishResult> result, PublishOnce(request, rollback_of));
    if (result.has_value()) return *std::move(result);
  }
  return absl::AbortedError(absl::StrCat("environment '", request.environment,
                                         "' is being changed by others all the time; try again"));
}

absl::StatusOr<std::optional<PublishResult>> Releases::PublishOnce(const PublishRequest& request,
                                                                   uint64_t rollback_of) {
  const std::string& environment = request.environment;
  ASSIGN_OR_RETURN(const Base base, ReadBase(environment));
  const ReleaseInfo& head = base.release.info;
  if (request.base.has_value() && *request.base != head.number) {
    return absl::AbortedError(absl::StrCat(
        "this change was based on release ", *request.base, " of environment '", environment,
        "', but ", Describe(head), ": look at what changed (tollgatectl diff) and apply again"));
  }
  PublishResult result;
  result.release = head;
  result.base = head.number;
  std::vector<SourceDocument> sources;
  DocumentSet documents;
  RETURN_IF_ERROR(Propose(request, base.release.documents, &sources, &documents));
  result.problems = validate_(environment, sources);
  if (!result.problems.empty()) return result;
  RETURN_IF_ERROR(AddGiven(request, &documents));
  result.changes = Diff(base.release.documents, documents);
  result.unchanged = result.changes.empty();
  if (result.unchanged || request.dry_run) return result;

  store::v1::Release record;
  record.set_number(head.number + 1);
  record.set_created_ms(UnixMillis(clock_.Wall()));
  record.set_author(request.author);
  record.set_message(request.message);
  record.set_digest(DigestOf(documents));
  record.set_documents(static_cast<uint32_t>(documents.size()));
  record.set_rollback_of(rollback_of);
  uint32_t chunks = 0;
  RETURN_IF_ERROR(
      WriteContent(environment, base.release.documents, documents, record.digest(), &chunks));
  record.set_chunks(chunks);
  store::v1::Head moved;
  moved.set_release(record.number());
  const std::string release_key = ReleaseKey(environment, record.number());
  const absl::StatusOr<TxnResult> done =
      store_.Txn({.compares = {{HeadKey(environment), base.head},
                               {CollectorKey(environment), base.collector},
                               {release_key, 0}},
                  .then = {Operation::Put(HeadKey(environment), moved.SerializeAsString()),
                           Operation::Put(release_key, record.SerializeAsString())}});
  if (!done.ok()) {
    return Annotate(done.status(), absl::StrCat("release ", record.number(), " of environment '",
                                                environment, "' may or may not be the head"));
  }
  if (!done->succeeded) return std::optional<PublishResult>();
  result.release = ReleaseInfo{.number = record.number(),
                               .revision = done->revision,
                               .created = WallTime(std::chrono::milliseconds(record.created_ms())),
                               .author = record.author(),
                               .message = record.message(),
                               .digest = record.digest(),
                               .documents = record.documents(),
                               .rollback_of = rollback_of};
  return result;
}

absl::Status Releases::WriteContent(const std::string& environment, const DocumentSet& known,
                                    const DocumentSet& documents, const std::string& digest,
                                    uint32_t* chunks) {
  std::set<absl::string_view> written;
  for (const auto& [key, stored] : known) written.insert(stored.bytes_hash);
  BatchWriter writer(store_);
  store::v1::ManifestChunk chunk;
  *chunks = 0;
  const auto end_chunk = [&] {
    std::string key = ManifestKey(environment, digest, (*chunks)++);
    const absl::Status status = writer.Put(std::move(key), chunk.SerializeAsString());
    chunk.Clear();
    return status;
  };
  for (const auto& [key, stored] : documents) {
    if (written.insert(stored.bytes_hash).second) {
      std::string bytes = SerializeDeterministically(*stored.document);
      if (bytes.size() > kBatchBytes) {
        return absl::InvalidArgumentError(
            absl::StrCat(ToString(key), " has ", bytes.size(), " bytes; at most ", kBatchBytes));
      }
      RETURN_IF_ERROR(writer.Put(BlobKey(environment, stored.bytes_hash), std::move(bytes)));
    }
    store::v1::ManifestEntry* entry = chunk.add_entries();
    entry->set_kind(key.kind);
    entry->set_name(key.name);
    entry->set_hash(stored.bytes_hash);
    if (chunk.entries_size() == static_cast<int>(kChunkEntries)) RETURN_IF_ERROR(end_chunk());
  }
  if (chunk.entries_size() > 0) RETURN_IF_ERROR(end_chunk());
  return writer.Flush();
}

}  // namespace tollgate::control
