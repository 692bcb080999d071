// The least of SQLite that the store needs, with absl::Status for errors: one connection, prepared
// statements. The only pair of files that knows sqlite3.h. Values are blobs and integers.
//
// One thread at a time (the store's mutex).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tollgate::control {

using SqlValue = std::variant<int64_t, absl::string_view>;  // a string_view binds as a blob

// A row of a result; valid during the call that it is handed to.
class SqlRow {
 public:
  int64_t Int(int column) const;
  std::string Bytes(int column) const;

 private:
  friend class SqlStatement;
  explicit SqlRow(sqlite3_stmt* stmt) : stmt_(stmt) {}
  sqlite3_stmt* stmt_;
};

class SqlDatabase;

// Must not outlive its database.
class SqlStatement {
 public:
  SqlStatement() = default;

  // Runs it with `values` for ?1, ?2, ...; calls `row` for each row until that returns false.
  absl::Status Each(std::initializer_list<SqlValue> values,
                    absl::FunctionRef<bool(const SqlRow&)> row);
  absl::Status Run(std::initializer_list<SqlValue> values) {
    return Each(values, [](const SqlRow&) { return true; });
  }

 private:
  friend class SqlDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* stmt) const;
  };
  absl::Status Bind(std::initializer_list<SqlValue> values);

  SqlDatabase* db_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> stmt_;
};

class SqlDatabase {
 public:
  // `vfs` "": the system's files. Codes of all errors: DataLoss (the file is damaged or no
  // database), ResourceExhausted (disk full), FailedPrecondition (another process has it),
  // Unavailable (read, write or sync failed), Internal.
  static absl::StatusOr<std::unique_ptr<SqlDatabase>> Open(const std::string& path,
                                                           const std::string& vfs);
  SqlDatabase(const SqlDatabase&) = delete;
  SqlDatabase& operator=(const SqlDatabase&) = delete;

  // One or more statements without values or rows.
  absl::Status Execute(const char* sql);
  // The first column of the first row of a query or PRAGMA, as text.
  absl::StatusOr<std::string> Text(const char* sql);
  absl::StatusOr<SqlStatement> Prepare(const char* sql);

  int64_t changes() const;  // rows of the last INSERT, UPDATE or DELETE
  int64_t last_insert_id() const;
  bool in_transaction() const;

 private:
  friend class SqlStatement;
  struct Close {
    void operator()(sqlite3* db) const;
  };
  SqlDatabase(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  absl::Status Error(int code, absl::string_view what) const;

  const std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace tollgate::control
