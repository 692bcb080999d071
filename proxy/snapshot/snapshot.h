// A Policy compiled for serving: trees built, keys prepared, names resolved to pointers. Compiled off
// the workers, immutable, adopted by all of them with one pointer each; a stream keeps the snapshot
// that it started on. What a push did not change (route trees, key sets, limit plans) is shared with
// the snapshot before.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/policy/policy.h"
#include "proxy/filter/chain.h"
#include "proxy/filter/steps.h"
#include "proxy/filter/tables.h"

namespace tollgate::proxy {

class Snapshot {
 public:
  // The steps of a listener's chain, in order.
  using StepMaker = absl::FunctionRef<std::vector<std::unique_ptr<const Filter>>(
      const ListenerPolicy& listener)>;

  // `previous` may be null. Errors: what FromBundle should have refused.
  static absl::StatusOr<std::shared_ptr<const Snapshot>> Compile(
      std::shared_ptr<const Policy> policy, const Snapshot* previous,
      StepMaker make_steps = MakeSteps);
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const Policy& policy() const { return *tables_.policy; }
  const SnapshotTables& tables() const { return tables_; }
  // Null: this snapshot has no such listener (it was removed by a push).
  const CompiledListener* FindListener(const std::string& name) const;

 private:
  Snapshot() = default;
  absl::Status CompileTables(const Snapshot* previous);
  absl::Status CompileListener(const ListenerPolicy& policy, const Snapshot* previous,
                               StepMaker make_steps);
  absl::StatusOr<CompiledVersion> CompileVersion(const RouteTablePolicy& table,
                                                 const ApiEntry& entry, const Snapshot* previous);
  const CompiledPlan* Plan(const std::string& name) const;

  SnapshotTables tables_;
  std::map<std::string, std::shared_ptr<const RouteTree>> trees_;  // by route table
  std::map<std::string, std::unique_ptr<const Chain>> chains_;     // by listener
  std::map<std::string, CompiledListener> listeners_;
};

}  // namespace tollgate::proxy
