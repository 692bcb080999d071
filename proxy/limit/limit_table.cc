#include "proxy/limit/limit_table.h"

#include <algorithm>
#include <string>
#include <utility>

namespace tollgate::proxy {
namespace {

// Chains looked at when a key is new, and when the table is full besides. More than one each, so
// that the sweep outruns the inserts.
constexpr size_t kSweepOnInsert = 2;
constexpr size_t kSweepWhenFull = 8;
constexpr size_t kMinChains = 16;
// Chains that a scan looks at before it lets others have the shard.
constexpr size_t kScanChains = 64;

// What the allocator takes for `n` bytes: its header, and the rounding to 16.
constexpr size_t Allocated(size_t n) { return (n + 8 + 15) & ~size_t{15}; }

}  // namespace

struct LimitTable::Entry {
  Entry(uint64_t h, absl::string_view k, const std::shared_ptr<const LimitPlan>& plan)
      : hash(static_cast<uint32_t>(h)), stranger(plan->by_strangers()), key(k), bucket(plan) {}

  bool Is(uint64_t h, const LimitPlan& plan, absl::string_view k) const {
    return hash == static_cast<uint32_t>(h) && key == k &&
           (&bucket.plan() == &plan || bucket.plan().name() == plan.name());
  }
  size_t Bytes() const {
    static const size_t short_key = std::string().capacity();
    const size_t key_bytes = key.capacity() > short_key ? Allocated(key.capacity() + 1) : 0;
    return Allocated(sizeof(Entry)) + key_bytes + bucket.HeapBytes();
  }

  std::unique_ptr<Entry> next;
  const uint32_t hash;  // of the text, its lower half: the upper one chose the shard
  uint32_t refused : 31 = 0;
  // As its plan was when it was made: it is counted among the strangers until it goes.
  const uint32_t stranger : 1;
  const std::string key;
  Bucket bucket;
};

// A hash table with chaining, and a cursor that sweeps it.
class alignas(64) LimitTable::Shard {
 public:
  std::mutex mutex;  // guards everything below

  Entry* Find(uint64_t hash, const LimitPlan& plan, absl::string_view key) const {
    if (chains_.empty()) return nullptr;
    for (Entry* e = Chain(hash).get(); e != nullptr; e = e->next.get()) {
      if (e->Is(hash, plan, key)) return e;
    }
    return nullptr;
  }

  Entry* Insert(std::unique_ptr<Entry> entry, LimitMemory& memory) {
    if (size_ >= chains_.size()) Grow(memory);
    ++size_;
    std::unique_ptr<Entry>& chain = Chain(entry->hash);
    entry->next = std::move(chain);
    chain = std::move(entry);
    return chain.get();
  }

  // Looks at the next `chains` chains; returns which of their entries were full again and are gone.
  Dropped Sweep(int64_t now, size_t chains, LimitMemory& memory) {
    Dropped dropped;
    for (size_t i = 0; i < std::min(chains, chains_.size()); ++i) {
      cursor_ = (cursor_ + 1) & (chains_.size() - 1);
      for (std::unique_ptr<Entry>* link = &chains_[cursor_]; *link != nullptr;) {
        if ((*link)->bucket.BusyUntil() > now) {
          link = &(*link)->next;
          continue;
        }
        memory.Give((*link)->Bytes());
        ++dropped.entries;
        dropped.strangers += (*link)->stranger;
        *link = std::move((*link)->next);
        --size_;
      }
    }
    return dropped;
  }

  size_t chains() const { return chains_.size(); }

  // Shows the entries of `chains` chains from `first` on; returns how many they were.
  template <typename F>
  size_t Scan(size_t first, size_t chains, F f) const {
    size_t seen = 0;
    for (size_t i = first; i < std::min(first + chains, chains_.size()); ++i) {
      for (const Entry* e = chains_[i].get(); e != nullptr; e = e->next.get(), ++seen) f(*e);
    }
    return seen;
  }

 private:
  std::unique_ptr<Entry>& Chain(uint64_t hash) { return chains_[hash & (chains_.size() - 1)]; }
  const std::unique_ptr<Entry>& Chain(uint64_t hash) const {
    return chains_[hash & (chains_.size() - 1)];
  }

  void Grow(LimitMemory& memory) {
    std::vector<std::unique_ptr<Entry>> old = std::exchange(
        chains_, std::vector<std::unique_ptr<Entry>>(std::max(kMinChains, chains_.size() * 2)));
    for (std::unique_ptr<Entry>& chain : old) {
      while (chain != nullptr) {
        std::unique_ptr<Entry> entry = std::exchange(chain, std::move(chain->next));
        std::unique_ptr<Entry>& to = Chain(entry->hash);
        entry->next = std::move(to);
        to = std::move(entry);
      }
    }
    memory.ForceTake((chains_.size() - old.size()) * sizeof(old[0]));
  }

  std::vector<std::unique_ptr<Entry>> chains_;  // a power of two, or none
  size_t size_ = 0;
  size_t cursor_ = 0;
};

LimitTable::LimitTable(LimitTableOptions options)
    : max_entries_(options.max_entries),
      hash_key_(options.hash_key),
      memory_(options.max_bytes),
      shards_(std::make_unique<Shard[]>(kShards)),
      overflow_(std::make_unique<Shard>()),
      concurrency_(options.hash_key) {}

LimitTable::~LimitTable() = default;

uint64_t LimitTable::Hash(const LimitPlan& plan, absl::string_view key) const {
  // Clients choose the key, operators the plan: the plan may enter through the hash's key.
  return SipHash({hash_key_.k0 ^ plan.name_hash(), hash_key_.k1}, key);
}

LimitDecision LimitTable::Check(const std::shared_ptr<const LimitPlan>& plan, absl::string_view key,
                                MonoTime now, uint32_t cost) {
  cost = std::max<uint32_t>(cost, 1);
  if (cost > plan->max_cost()) {
    CountRefusal(*plan);
    return Never(*plan, cost);
  }
  const uint64_t hash = Hash(*plan, key);
  Shard& shard = shards_[hash >> 56];
  std::lock_guard lock(shard.mutex);
  const int64_t ns = Level(now);
  Entry* entry = shard.Find(hash, *plan, key);
  if (entry == nullptr) {
    Drop(shard.Sweep(ns, kSweepOnInsert, memory_));
    entry = Insert(shard, hash, plan, key, ns);
    if (entry == nullptr) {
      Drop(shard.Sweep(ns, kSweepWhenFull, memory_));
      SweepAnother(shard, ns);
      entry = Insert(shard, hash, plan, key, ns);
    }
    // Under the shard's lock, so that this key cannot get a counter of its own meanwhile.
    if (entry == nullptr) return CheckOverflow(plan, ns, cost);
  }
  if (&entry->bucket.plan() != plan.get()) entry->bucket.Adopt(plan, ns, memory_);
  const LimitDecision decision = entry->bucket.Check(ns, cost, memory_);
  if (!decision.allowed) {
    ++entry->refused;
    CountRefusal(*plan);
    if (decision.starved) starved_.fetch_add(1, std::memory_order_relaxed);
  }
  return decision;
}

LimitDecision LimitTable::Peek(const std::shared_ptr<const LimitPlan>& plan, absl::string_view key,
                               MonoTime now, uint32_t cost) const {
  cost = std::max<uint32_t>(cost, 1);
  if (cost > plan->max_cost()) return Never(*plan, cost);
  const uint64_t hash = Hash(*plan, key);
  Shard& shard = shards_[hash >> 56];
  std::lock_guard lock(shard.mutex);
  const int64_t ns =
      std::max(now.time_since_epoch().count(), newest_.load(std::memory_order_relaxed));
  if (const Entry* entry = shard.Find(hash, *plan, key)) return entry->bucket.Peek(plan, ns, cost);
  // A new key is answered by the overflow bucket or, if there is room, starts with what that has
  // consumed: the same answer.
  if (ns < overflow_until_.load(std::memory_order_relaxed)) {
    std::lock_guard overflow_lock(overflow_->mutex);
    const Entry* shared = overflow_->Find(Hash(*plan, {}), *plan, {});
    if (shared != nullptr) return shared->bucket.Peek(plan, ns, cost);
  }
  return Bucket(plan).Peek(plan, ns, cost);
}

int64_t LimitTable::Level(MonoTime now) {
  const int64_t ns = now.time_since_epoch().count();
  int64_t newest = newest_.load(std::memory_order_relaxed);
  while (newest < ns) {
    if (newest_.compare_exchange_weak(newest, ns, std::memory_order_relaxed)) return ns;
  }
  return newest;
}

LimitDecision LimitTable::Never(const LimitPlan& plan, uint32_t cost) {
  LimitDecision never;
  never.retry_after = LimitDecision::kNeverFits;
  never.limit = plan.max_cost();
  for (size_t i = 0; i < plan.windows().size(); ++i) {
    if (plan.windows()[i].max_cost < cost) never.violated |= static_cast<uint8_t>(1u << i);
  }
  return never;
}

void LimitTable::CountRefusal(const LimitPlan& plan) {
  (plan.shadow() ? shadow_refused_ : refused_).fetch_add(1, std::memory_order_relaxed);
}

LimitTable::Entry* LimitTable::Insert(Shard& shard, uint64_t hash,
                                      const std::shared_ptr<const LimitPlan>& plan,
                                      absl::string_view key, int64_t now) {
  const size_t stranger = plan->by_strangers() ? 1 : 0;
  const auto give_back = [&] {
    entries_.fetch_sub(1, std::memory_order_relaxed);
    strangers_.fetch_sub(stranger, std::memory_order_relaxed);
    return nullptr;
  };
  const bool full = entries_.fetch_add(1, std::memory_order_relaxed) >= max_entries_;
  const size_t strangers = strangers_.fetch_add(stranger, std::memory_order_relaxed);
  if (full || (stranger != 0 && strangers >= max_entries_ / 2)) return give_back();
  auto entry = std::make_unique<Entry>(hash, key, plan);
  if (now < overflow_until_.load(std::memory_order_relaxed)) Inherit(plan, now, *entry);
  if (!memory_.Take(entry->Bytes())) return give_back();
  return shard.Insert(std::move(entry), memory_);
}

void LimitTable::Inherit(const std::shared_ptr<const LimitPlan>& plan, int64_t now, Entry& entry) {
  std::lock_guard lock(overflow_->mutex);
  Entry* from = overflow_->Find(Hash(*plan, {}), *plan, {});
  if (from == nullptr || from->bucket.BusyUntil() <= now) return;
  if (&from->bucket.plan() != plan.get()) from->bucket.Adopt(plan, now, memory_);
  entry.bucket = from->bucket.Copy();
}

LimitDecision LimitTable::CheckOverflow(const std::shared_ptr<const LimitPlan>& plan, int64_t now,
                                        uint32_t cost) {
  overflowed_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock(overflow_->mutex);
  const uint64_t hash = Hash(*plan, {});
  Entry* entry = overflow_->Find(hash, *plan, {});
  if (entry == nullptr) {
    overflow_->Sweep(now, kSweepOnInsert, memory_);
    auto fresh = std::make_unique<Entry>(hash, absl::string_view(), plan);
    memory_.ForceTake(fresh->Bytes());
    entry = overflow_->Insert(std::move(fresh), memory_);
  }
  if (&entry->bucket.plan() != plan.get()) entry->bucket.Adopt(plan, now, memory_);
  LimitDecision decision = entry->bucket.Check(now, cost, memory_, /*must_grow=*/true);
  decision.overflow = true;
  if (!decision.allowed) {
    ++entry->refused;
    CountRefusal(*plan);
  }
  const int64_t until = entry->bucket.BusyUntil();
  int64_t known = overflow_until_.load(std::memory_order_relaxed);
  while (known < until && !overflow_until_.compare_exchange_weak(known, until)) {
  }
  return decision;
}

void LimitTable::SweepAnother(const Shard& locked, int64_t now) {
  Shard& shard = shards_[sweep_shard_.fetch_add(1, std::memory_order_relaxed) % kShards];
  if (&shard == &locked) return;
  // Never waits, so two threads that hold a shard each cannot wait for one another.
  std::unique_lock lock(shard.mutex, std::try_to_lock);
  if (lock.owns_lock()) Drop(shard.Sweep(now, kSweepWhenFull, memory_));
}

void LimitTable::Drop(const Dropped& dropped) {
  if (dropped.entries == 0) return;
  entries_.fetch_sub(dropped.entries, std::memory_order_relaxed);
  strangers_.fetch_sub(dropped.strangers, std::memory_order_relaxed);
  dropped_.fetch_add(dropped.entries, std::memory_order_relaxed);
}

size_t LimitTable::Sweep(MonoTime now, size_t counters) {
  Dropped dropped;
  for (size_t visited = 0; visited < kShards && counters > 0; ++visited) {
    Shard& shard = shards_[sweep_shard_.fetch_add(1, std::memory_order_relaxed) % kShards];
    std::lock_guard lock(shard.mutex);
    const size_t share = std::min(counters, shard.chains());
    const Dropped part = shard.Sweep(Level(now), share, memory_);
    dropped.entries += part.entries;
    dropped.strangers += part.strangers;
    counters -= std::max<size_t>(share, 1);
  }
  Drop(dropped);
  std::lock_guard lock(overflow_->mutex);
  overflow_->Sweep(Level(now), 1, memory_);
  return dropped.entries;
}

bool LimitTable::Scan(MonoTime now, size_t counters, LimitScanCursor* cursor, See see) {
  const int64_t ns = Level(now);
  size_t seen = 0;
  for (; cursor->shard <= kShards; ++cursor->shard, cursor->chain = 0) {
    Shard& shard = cursor->shard == kShards ? *overflow_ : shards_[cursor->shard];
    for (bool more = true; more;) {
      if (seen >= counters) return false;
      std::lock_guard lock(shard.mutex);
      seen += 1 + shard.Scan(cursor->chain, kScanChains, [&](const Entry& entry) {
        see(entry.bucket.plan(), entry.key, entry.bucket.Use(ns), entry.refused);
      });
      cursor->chain += kScanChains;
      more = cursor->chain < shard.chains();
    }
  }
  *cursor = {};
  return true;
}

LimitTableStats LimitTable::Stats() const {
  LimitTableStats stats;
  stats.entries = entries_.load(std::memory_order_relaxed);
  stats.bytes = memory_.used();
  stats.dropped = dropped_.load(std::memory_order_relaxed);
  stats.overflowed = overflowed_.load(std::memory_order_relaxed);
  stats.starved = starved_.load(std::memory_order_relaxed);
  stats.refused = refused_.load(std::memory_order_relaxed);
  stats.shadow_refused = shadow_refused_.load(std::memory_order_relaxed);
  stats.max_entries = max_entries_;
  return stats;
}

int64_t RetryAfterSeconds(Duration wait) {
  const int64_t ns = std::max<int64_t>(wait.count(), 1);
  return (ns - 1) / 1'000'000'000 + 1;
}

}  // namespace tollgate::proxy
