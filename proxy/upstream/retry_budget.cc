#include "proxy/upstream/retry_budget.h"

#include <algorithm>

#include "proxy/upstream/acquire_below.h"

namespace tollgate::proxy {

RetryBudget::RetryBudget(const RetryBudgetPolicy& policy)
    : percent_(policy.percent),
      min_concurrent_(policy.min_concurrent),
      max_concurrent_(policy.max_concurrent) {}

void RetryBudget::Update(const RetryBudgetPolicy& policy) {
  percent_.store(policy.percent, std::memory_order_relaxed);
  min_concurrent_.store(policy.min_concurrent, std::memory_order_relaxed);
  max_concurrent_.store(policy.max_concurrent, std::memory_order_relaxed);
}

std::optional<RetryBudget::Ticket> RetryBudget::TryRequest(uint32_t limit) {
  if (AcquireBelow(requests_, limit)) return Ticket(&requests_);
  return std::nullopt;
}

std::optional<RetryBudget::Ticket> RetryBudget::TryRetry() {
  const uint64_t share = uint64_t{requests_.load(std::memory_order_relaxed)} *
                         percent_.load(std::memory_order_relaxed) / 100;
  uint64_t room = std::max<uint64_t>(min_concurrent_.load(std::memory_order_relaxed), share);
  if (const uint32_t max = max_concurrent_.load(std::memory_order_relaxed); max > 0) {
    room = std::min<uint64_t>(room, max);
  }
  if (AcquireBelow(retries_, room)) return Ticket(&retries_);
  refused_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

}  // namespace tollgate::proxy
