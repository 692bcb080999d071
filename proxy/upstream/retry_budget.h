// Counts the requests of one cluster that are in progress, and bounds its retries to a share of
// them, so that retries cannot multiply an outage (Envoy's retry budget). One per cluster and
// process; thread-safe, lock-free.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/policy/policy.h"

namespace tollgate::proxy {

class RetryBudget {
 public:
  // Counts one request, or one retry, as active while it lives. Movable; the budget outlives it.
  class [[nodiscard]] Ticket {
   public:
    Ticket(Ticket&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      if (this != &other) {
        Release();
        counter_ = std::exchange(other.counter_, nullptr);
      }
      return *this;
    }
    ~Ticket() { Release(); }

   private:
    friend class RetryBudget;
    explicit Ticket(std::atomic<uint32_t>* counter) : counter_(counter) {}
    void Release() {
      if (counter_ != nullptr) counter_->fetch_sub(1, std::memory_order_relaxed);
      counter_ = nullptr;
    }
    std::atomic<uint32_t>* counter_;
  };

  explicit RetryBudget(const RetryBudgetPolicy& policy = {});
  RetryBudget(const RetryBudget&) = delete;
  RetryBudget& operator=(const RetryBudget&) = delete;

  void Update(const RetryBudgetPolicy& policy);

  // A client's request is to be forwarded, unless `limit` or more are in progress. Hold the ticket
  // until it is over, retries included.
  std::optional<Ticket> TryRequest(uint32_t limit);
  // Room for a retry: active retries < max(min_concurrent, percent of active requests), and <
  // max_concurrent if there is one. Hold the ticket until that attempt is over.
  std::optional<Ticket> TryRetry();

  uint32_t active_requests() const { return requests_.load(std::memory_order_relaxed); }
  uint32_t active_retries() const { return retries_.load(std::memory_order_relaxed); }
  // Retries that found no room, since the start.
  uint64_t refused_retries() const { return refused_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> percent_;
  std::atomic<uint32_t> min_concurrent_;
  std::atomic<uint32_t> max_concurrent_;  // 0: none
  std::atomic<uint32_t> requests_{0};
  std::atomic<uint32_t> retries_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace tollgate::proxy
