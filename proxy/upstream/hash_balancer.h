// Consistent hashing: requests of one hash keep to one endpoint, the same for every worker and
// every sidecar, while it may be picked; else to the next one that may, also the same. A retry goes
// on likewise. One thread.
#pragma once

#include <vector>

#include "proxy/upstream/balancer.h"
#include "proxy/upstream/hash_table.h"

namespace tollgate::proxy {

class HashBalancer final : public Balancer {
 public:
  // `kind` is ring hash or Maglev. `tables` may be null.
  HashBalancer(Balance kind, const BalancingPolicy& policy, HashTables* tables)
      : kind_(kind), policy_(policy), tables_(tables) {}
  const EndpointSlot* Pick(const PickContext& context) override;

 private:
  void OnEndpoints() override;
  const EndpointSlot* Rank(uint64_t hash, const PickContext& context) const;

  const Balance kind_;
  const BalancingPolicy policy_;
  HashTables* const tables_;
  std::shared_ptr<const HashTable> table_;  // null: no endpoints
  std::vector<uint32_t> slot_of_;           // by member of the table
};

}  // namespace tollgate::proxy
