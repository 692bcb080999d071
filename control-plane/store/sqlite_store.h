// SqliteStore: the RevStore for one control plane, in one file that only this process opens. WAL
// with synchronous=FULL: what was acknowledged survives a power loss.
//
//   meta(rev, compact_rev, incarnation)       one row
//   kv(key, create_rev, mod_rev, version, lease, value)
//   log(rev, sub, key, type, create_rev, version, lease, value)   what watches and old reads replay
//   lease(id, ttl)
//
// One connection and one mutex: reads are short, and SQLite has one writer anyway. A watch has a
// thread, which reads the log page by page and calls back without the mutex: whoever is slow has
// only himself to wait for, and nothing is queued in memory. One thread more expires leases.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "control-plane/store/rev_store.h"
#include "control-plane/store/sqlite_db.h"

namespace tollgate::control {

struct SqliteOptions {
  std::string path{};            // made with mode 0600, its directory with 0700
  std::string vfs{};             // SQLite VFS; "": the system's files
  bool new_incarnation = false;  // for a store that was restored from a backup, or copied
  Duration sweep_interval = std::chrono::milliseconds(500);  // of leases; 0: only ExpireLeases()
};

class SqliteStore final : public RevStore {
 public:
  // Locks the file (FailedPrecondition names the other process), checks it (DataLoss when damaged)
  // and creates what is missing. Borrows `files` and `clock`.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const SqliteOptions& options,
                                                           FileSystem& files, const Clock& clock);
  // Every Watcher must be gone.
  ~SqliteStore() override;

  std::string incarnation() const override { return incarnation_; }
  absl::StatusOr<Revision> CurrentRevision() override;
  absl::StatusOr<RangeResult> Range(const RangeRequest& request) override;
  absl::StatusOr<TxnResult> Txn(const TxnRequest& request) override;
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const std::string& prefix, Revision from,
                                                 WatchCallback callback) override;
  absl::StatusOr<LeaseId> GrantLease(Duration ttl) override;
  absl::Status KeepAlive(LeaseId lease) override;
  absl::Status RevokeLease(LeaseId lease) override;
  absl::Status Compact(Revision revision) override;

  // Ends the leases whose time is over.
  absl::Status ExpireLeases();

 private:
  class LogWatcher;
  struct Statements {
    SqlStatement begin, commit, rollback;
    SqlStatement mod_revision, put, remove, log, set_revision;
    SqlStatement range, range_at, replay;
    SqlStatement add_lease, remove_lease, keys_of_lease;
    SqlStatement set_compacted, compact;
  };
  struct LeaseState {
    Duration ttl{};
    MonoTime deadline{};
  };
  struct LogPage {
    std::vector<WatchBatch> batches;
    Revision next = 0;  // where the following page begins
  };
  // One write transaction while it is being made.
  struct Writing {
    Revision revision = 0;
    int64_t sub = 0;  // operations so far
  };

  SqliteStore(const Clock& clock, std::unique_ptr<FileLock> lock, std::unique_ptr<SqlDatabase> db);
  absl::Status Configure();
  absl::Status CreateOrCheckSchema();
  absl::Status Load(bool new_incarnation);
  absl::Status PrepareStatements();

  // The rest need mutex_.
  absl::Status Write(absl::FunctionRef<absl::Status(Writing&)> body);
  absl::Status Fail(absl::Status status);
  absl::StatusOr<bool> Holds(const std::vector<Compare>& compares);
  absl::Status Apply(const Operation& operation, Writing& writing);
  absl::Status Put(const Operation& operation, Writing& writing);
  absl::Status Delete(absl::string_view key, Writing& writing);
  absl::Status EndLease(LeaseId lease, Writing& writing);
  bool Alive(LeaseId lease) const;
  absl::Status CheckReadable(Revision revision) const;
  absl::StatusOr<LogPage> ReadLog(const std::string& prefix, Revision from);
  void SweepLeases(Duration interval);

  const Clock& clock_;
  const std::unique_ptr<FileLock> lock_;
  std::string incarnation_;  // const after Open

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a revision was committed, a watch ended, the store failed
  const std::unique_ptr<SqlDatabase> db_;
  Statements sql_;
  Revision revision_ = 0;
  Revision compacted_ = 0;
  std::map<LeaseId, LeaseState> leases_;
  absl::Status failed_;  // set by a failed write to the disk, for good: what it holds is unknown
  bool closing_ = false;
  std::condition_variable close_;
  std::thread sweeper_;
};

}  // namespace tollgate::control
