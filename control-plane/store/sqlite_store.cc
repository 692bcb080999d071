#include "control-plane/store/sqlite_store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::control {
namespace {

constexpr int64_t kPut = 0;
constexpr int64_t kDelete = 1;

// A page of the log ends at the first revision after this much, so that memory stays bounded.
constexpr size_t kPageEvents = 256;
constexpr size_t kPageBytes = 1 << 20;

}  // namespace

SqliteStore::SqliteStore(const Clock& clock, std::unique_ptr<FileLock> lock,
                         std::unique_ptr<SqlDatabase> db)
    : clock_(clock), lock_(std::move(lock)), db_(std::move(db)) {}

SqliteStore::~SqliteStore() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  close_.notify_all();
  if (sweeper_.joinable()) sweeper_.join();
}

absl::StatusOr<Revision> SqliteStore::CurrentRevision() {
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  return revision_;
}

absl::Status SqliteStore::CheckReadable(Revision revision) const {
  if (revision < 0 || revision > revision_) {
    return absl::OutOfRangeError(
        absl::StrCat("revision ", revision, " is not there yet: the store is at ", revision_));
  }
  if (revision < compacted_) {
    return absl::OutOfRangeError(absl::StrCat(
        "revision ", revision, " was compacted: the oldest that can be read is ", compacted_));
  }
  return absl::OkStatus();
}

absl::StatusOr<RangeResult> SqliteStore::Range(const RangeRequest& request) {
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  const bool old = request.revision != 0 && request.revision != revision_;
  if (request.revision != 0) RETURN_IF_ERROR(CheckReadable(request.revision));
  RangeResult result;
  result.revision = revision_;
  const auto add = [&](const SqlRow& row) {
    std::string key = row.Bytes(0);
    if (!absl::StartsWith(key, request.prefix)) return false;  // sorted: past the last one
    if (request.limit != 0 && result.kvs.size() == request.limit) {
      result.more = true;
      return false;
    }
    result.kvs.push_back(KeyValue{.key = std::move(key),
                                  .value = row.Bytes(5),
                                  .create_revision = row.Int(1),
                                  .mod_revision = row.Int(2),
                                  .version = row.Int(3),
                                  .lease = row.Int(4)});
    return true;
  };
  const absl::string_view start = std::max(request.prefix, request.start_key);
  const int64_t keys_only = request.keys_only ? 1 : 0;
  RETURN_IF_ERROR(old ? sql_.range_at.Each({start, keys_only, request.revision}, add)
                      : sql_.range.Each({start, keys_only}, add));
  return result;
}

absl::StatusOr<TxnResult> SqliteStore::Txn(const TxnRequest& request) {
  RETURN_IF_ERROR(CheckLimits(request));
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  TxnResult result;
  const auto body = [&](Writing& writing) -> absl::Status {
    ASSIGN_OR_RETURN(result.succeeded, Holds(request.compares));
    for (const Operation& op : result.succeeded ? request.then : request.otherwise) {
      RETURN_IF_ERROR(Apply(op, writing));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Write(body));
  result.revision = revision_;
  return result;
}

absl::Status SqliteStore::Write(absl::FunctionRef<absl::Status(Writing&)> body) {
  Writing writing{.revision = revision_ + 1, .sub = 0};
  absl::Status status = sql_.begin.Run({});
  if (!status.ok()) return Fail(status);
  status = body(writing);
  if (status.ok() && writing.sub > 0) status = sql_.set_revision.Run({writing.revision});
  if (status.ok()) status = sql_.commit.Run({});
  if (!status.ok()) {
    // SQLite may have rolled back by itself.
    if (db_->in_transaction()) {
      const absl::Status undone = sql_.rollback.Run({});
      if (!undone.ok()) return Fail(undone);
    }
    return Fail(status);
  }
  if (writing.sub > 0) {
    revision_ = writing.revision;
    changed_.notify_all();
  }
  return absl::OkStatus();
}

// After a write or sync that failed nobody knows what the disk holds (the kernel may have dropped
// the pages): stop, rather than acknowledge anything on top of it. A restart reads what is there.
absl::Status SqliteStore::Fail(absl::Status status) {
  if (absl::IsUnavailable(status) || absl::IsDataLoss(status)) {
    failed_ = absl::DataLossError(
        absl::StrCat("the store has failed; restart the control plane: ", status.message()));
    changed_.notify_all();
  }
  return status;
}

absl::StatusOr<bool> SqliteStore::Holds(const std::vector<Compare>& compares) {
  for (const Compare& compare : compares) {
    Revision found = 0;
    RETURN_IF_ERROR(
        sql_.mod_revision.Each({absl::string_view(compare.key)}, [&](const SqlRow& row) {
          found = row.Int(0);
          return true;
        }));
    if (found != compare.mod_revision) return false;
  }
  return true;
}

absl::Status SqliteStore::Apply(const Operation& operation, Writing& writing) {
  return operation.kind == Operation::Kind::kPut ? Put(operation, writing)
                                                 : Delete(operation.key, writing);
}

absl::Status SqliteStore::Put(const Operation& op, Writing& writing) {
  if (op.lease != 0 && !Alive(op.lease)) {
    return absl::NotFoundError(absl::StrCat("lease ", op.lease, " has ended or never was"));
  }
  Revision created = 0;
  int64_t version = 0;
  RETURN_IF_ERROR(
      sql_.put.Each({op.key, writing.revision, op.lease, op.value}, [&](const SqlRow& row) {
        created = row.Int(0);
        version = row.Int(1);
        return true;
      }));
  return sql_.log.Run(
      {writing.revision, writing.sub++, op.key, kPut, created, version, op.lease, op.value});
}

absl::Status SqliteStore::Delete(absl::string_view key, Writing& writing) {
  RETURN_IF_ERROR(sql_.remove.Run({key}));
  if (db_->changes() == 0) return absl::OkStatus();
  return sql_.log.Run({writing.revision, writing.sub++, key, kDelete, int64_t{0}, int64_t{0},
                       int64_t{0}, absl::string_view()});
}

absl::Status SqliteStore::Compact(Revision revision) {
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  if (revision <= compacted_ || revision > revision_) {
    return absl::OutOfRangeError(absl::StrCat("cannot compact to revision ", revision,
                                              ": compacted is ", compacted_, ", the store is at ",
                                              revision_));
  }
  const auto body = [&](Writing&) -> absl::Status {
    RETURN_IF_ERROR(sql_.compact.Run({revision}));
    return sql_.set_compacted.Run({revision});
  };
  RETURN_IF_ERROR(Write(body));
  compacted_ = revision;
  return absl::OkStatus();
}

absl::StatusOr<SqliteStore::LogPage> SqliteStore::ReadLog(const std::string& prefix,
                                                          Revision from) {
  RETURN_IF_ERROR(failed_);
  if (from <= compacted_) {
    return absl::OutOfRangeError(absl::StrCat("cannot watch from revision ", from,
                                              ": the log begins after revision ", compacted_));
  }
  LogPage page;
  page.next = std::max(from, revision_ + 1);
  size_t events = 0;
  size_t bytes = 0;
  Revision last = 0;
  RETURN_IF_ERROR(sql_.replay.Each({from}, [&](const SqlRow& row) {
    const Revision revision = row.Int(0);
    if (revision != last && (events >= kPageEvents || bytes >= kPageBytes)) {
      page.next = revision;
      return false;
    }
    last = revision;
    std::string key = row.Bytes(2);
    ++events;
    if (!absl::StartsWith(key, prefix)) return true;
    if (page.batches.empty() || page.batches.back().revision != revision) {
      page.batches.push_back(WatchBatch{.revision = revision, .events = {}});
    }
    Event event;
    event.kind = row.Int(1) == kPut ? Event::Kind::kPut : Event::Kind::kDelete;
    event.kv = KeyValue{.key = std::move(key),
                        .value = row.Bytes(6),
                        .create_revision = row.Int(3),
                        .mod_revision = revision,
                        .version = row.Int(4),
                        .lease = row.Int(5)};
    bytes += event.kv.key.size() + event.kv.value.size();
    page.batches.back().events.push_back(std::move(event));
    return true;
  }));
  return page;
}

}  // namespace tollgate::control
