// What changes from one set of documents to another, as an operator wants to read it. Stateless,
// thread-safe.
#pragma once

#include <string>
#include <vector>

#include "control-plane/release/document_set.h"

namespace tollgate::control {

struct DocumentChange {
  enum class Action { kCreated, kUpdated, kDeleted };
  DocumentKey key;
  Action action = Action::kUpdated;
  std::vector<std::string> fields;  // kUpdated: "versions[v2].routes[pay].timeout: 5s -> 6s"
  friend bool operator==(const DocumentChange&, const DocumentChange&) = default;
};

// "created", "updated", "deleted".
absl::string_view ToString(DocumentChange::Action action);

// By kind and name.
std::vector<DocumentChange> Diff(const DocumentSet& from, const DocumentSet& to);

// One line a field that differs, in the order of the schema, with paths as in the YAML (the `spec`
// is not named):
//
//   versions[v2].routes[pay].timeout: 5s -> 6s
//   response_headers[x-a]: (none) -> "1"
//   endpoints[10.0.1.13:8080]: added           its other fields follow
//   versions[v1]: removed
//   versions: order: [v1, v2] -> [v2, v1]
//
// Elements of lists of messages are matched by `name`, or else `address`, when all have one and
// none is there twice, otherwise by position; lists of scalars are compared as a whole; maps by
// key. Long values are cut. Key sets may be secret and are never shown: "(set)", "(changed)".
std::vector<std::string> DiffFields(const model::v1::Document& from, const model::v1::Document& to);

}  // namespace tollgate::control
