#include "control-plane/store/sqlite_db.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::control {
namespace {

absl::StatusCode CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

int64_t SqlRow::Int(int column) const { return sqlite3_column_int64(stmt_, column); }

std::string SqlRow::Bytes(int column) const {
  // In this order: asking for the blob may convert, which sets the size.
  const void* data = sqlite3_column_blob(stmt_, column);
  const int size = sqlite3_column_bytes(stmt_, column);
  return data == nullptr ? "" : std::string(static_cast<const char*>(data), size);
}

void SqlStatement::Finalize::operator()(sqlite3_stmt* stmt) const { sqlite3_finalize(stmt); }

absl::Status SqlStatement::Bind(std::initializer_list<SqlValue> values) {
  int index = 0;
  for (const SqlValue& value : values) {
    ++index;
    int code;
    if (const auto* number = std::get_if<int64_t>(&value)) {
      code = sqlite3_bind_int64(stmt_.get(), index, *number);
    } else {
      // The caller's bytes outlive the run. A null pointer would bind NULL.
      const absl::string_view bytes = std::get<absl::string_view>(value);
      code = sqlite3_bind_blob64(stmt_.get(), index, bytes.data() == nullptr ? "" : bytes.data(),
                                 bytes.size(), SQLITE_STATIC);
    }
    if (code != SQLITE_OK) return db_->Error(code, "bind");
  }
  return absl::OkStatus();
}

absl::Status SqlStatement::Each(std::initializer_list<SqlValue> values,
                                absl::FunctionRef<bool(const SqlRow&)> row) {
  absl::Status status = Bind(values);
  while (status.ok()) {
    const int code = sqlite3_step(stmt_.get());
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) {
      status = db_->Error(code, sqlite3_sql(stmt_.get()));
      break;
    }
    if (!row(SqlRow(stmt_.get()))) break;
  }
  sqlite3_reset(stmt_.get());
  sqlite3_clear_bindings(stmt_.get());
  return status;
}

void SqlDatabase::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

absl::StatusOr<std::unique_ptr<SqlDatabase>> SqlDatabase::Open(const std::string& path,
                                                               const std::string& vfs) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      vfs.empty() ? nullptr : vfs.c_str());
  // A handle comes back with an error too, and must be closed.
  std::unique_ptr<SqlDatabase> database(new SqlDatabase(path, db));
  if (code != SQLITE_OK) return database->Error(code, "open");
  return database;
}

absl::Status SqlDatabase::Execute(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code, sql);
}

absl::StatusOr<std::string> SqlDatabase::Text(const char* sql) {
  ASSIGN_OR_RETURN(SqlStatement statement, Prepare(sql));
  std::string text;
  RETURN_IF_ERROR(statement.Each({}, [&](const SqlRow& row) {
    text = row.Bytes(0);
    return false;
  }));
  return text;
}

absl::StatusOr<SqlStatement> SqlDatabase::Prepare(const char* sql) {
  sqlite3_stmt* stmt = nullptr;
  const int code =
      sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, nullptr);
  if (code != SQLITE_OK) return Error(code, sql);
  SqlStatement statement;
  statement.db_ = this;
  statement.stmt_.reset(stmt);
  return statement;
}

int64_t SqlDatabase::changes() const { return sqlite3_changes64(db_.get()); }
int64_t SqlDatabase::last_insert_id() const { return sqlite3_last_insert_rowid(db_.get()); }
bool SqlDatabase::in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }

absl::Status SqlDatabase::Error(int code, absl::string_view what) const {
  const char* detail = db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_.get());
  return absl::Status(CodeOf(code), absl::StrCat("store '", path_, "': ", detail, " (SQLite code ",
                                                 code, ", in: ", what, ")"));
}

}  // namespace tollgate::control
