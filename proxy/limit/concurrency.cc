#include "proxy/limit/concurrency.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace tollgate::proxy {
namespace {

// Entries that are kept for the next key, so that a steady load allocates nothing.
constexpr size_t kMaxSpare = 64;
// A longer key's memory is not kept: clients choose how long.
constexpr size_t kMaxSpareKey = 128;

struct Name {
  const LimitPlan* plan;
  absl::string_view key;
  uint64_t hash;
};

}  // namespace

struct ConcurrencyEntry {
  std::shared_ptr<const LimitPlan> plan;  // the newest under which it was counted
  std::string key;
  uint64_t hash = 0;
  uint32_t in_progress = 0;
  uint32_t refused = 0;  // while requests were in progress
};

struct alignas(64) ConcurrencyTable::Shard {
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Name& name) const { return name.hash; }
    size_t operator()(const std::unique_ptr<ConcurrencyEntry>& entry) const { return entry->hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const std::unique_ptr<ConcurrencyEntry>& a,
                    const std::unique_ptr<ConcurrencyEntry>& b) const {
      return a == b;
    }
    bool operator()(const std::unique_ptr<ConcurrencyEntry>& entry, const Name& name) const {
      return entry->hash == name.hash && entry->key == name.key &&
             (entry->plan.get() == name.plan || entry->plan->name() == name.plan->name());
    }
  };

  std::mutex mutex;  // guards everything below
  absl::flat_hash_set<std::unique_ptr<ConcurrencyEntry>, Hash, Equal> entries;
  std::vector<std::unique_ptr<ConcurrencyEntry>> spare;
};

ConcurrencyTable::ConcurrencyTable(SipKey hash_key)
    : hash_key_(hash_key), shards_(std::make_unique<Shard[]>(kShards)) {}

ConcurrencyTable::~ConcurrencyTable() = default;

ConcurrencyDecision ConcurrencyTable::Acquire(const std::shared_ptr<const LimitPlan>& plan,
                                              absl::string_view key) {
  // Clients choose the key, operators the plan: the plan may enter through the hash's key.
  const uint64_t hash = SipHash({hash_key_.k0 ^ plan->name_hash(), hash_key_.k1}, key);
  Shard& shard = shards_[hash >> 58];
  ConcurrencyDecision decision;
  std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(Name{plan.get(), key, hash});
  ConcurrencyEntry* entry = found != shard.entries.end() ? found->get() : nullptr;
  decision.in_progress = entry != nullptr ? entry->in_progress : 0;
  decision.allowed = decision.in_progress < plan->concurrency();
  if (!decision.allowed) {
    (plan->shadow() ? shadow_refused_ : refused_).fetch_add(1, std::memory_order_relaxed);
    if (entry != nullptr) ++entry->refused;
    if (!plan->shadow()) return decision;
  }
  if (entry == nullptr) {
    std::unique_ptr<ConcurrencyEntry> made;
    if (shard.spare.empty()) {
      made = std::make_unique<ConcurrencyEntry>();
    } else {
      made = std::move(shard.spare.back());
      shard.spare.pop_back();
    }
    made->key.assign(key.data(), key.size());
    made->plan = plan;
    made->hash = hash;
    entry = made.get();
    shard.entries.insert(std::move(made));
    keys_.fetch_add(1, std::memory_order_relaxed);
  } else if (entry->plan != plan) {
    entry->plan = plan;  // let go of the old snapshot's
  }
  decision.in_progress = ++entry->in_progress;
  decision.ticket = ConcurrencyTicket(this, entry);
  return decision;
}

void ConcurrencyTable::Release(ConcurrencyEntry* entry) {
  Shard& shard = shards_[entry->hash >> 58];
  std::lock_guard lock(shard.mutex);
  if (--entry->in_progress > 0) return;
  const auto found = shard.entries.find(Name{entry->plan.get(), entry->key, entry->hash});
  auto node = shard.entries.extract(found);
  keys_.fetch_sub(1, std::memory_order_relaxed);
  if (shard.spare.size() >= kMaxSpare || entry->key.capacity() > kMaxSpareKey) return;
  entry->plan.reset();
  entry->refused = 0;
  shard.spare.push_back(std::move(node.value()));
}

void ConcurrencyTable::ForEach(See see) const {
  for (size_t i = 0; i < kShards; ++i) {
    std::lock_guard lock(shards_[i].mutex);
    for (const auto& entry : shards_[i].entries) {
      see(*entry->plan, entry->key, entry->in_progress, entry->refused);
    }
  }
}

void ConcurrencyTicket::Release() {
  if (table_ == nullptr) return;
  std::exchange(table_, nullptr)->Release(entry_);
}

}  // namespace tollgate::proxy
