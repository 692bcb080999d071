#include "control-plane/store/rev_store.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status.h"

namespace tollgate::control {
namespace {

absl::Status CheckBranch(const std::vector<Operation>& branch) {
  absl::flat_hash_set<absl::string_view> seen;
  for (const Operation& operation : branch) {
    if (operation.key.empty()) {
      return absl::InvalidArgumentError("transaction: a key is empty; keys have at least 1 byte");
    }
    if (!seen.insert(operation.key).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("transaction: key '", absl::CHexEscape(operation.key),
                       "' is changed twice; each key may be put or deleted once"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<KeyValue>> Get(RevStore& store, const std::string& key,
                                            Revision revision) {
  // The key itself sorts before all longer ones that begin with it.
  ASSIGN_OR_RETURN(RangeResult result,
                   store.Range({.prefix = key, .revision = revision, .limit = 1}));
  if (result.kvs.empty() || result.kvs[0].key != key) return std::optional<KeyValue>();
  return std::optional<KeyValue>(std::move(result.kvs[0]));
}

absl::Status CheckLimits(const TxnRequest& request) {
  const size_t operations =
      std::max({request.compares.size(), request.then.size(), request.otherwise.size()});
  if (operations > kMaxTxnOperations) {
    return absl::InvalidArgumentError(
        absl::StrCat("transaction: ", operations, " operations; at most ", kMaxTxnOperations));
  }
  size_t bytes = 0;
  for (const Compare& compare : request.compares) bytes += compare.key.size();
  for (const auto* branch : {&request.then, &request.otherwise}) {
    for (const Operation& op : *branch) bytes += op.key.size() + op.value.size();
    RETURN_IF_ERROR(CheckBranch(*branch));
  }
  if (bytes > kMaxTxnBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("transaction: ", bytes, " bytes; at most ", kMaxTxnBytes));
  }
  return absl::OkStatus();
}

}  // namespace tollgate::control
