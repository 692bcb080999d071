// Releases: immutable, numbered sets of documents (1, 2, 3... in each environment), and the head,
// which is the one in force. Content-addressed blobs are written first, then a manifest in chunks,
// then one small compare-and-set moves the head: a publish that dies half-way changed nothing.
// Owned by main.
//
// Thread-safe; several control planes may publish into one store.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/base/clock.h"
#include "control-plane/model/document.h"
#include "control-plane/model/problem.h"
#include "control-plane/release/diff.h"
#include "control-plane/release/document_set.h"
#include "control-plane/store/rev_store.h"

namespace tollgate::control {

struct ReleaseInfo {
  uint64_t number = 0;    // 0: nothing was ever published
  Revision revision = 0;  // of the store at which it became the head
  WallTime created{};
  std::string author;
  std::string message;
  std::string digest;
  uint32_t documents = 0;
  uint64_t rollback_of = 0;  // 0: an ordinary release
  friend bool operator==(const ReleaseInfo&, const ReleaseInfo&) = default;
};

struct Release {
  ReleaseInfo info;
  DocumentSet documents;
};

// One change of an environment's documents.
struct PublishRequest {
  std::string environment;
  std::optional<uint64_t> base;  // the release that it was based on: must still be the head
  std::vector<SourceDocument> documents;   // created or updated, or the whole set
  bool replace = false;                    // whole set: what is not in `documents` is deleted
  std::vector<DocumentKey> deletes;        // NotFound when one does not exist
  std::optional<std::string> prune_owner;  // deletes this owner's documents that are not in the set
  std::string author;
  std::string message;
  bool dry_run = false;  // says what would change, writes nothing
};

struct PublishResult {
  ReleaseInfo release;     // the new head; the old one when unchanged, refused or a dry run
  uint64_t base = 0;       // what the changes are relative to
  bool unchanged = false;  // the set is what the head has already: no new release
  std::vector<DocumentChange> changes;
  std::vector<Problem> problems;  // not empty: nothing was written
};

// Checks the whole set that an environment would have: model's Compile(), wired by main.
using ValidateDocuments = std::function<std::vector<Problem>(
    absl::string_view environment, absl::Span<const SourceDocument> documents)>;

struct Retention {
  uint64_t releases = 1000;   // of each environment, the newest
  Revision revisions = 1000;  // of the store's log, for watchers that reconnect
};
struct Collected {
  size_t releases = 0;
  size_t manifests = 0;
  size_t blobs = 0;
};

class Releases {
 public:
  // Borrows all three.
  Releases(RevStore& store, const Clock& clock, ValidateDocuments validate);

  // Aborted: `base` is not the head (any more); the message names both and the remedy.
  // InvalidArgument: the request itself (environment, a document twice, prune without owner).
  absl::StatusOr<PublishResult> Publish(const PublishRequest& request);

  // Publishes the contents of an older release as a new one; validated again, because what is
  // understood may have changed. 0: the release before the head. Never touches credentials.
  absl::StatusOr<PublishResult> Rollback(const std::string& environment, uint64_t to,
                                         const std::string& author, const std::string& message);

  // number 0 when nothing was ever published.
  absl::StatusOr<ReleaseInfo> Head(const std::string& environment);
  // Newest first; `before` 0: from the head.
  absl::StatusOr<std::vector<ReleaseInfo>> History(const std::string& environment, size_t limit,
                                                   uint64_t before = 0);
  // 0: the head (empty when nothing was ever published). Documents that `known` has already are
  // shared, not read. NotFound: no such release, or no longer kept. DataLoss: its content does not
  // match its digest.
  absl::StatusOr<Release> Load(const std::string& environment, uint64_t number,
                               const DocumentSet& known = {});
  // Those that have a release, sorted.
  absl::StatusOr<std::vector<std::string>> Environments();

  // Deletes releases beyond the retention and what no release refers to (a publish that died leaves
  // such), then compacts the store. Safe beside publishes of this and other processes.
  absl::StatusOr<Collected> Collect(const Retention& retention);

 private:
  struct Base;  // what a publish stands on
  absl::StatusOr<PublishResult> PublishRetrying(const PublishRequest& request,
                                                uint64_t rollback_of);
  // Nothing when somebody else was faster.
  absl::StatusOr<std::optional<PublishResult>> PublishOnce(const PublishRequest& request,
                                                           uint64_t rollback_of);
  absl::StatusOr<Base> ReadBase(const std::string& environment);
  absl::Status WriteContent(const std::string& environment, const DocumentSet& known,
                            const DocumentSet& documents, const std::string& digest,
                            uint32_t* chunks);
  absl::StatusOr<std::optional<ReleaseInfo>> ReadInfo(const std::string& environment,
                                                      uint64_t number);
  // Nothing when a publish came between: look again.
  absl::StatusOr<std::optional<Collected>> CollectOnce(const std::string& environment,
                                                       uint64_t keep);

  RevStore& store_;
  const Clock& clock_;
  const ValidateDocuments validate_;
  std::mutex publishing_;  // writers of this process queue here; the compare-and-set guards others
  std::map<std::string, DocumentSet> heads_;  // of each environment, as last seen, to read less
};

}  // namespace tollgate::control
