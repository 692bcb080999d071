// Early return on an error, and errors made from errno.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#define TOLLGATE_CONCAT_INNER(a, b) a##b
#define TOLLGATE_CONCAT(a, b) TOLLGATE_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expr` is an error.
#define RETURN_IF_ERROR(expr)                                        \
  do {                                                               \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

// `lhs` = the value of `expr`, or returns its error.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL(TOLLGATE_CONCAT(status_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  lhs = *std::move(tmp)

namespace tollgate {

// "what: strerror(err)", with the status code nearest in meaning to `err` (an errno value).
absl::Status ErrnoStatus(int err, absl::string_view what);

// The same status with "context: " before its message. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace tollgate
