// What consistent hashing looks a request's hash up in: a ring (Karger et al. 1997) or a Maglev
// table (Eisenbud et al. 2016). Made of the endpoints' addresses and weights alone, in any order,
// so every worker and every sidecar has the same. Health is no part of it: a look-up goes on to
// further endpoints, until one may be picked. So the keys of healthy endpoints never move when
// another fails, and a verdict costs no rebuilding. (The Maglev paper rebuilds; it has no further
// look-ups.) Immutable; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

struct HashMember {
  std::string name;
  uint32_t weight = 1;
  friend bool operator==(const HashMember&, const HashMember&) = default;
  friend auto operator<=>(const HashMember&, const HashMember&) = default;
};

class HashTable {
 public:
  // A look-up's place.
  struct Probe {
    uint64_t at;
  };

  virtual ~HashTable() = default;

  // The member (an index into members()) that `hash` leads to, and where it may go on from.
  virtual uint32_t First(uint64_t hash, Probe* probe) const = 0;
  // The one after it; the same may come again.
  virtual uint32_t Next(Probe* probe) const = 0;

  absl::Span<const HashMember> members() const { return members_; }

 protected:
  explicit HashTable(std::vector<HashMember> members) : members_(std::move(members)) {}

 private:
  const std::vector<HashMember> members_;  // sorted
};

// `members`: not empty, sorted, of different names, weights above zero.
//
// On a ring the heaviest member has `points` points (all fewer, if there were more than a million
// otherwise), others in proportion to their weight, and at least one. A share of n points is off by
// 1 / sqrt(n) of it (one standard deviation). Removing a member moves its keys and no others,
// unless it alone was the heaviest.
std::unique_ptr<const HashTable> MakeRing(std::vector<HashMember> members, uint32_t points);
// A table has `size` entries, a prime; shares of members of equal weight differ by 2 entries at
// most. Removing a member moves its keys and a few others.
std::unique_ptr<const HashTable> MakeMaglevTable(std::vector<HashMember> members, uint32_t size);

// The process's tables: equal ones are built once, by whoever asks first, and shared. Thread-safe.
class HashTables {
 public:
  using Handle = std::shared_ptr<const HashTable>;

  // `kind` is ring hash or Maglev. Members as above, but in any order. Building takes long for a
  // thousand endpoints (bench/micro/balancer_bench.cc): Prepare spares workers that.
  Handle Get(Balance kind, const BalancingPolicy& policy, std::vector<HashMember> members);
  // What clusters of these upstreams are going to ask for, as far as their endpoints are addresses
  // and no names. For as long as the handles are kept.
  std::vector<Handle> Prepare(const std::map<std::string, UpstreamPolicy>& upstreams);

 private:
  struct Known {
    Balance kind;
    uint32_t size;
    std::weak_ptr<const HashTable> table;
  };
  absl::Mutex mutex_;
  std::vector<Known> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tollgate::proxy
