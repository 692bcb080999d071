// StateView: what is in force in every environment, kept up to date from the store: the documents
// of the head and the credentials, at one revision. What push translates from. Owned by main.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/backoff.h"
#include "control-plane/release/credential_store.h"
#include "control-plane/release/denial_store.h"
#include "control-plane/release/document_set.h"
#include "control-plane/release/releases.h"
#include "control-plane/store/rev_store.h"

namespace tollgate::control {

// Immutable once shared.
struct EnvironmentState {
  uint64_t release = 0;                          // 0: none yet
  Revision revision = 0;                         // of the last change of anything below
  std::shared_ptr<const DocumentSet> documents;  // never null
  std::vector<KeyRecord> keys;                   // not revoked (readers check not_after), by id
  std::vector<KeyRecord> revoked;                // API keys, newest first
  std::vector<DenialRecord> denied;              // tokens (readers check until), by id
};
struct State {
  std::string incarnation;
  Revision revision = 0;  // of the last change in any environment; equal on every replica
  std::map<std::string, std::shared_ptr<const EnvironmentState>> environments;
};

// Thread-safe.
class StateView {
 public:
  // Called after each change, in order, with the state that it made; one call at a time, on the
  // view's own thread. Should return soon (who wants to coalesce a burst does it there) and must
  // not destroy the view.
  using Callback = std::function<void(const std::shared_ptr<const State>&)>;

  // Reads the whole state, then follows the store. Borrows both. An error of the store later on
  // ends nothing: Current() stays as it is, and `backoff` paces the attempts to read anew.
  static absl::StatusOr<std::unique_ptr<StateView>> Start(RevStore& store, Releases& releases,
                                                          Callback callback, Backoff backoff);
  // No callback runs after it returns.
  virtual ~StateView() = default;

  // Never null.
  virtual std::shared_ptr<const State> Current() const = 0;
  // Not OK while the store cannot be followed, and Current() does not move. DataLoss: it is damaged
  // or closed for good, and only a restart will follow it again.
  virtual absl::Status Health() const = 0;
};

}  // namespace tollgate::control
