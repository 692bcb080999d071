// How many requests of a key are in progress, counted in the process. Each that may go on holds a
// ticket, and its place is free again when the ticket goes: once, however the request ended. A key
// without requests takes no memory, so the table is as large as what is in progress.
//
// Counts belong to (plan's name, key text), as in the limit table, and outlive policy: a lowered
// limit counts what is already in progress.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "proxy/limit/limit_plan.h"
#include "proxy/limit/siphash.h"

namespace tollgate::proxy {

class ConcurrencyTable;
struct ConcurrencyEntry;  // one key's count, the table's own

// A place among the requests in progress. Move-only; any thread may end it.
class ConcurrencyTicket {
 public:
  ConcurrencyTicket() = default;
  ConcurrencyTicket(ConcurrencyTicket&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)), entry_(other.entry_) {}
  ConcurrencyTicket& operator=(ConcurrencyTicket&& other) noexcept {
    if (this != &other) {
      Release();
      table_ = std::exchange(other.table_, nullptr);
      entry_ = other.entry_;
    }
    return *this;
  }
  ~ConcurrencyTicket() { Release(); }

  bool held() const { return table_ != nullptr; }
  void Release();

 private:
  friend class ConcurrencyTable;
  ConcurrencyTicket(ConcurrencyTable* table, ConcurrencyEntry* entry)
      : table_(table), entry_(entry) {}

  ConcurrencyTable* table_ = nullptr;
  ConcurrencyEntry* entry_ = nullptr;
};

struct ConcurrencyDecision {
  bool allowed = false;
  uint32_t in_progress = 0;  // with this one, when it holds a ticket
  ConcurrencyTicket ticket;  // held when allowed, and always under a plan in shadow mode
};

// Thread-safe (sharded locks). Outlives its tickets.
class ConcurrencyTable {
 public:
  explicit ConcurrencyTable(SipKey hash_key);
  ConcurrencyTable(const ConcurrencyTable&) = delete;
  ConcurrencyTable& operator=(const ConcurrencyTable&) = delete;
  ~ConcurrencyTable();

  // Takes a place under `plan`, whose concurrency is not 0, if there is one.
  ConcurrencyDecision Acquire(const std::shared_ptr<const LimitPlan>& plan, absl::string_view key);

  // Keys that have requests in progress.
  size_t keys() const { return keys_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  uint64_t shadow_refused() const { return shadow_refused_.load(std::memory_order_relaxed); }

  // Every key that has requests in progress; `see` is called with a shard's lock held, and is
  // brief.
  using See = absl::FunctionRef<void(const LimitPlan& plan, absl::string_view key,
                                     uint32_t in_progress, uint64_t refused)>;
  void ForEach(See see) const;

 private:
  friend class ConcurrencyTicket;
  struct Shard;
  static constexpr size_t kShards = 64;

  void Release(ConcurrencyEntry* entry);

  const SipKey hash_key_;
  std::atomic<size_t> keys_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> shadow_refused_{0};
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace tollgate::proxy
