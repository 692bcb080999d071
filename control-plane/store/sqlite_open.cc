// SqliteStore: opening, checking and creating its file.
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "control-plane/store/sqlite_store.h"

namespace tollgate::control {
namespace {

// In the file's header, so that file(1) and we can tell it from any other SQLite file.
constexpr absl::string_view kApplicationId = "1953261428";  // "tlgt"
constexpr absl::string_view kFormat = "1";                  // PRAGMA user_version

// EXCLUSIVE before WAL: no shared memory file, and no second process, whatever its lock file.
constexpr char kConfigure[] =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA trusted_schema=OFF;"
    "PRAGMA cell_size_check=ON;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA journal_size_limit=16777216;";

constexpr char kCreate[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id = 1), rev INTEGER NOT NULL,"
    " compact_rev INTEGER NOT NULL, incarnation TEXT NOT NULL);"
    "CREATE TABLE kv(key BLOB NOT NULL PRIMARY KEY, create_rev INTEGER NOT NULL,"
    " mod_rev INTEGER NOT NULL, version INTEGER NOT NULL, lease INTEGER NOT NULL,"
    " value BLOB NOT NULL);"
    "CREATE INDEX kv_lease ON kv(lease) WHERE lease != 0;"
    "CREATE TABLE log(rev INTEGER NOT NULL, sub INTEGER NOT NULL, key BLOB NOT NULL,"
    " type INTEGER NOT NULL, create_rev INTEGER NOT NULL, version INTEGER NOT NULL,"
    " lease INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY(rev, sub));"
    "CREATE UNIQUE INDEX log_key ON log(key, rev);"
    "CREATE TABLE lease(id INTEGER PRIMARY KEY AUTOINCREMENT, ttl INTEGER NOT NULL);"
    "INSERT INTO meta VALUES(1, 0, 0, lower(hex(randomblob(16))));"
    "PRAGMA application_id=1953261428;"
    "PRAGMA user_version=1;"
    "COMMIT;";

// Only for us: it holds documents with key sets, and hashes of API keys.
absl::Status CreateOrCheckFile(FileSystem& files, const std::string& path) {
  const absl::StatusOr<FileInfo> info = files.Stat(path);
  if (absl::IsNotFound(info.status())) return files.Write(path, "");
  RETURN_IF_ERROR(info.status());
  if ((info->mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("store '", path, "' may be read by others (mode ",
                     absl::StrCat(absl::Hex(info->mode >> 6 & 7), absl::Hex(info->mode >> 3 & 7),
                                  absl::Hex(info->mode & 7)),
                     "); expected 600: chmod 600 '", path, "'"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const SqliteOptions& options,
                                                               FileSystem& files,
                                                               const Clock& clock) {
  const std::string& path = options.path;
  const std::string context = absl::StrCat("store '", path, "'");
  if (path.empty()) return absl::InvalidArgumentError("store: its path is empty");
  absl::Status status = files.MakeDirectory(ParentDirectory(path));
  if (!status.ok()) return Annotate(status, context);
  absl::StatusOr<std::unique_ptr<FileLock>> lock = files.Lock(absl::StrCat(path, ".lock"));
  if (!lock.ok()) return Annotate(lock.status(), context);
  status = CreateOrCheckFile(files, path);
  if (!status.ok()) return Annotate(status, context);
  ASSIGN_OR_RETURN(std::unique_ptr<SqlDatabase> db, SqlDatabase::Open(path, options.vfs));

  std::unique_ptr<SqliteStore> store(new SqliteStore(clock, *std::move(lock), std::move(db)));
  RETURN_IF_ERROR(store->Configure());
  RETURN_IF_ERROR(store->CreateOrCheckSchema());
  RETURN_IF_ERROR(store->PrepareStatements());
  RETURN_IF_ERROR(store->Load(options.new_incarnation));
  if (options.sweep_interval > Duration::zero()) {
    store->sweeper_ = std::thread(&SqliteStore::SweepLeases, store.get(), options.sweep_interval);
  }
  return store;
}

absl::Status SqliteStore::Configure() {
  RETURN_IF_ERROR(db_->Execute(kConfigure));
  ASSIGN_OR_RETURN(const std::string mode, db_->Text("PRAGMA journal_mode"));
  if (mode != "wal") {
    return absl::InternalError(
        absl::StrCat("store: SQLite journals in mode '", mode, "'; expected 'wal'"));
  }
  ASSIGN_OR_RETURN(const std::string check, db_->Text("PRAGMA quick_check(1)"));
  if (check != "ok") {
    return absl::DataLossError(absl::StrCat("store: the file is damaged (", check,
                                            "): restore a backup, with a new incarnation"));
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::CreateOrCheckSchema() {
  ASSIGN_OR_RETURN(const std::string tables, db_->Text("SELECT count(*) FROM sqlite_schema"));
  if (tables == "0") return db_->Execute(kCreate);
  ASSIGN_OR_RETURN(const std::string application, db_->Text("PRAGMA application_id"));
  if (application != kApplicationId) {
    return absl::FailedPreconditionError(
        "store: the file is a database of another program; give another path");
  }
  ASSIGN_OR_RETURN(const std::string format, db_->Text("PRAGMA user_version"));
  if (format != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat("store: the file has format ", format,
                                                      "; this program understands ", kFormat,
                                                      ": run the version that wrote it"));
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::PrepareStatements() {
  const struct {
    SqlStatement* statement;
    const char* sql;
  } all[] = {
      {&sql_.begin, "BEGIN IMMEDIATE"},
      {&sql_.commit, "COMMIT"},
      {&sql_.rollback, "ROLLBACK"},
      {&sql_.mod_revision, "SELECT mod_rev FROM kv WHERE key = ?1"},
      {&sql_.put,
       "INSERT INTO kv(key, create_rev, mod_rev, version, lease, value)"
       " VALUES(?1, ?2, ?2, 1, ?3, ?4) ON CONFLICT(key) DO UPDATE SET mod_rev = excluded.mod_rev,"
       " version = version + 1, lease = excluded.lease, value = excluded.value"
       " RETURNING create_rev, version"},
      {&sql_.remove, "DELETE FROM kv WHERE key = ?1"},
      {&sql_.log,
       "INSERT INTO log(rev, sub, key, type, create_rev, version, lease, value)"
       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
      {&sql_.set_revision, "UPDATE meta SET rev = ?1"},
      {&sql_.range,
       "SELECT key, create_rev, mod_rev, version, lease, CASE WHEN ?2 THEN x'' ELSE value END"
       " FROM kv WHERE key >= ?1 ORDER BY key"},
      // With max(), SQLite takes the other columns from the row that has the maximum.
      {&sql_.range_at,
       "SELECT key, create_rev, rev, version, lease, value FROM"
       " (SELECT key, create_rev, max(rev) AS rev, version, lease, type,"
       "  CASE WHEN ?2 THEN x'' ELSE value END AS value"
       "  FROM log WHERE key >= ?1 AND rev <= ?3 GROUP BY key ORDER BY key) WHERE type = 0"},
      {&sql_.replay,
       "SELECT rev, type, key, create_rev, version, lease, value FROM log"
       " WHERE rev >= ?1 ORDER BY rev, sub"},
      {&sql_.add_lease, "INSERT INTO lease(ttl) VALUES(?1)"},
      {&sql_.remove_lease, "DELETE FROM lease WHERE id = ?1"},
      {&sql_.keys_of_lease, "SELECT key FROM kv WHERE lease = ?1 AND lease != 0 ORDER BY key"},
      {&sql_.set_compacted, "UPDATE meta SET compact_rev = ?1"},
      // Of each key the last change up to ?1 stays, unless it was a delete.
      {&sql_.compact,
       "DELETE FROM log WHERE rev <= ?1 AND (type = 1 OR EXISTS"
       " (SELECT 1 FROM log AS newer WHERE newer.key = log.key AND newer.rev > log.rev"
       "  AND newer.rev <= ?1))"},
  };
  for (const auto& [statement, sql] : all) {
    ASSIGN_OR_RETURN(*statement, db_->Prepare(sql));
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::Load(bool new_incarnation) {
  if (new_incarnation) {
    RETURN_IF_ERROR(db_->Execute("UPDATE meta SET incarnation = lower(hex(randomblob(16)))"));
  }
  ASSIGN_OR_RETURN(SqlStatement meta,
                   db_->Prepare("SELECT rev, compact_rev, incarnation FROM meta"));
  RETURN_IF_ERROR(meta.Each({}, [&](const SqlRow& row) {
    revision_ = row.Int(0);
    compacted_ = row.Int(1);
    incarnation_ = row.Bytes(2);
    return true;
  }));
  if (incarnation_.empty()) return absl::DataLossError("store: table 'meta' has no row");
  ASSIGN_OR_RETURN(SqlStatement leases, db_->Prepare("SELECT id, ttl FROM lease"));
  return leases.Each({}, [&](const SqlRow& row) {
    const Duration ttl(row.Int(1));
    leases_[row.Int(0)] = LeaseState{.ttl = ttl, .deadline = clock_.Mono() + ttl};
    return true;
  });
}

}  // namespace tollgate::control
