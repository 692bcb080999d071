// All limit counters of the process. Thread-safe (sharded locks); every worker asks the same table,
// so numbers in policy mean the process. Owned by main, outlives every snapshot.
//
// State outlives policy. A counter is found by (plan's name, key text). When the plan counts
// otherwise than before, what has been consumed is converted, and the counter as it was stays
// behind it and is charged too until it is full again: so a rollback finds it as it would be had
// the push never happened (bucket.h).
//
// Bounded, and an active key is never forgotten. Counters that are full again carry no information;
// a few are looked at with each new key and dropped. When the table is full of active keys, a new
// key shares its plan's one overflow bucket; one that gets a counter of its own while that bucket
// is in use starts with all that it has consumed, for some of it may be the key's own. When a
// sliding window may not grow for want of memory the request is refused. Keys that strangers can
// make (LimitPlan::by_strangers) have at most half of the table: whoever has many addresses and no
// credential drives others of that kind into overflow buckets, not the callers that are known.
//
// Time never goes back in here: a caller whose clock lags another's, or was set back, is answered
// as of the newest time that anybody has told. So a counter that was dropped would have been full
// at every later check: whether it was dropped changes no decision.
//
// Keys come from clients: the hash is keyed (SipHash) and the whole key is compared.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "proxy/limit/bucket.h"
#include "proxy/limit/concurrency.h"
#include "proxy/limit/limit_plan.h"
#include "proxy/limit/siphash.h"

namespace tollgate::proxy {

struct LimitTableOptions {
  size_t max_entries = 1'000'000;
  size_t max_bytes = size_t{512} << 20;  // counters, keys and index
  SipKey hash_key = RandomSipKey();
};

struct LimitTableStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t dropped = 0;     // counters that were full again
  uint64_t overflowed = 0;  // checks answered by an overflow bucket
  uint64_t starved = 0;     // checks refused because a sliding window had no memory to grow
  uint64_t refused = 0;     // checks refused, those under a plan in shadow mode apart
  uint64_t shadow_refused = 0;
  size_t max_entries = 0;
};

// Where a scan of the table is. A value; as new: at the beginning.
struct LimitScanCursor {
  size_t shard = 0;
  size_t chain = 0;
};

class LimitTable {
 public:
  explicit LimitTable(LimitTableOptions options = {});
  LimitTable(const LimitTable&) = delete;
  LimitTable& operator=(const LimitTable&) = delete;
  ~LimitTable();

  // Tests every window of `plan` for `key`, and takes `cost` units (0 counts as 1) from all or
  // none.
  LimitDecision Check(const std::shared_ptr<const LimitPlan>& plan, absl::string_view key,
                      MonoTime now, uint32_t cost = 1);
  // What Check would say, without taking or counting anything, not even a refusal. Memory apart:
  // for want of it, Check may refuse what Peek allows.
  LimitDecision Peek(const std::shared_ptr<const LimitPlan>& plan, absl::string_view key,
                     MonoTime now, uint32_t cost = 1) const;

  // Looks at about `counters` of them and drops those that are full again; returns how many. For a
  // timer, so that memory returns when no new keys come. Holds a shard's lock for one shard's part.
  size_t Sweep(MonoTime now, size_t counters);

  LimitTableStats Stats() const;

  // Shows about `counters` counters, from the cursor on; true: that was the last of them, and the
  // cursor is at the beginning again. A table that grows meanwhile may show one twice or not at
  // all. `see` is called with a shard's lock held, and is brief.
  using See = absl::FunctionRef<void(const LimitPlan& plan, absl::string_view key,
                                     const BucketUse& use, uint32_t refused)>;
  bool Scan(MonoTime now, size_t counters, LimitScanCursor* cursor, See see);

  // What is in progress, for plans that limit that.
  ConcurrencyTable& concurrency() { return concurrency_; }
  const SipKey& hash_key() const { return hash_key_; }

 private:
  struct Entry;
  class Shard;
  static constexpr size_t kShards = 256;

  uint64_t Hash(const LimitPlan& plan, absl::string_view key) const;
  // `now`, or the newest time that anybody has told. Asked under the lock of the shard that is
  // looked at, so that it is not before the last sweep of that shard.
  int64_t Level(MonoTime now);
  // Null when the table is full, or has no more room for strangers. The shard is locked, and so
  // for CheckOverflow.
  Entry* Insert(Shard& shard, uint64_t hash, const std::shared_ptr<const LimitPlan>& plan,
                absl::string_view key, int64_t now);
  void Inherit(const std::shared_ptr<const LimitPlan>& plan, int64_t now, Entry& entry);
  LimitDecision CheckOverflow(const std::shared_ptr<const LimitPlan>& plan, int64_t now,
                              uint32_t cost);
  // The answer to a cost that the plan never admits.
  static LimitDecision Never(const LimitPlan& plan, uint32_t cost);
  void CountRefusal(const LimitPlan& plan);
  // While `locked` is locked.
  void SweepAnother(const Shard& locked, int64_t now);
  struct Dropped {
    size_t entries = 0;
    size_t strangers = 0;  // of those
  };
  void Drop(const Dropped& dropped);

  const size_t max_entries_;
  const SipKey hash_key_;
  LimitMemory memory_;
  std::atomic<size_t> entries_{0};
  std::atomic<size_t> strangers_{0};  // of those, whose keys strangers can make
  std::atomic<uint64_t> dropped_{0};
  std::atomic<uint64_t> overflowed_{0};
  std::atomic<uint64_t> starved_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> shadow_refused_{0};
  std::atomic<size_t> sweep_shard_{0};
  // Until when some overflow bucket is in use. Monotone.
  std::atomic<int64_t> overflow_until_{0};
  alignas(64) std::atomic<int64_t> newest_{0};
  alignas(64) std::unique_ptr<Shard[]> shards_;
  // The overflow buckets, by plan. Locked after a shard, never before one.
  std::unique_ptr<Shard> overflow_;
  ConcurrencyTable concurrency_;
};

// Whole seconds for Retry-After: rounded up, at least 1.
int64_t RetryAfterSeconds(Duration wait);

}  // namespace tollgate::proxy
