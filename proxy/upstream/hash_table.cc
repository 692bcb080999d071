#include "proxy/upstream/hash_table.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/algorithm/container.h"
#include "common/policy/balancing.h"

namespace tollgate::proxy {

HashTables::Handle HashTables::Get(Balance kind, const BalancingPolicy& policy,
                                   std::vector<HashMember> members) {
  absl::c_sort(members);
  const uint32_t size = kind == Balance::kMaglev ? policy.table_size : policy.ring_points;
  const auto find = [&]() -> Handle {
    for (const Known& known : known_) {
      if (known.kind != kind || known.size != size) continue;
      if (Handle table = known.table.lock(); table != nullptr && table->members() == members) {
        return table;
      }
    }
    return nullptr;
  };
  {
    absl::MutexLock lock(&mutex_);
    if (Handle known = find()) return known;
  }
  // Not under the lock: a worker that asks for another table does not wait for this one.
  Handle made = kind == Balance::kMaglev ? MakeMaglevTable(members, size) : MakeRing(members, size);
  absl::MutexLock lock(&mutex_);
  if (Handle known = find()) return known;
  std::erase_if(known_, [](const Known& known) { return known.table.expired(); });
  known_.push_back({kind, size, made});
  return made;
}

std::vector<HashTables::Handle> HashTables::Prepare(
    const std::map<std::string, UpstreamPolicy>& upstreams) {
  std::vector<Handle> handles;
  for (const auto& [name, upstream] : upstreams) {
    if (!IsHashing(upstream.balance)) continue;
    std::map<uint32_t, std::vector<HashMember>> levels;  // by priority
    bool names = false;
    for (const EndpointPolicy& endpoint : upstream.endpoints) {
      names = names || endpoint.address.kind() == Address::Kind::kName;
      if (endpoint.weight == 0) continue;
      levels[endpoint.priority].push_back({endpoint.address.ToString(), endpoint.weight});
    }
    if (names) continue;
    for (auto& [priority, members] : levels) {
      handles.push_back(Get(upstream.balance, upstream.balancing, std::move(members)));
    }
  }
  return handles;
}

}  // namespace tollgate::proxy
