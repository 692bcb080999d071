// A small database of revisioned keys, shaped like etcd's v3 API so that SQLite (one control plane,
// nothing to install) and etcd (several) stand behind one interface. Every write is a transaction
// that gives all keys it touches one new revision; revisions grow by one and never repeat.
// Owned by main, shared by everything that keeps state.
//
// Thread-safe. Calls block on the disk or network; none may be made on an event loop. No call
// holds a lock of the store while it runs a watch callback, so callbacks may call the store.
//
// Every call and watch may fail with DataLoss: the store is damaged, or has closed itself because
// it does not know what the disk holds. It stays so until the program is started anew. Other errors
// of the engine (Unavailable, ResourceExhausted, Internal) may pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace tollgate::control {

using Revision = int64_t;  // the first write makes 1; an empty store is at 0
using LeaseId = int64_t;   // 0: none

// etcd's limits, enforced by every engine so that what works on one works on all: operations in
// the larger of compares, then and else; bytes of all keys and values together.
inline constexpr size_t kMaxTxnOperations = 128;
inline constexpr size_t kMaxTxnBytes = 1536 * 1024;

struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  int64_t version = 0;  // number of puts since it was created
  LeaseId lease = 0;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

struct RangeRequest {
  std::string prefix{};     // "": all keys
  Revision revision = 0;    // 0: now
  size_t limit = 0;         // 0: no limit
  std::string start_key{};  // skip keys before it: for the next page, the last key plus '\0'
  bool keys_only = false;   // leave values empty
};

struct RangeResult {
  std::vector<KeyValue> kvs;  // by key, bytewise
  bool more = false;          // the limit cut it short
  Revision revision = 0;      // of the store when it answered
};

// Holds when the key's mod_revision is exactly this; 0: when the key is absent.
struct Compare {
  std::string key{};
  Revision mod_revision = 0;
};

struct Operation {
  enum class Kind { kPut, kDelete };
  Kind kind = Kind::kPut;
  std::string key{};
  std::string value{};
  LeaseId lease = 0;

  static Operation Put(std::string key, std::string value, LeaseId lease = 0) {
    return {Kind::kPut, std::move(key), std::move(value), lease};
  }
  static Operation Delete(std::string key) { return {Kind::kDelete, std::move(key), "", 0}; }
};

// Every compare holds: `then` is done, else `otherwise`; all of it or nothing.
struct TxnRequest {
  std::vector<Compare> compares{};
  std::vector<Operation> then{};
  std::vector<Operation> otherwise{};
};

struct TxnResult {
  bool succeeded = false;  // the compares held
  Revision revision = 0;   // of the store afterwards; unchanged when nothing was put or deleted
};

struct Event {
  enum class Kind { kPut, kDelete };
  Kind kind = Kind::kPut;
  KeyValue kv;  // kDelete: only key and mod_revision (the revision of the delete)
  friend bool operator==(const Event&, const Event&) = default;
};

// All that one revision changed under the watched prefix, in the order of the transaction.
struct WatchBatch {
  Revision revision = 0;
  std::vector<Event> events;
};

// An error is the last call: OutOfRange when the watch fell behind a compaction (read anew, then
// watch from the revision read plus one), otherwise the store's failure.
using WatchCallback = std::function<void(const absl::StatusOr<WatchBatch>&)>;

// A running watch. Its destructor ends it and waits until a running callback has returned, unless
// it is destroyed by that callback.
class Watcher {
 public:
  virtual ~Watcher() = default;
};

class RevStore {
 public:
  virtual ~RevStore() = default;

  // Names this history of revisions: made with the store, new when it was restored or copied.
  virtual std::string incarnation() const = 0;
  virtual absl::StatusOr<Revision> CurrentRevision() = 0;

  // OutOfRange when the revision was compacted or is in the future.
  virtual absl::StatusOr<RangeResult> Range(const RangeRequest& request) = 0;

  // InvalidArgument: over a limit, an empty key, or one key twice in a branch. NotFound: a lease
  // that does not exist. Any other error leaves the outcome unknown: the transaction is there as a
  // whole, or not at all.
  virtual absl::StatusOr<TxnResult> Txn(const TxnRequest& request) = 0;

  // Calls back for each revision >= `from` that changes the prefix, in order, none left out: first
  // from the log, then live. 0: from the next revision on. OutOfRange when `from` was compacted.
  // The callbacks of one watch run one at a time on a thread of its own: a slow one delays neither
  // writers nor other watches.
  virtual absl::StatusOr<std::unique_ptr<Watcher>> Watch(const std::string& prefix, Revision from,
                                                         WatchCallback callback) = 0;

  // Keys put with a lease are deleted, in one revision, when it is revoked or was not kept alive
  // for `ttl`. After a restart of the engine every lease gets its full time again.
  virtual absl::StatusOr<LeaseId> GrantLease(Duration ttl) = 0;
  virtual absl::Status KeepAlive(LeaseId lease) = 0;    // NotFound when it has ended
  virtual absl::Status RevokeLease(LeaseId lease) = 0;  // NotFound when it has ended

  // Forgets what was overwritten or deleted up to `revision`: older ones can neither be read nor
  // watched. OutOfRange when that is already compacted or in the future.
  virtual absl::Status Compact(Revision revision) = 0;
};

// The one key, or nothing.
absl::StatusOr<std::optional<KeyValue>> Get(RevStore& store, const std::string& key,
                                            Revision revision = 0);

// The rules that every engine applies before it does anything. InvalidArgument.
absl::Status CheckLimits(const TxnRequest& request);

}  // namespace tollgate::control
