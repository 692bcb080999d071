#include "proxy/upstream/retry_policy.h"

#include <algorithm>
#include <optional>

namespace tollgate::proxy {
namespace {

// The condition under which a route may list this end; nothing for a status that cannot be listed.
std::optional<RetryCondition> ConditionOf(const RetryEvidence& evidence) {
  switch (evidence.end) {
    case AttemptEnd::kConnectFailed:
    case AttemptEnd::kConnectionLost:
      return RetryCondition::kConnectionLost;
    case AttemptEnd::kTimedOut:
      return RetryCondition::kStatus504;
    case AttemptEnd::kStatus:
      if (evidence.status == 502) return RetryCondition::kStatus502;
      if (evidence.status == 503) return RetryCondition::kStatus503;
      if (evidence.status == 504) return RetryCondition::kStatus504;
      return std::nullopt;
  }
  return std::nullopt;
}

RetryDecision No(absl::string_view reason) { return {.reason = reason}; }

}  // namespace

bool IsSafeMethod(absl::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

bool IsIdempotentMethod(absl::string_view method) {
  return IsSafeMethod(method) || method == "PUT" || method == "DELETE";
}

RetryDecision MayRetry(const RetryEvidence& evidence, const RetryPolicy& policy,
                       const IdempotencyPolicy& idempotency, const RetryRequest& request) {
  if (evidence.head_forwarded) return No("response-begun");
  if (!evidence.replayable) return No("body-not-replayable");
  if (evidence.deadline_passed) return No("deadline");

  // A response proves that the request was sent, whatever else was noted.
  const bool sent = evidence.sent || evidence.end == AttemptEnd::kStatus;
  const bool idempotent = IsIdempotentMethod(request.method);
  const bool honoured =
      idempotency.honoured_by_service && !idempotency.header.empty() && request.has_idempotency_key;
  // The one retry that a key allows has been spent, even if it did not get through.
  if (evidence.sent_before && !idempotent) {
    return No(honoured ? "key-retry-spent" : "outcome-unknown");
  }
  if (evidence.end == AttemptEnd::kStatus && evidence.status == 421) {
    if (evidence.misdirected_before) return No("misdirected-again");
    if (evidence.retries >= kMaxRetries) return No("retries-exhausted");
    return {.retry = true, .new_connection = true, .reason = "misdirected"};
  }
  if (!sent) {
    const uint32_t most = std::min(std::max(policy.max_retries, kUnsentRetries), kMaxRetries);
    if (evidence.retries >= most) return No("retries-exhausted");
    return {true, policy.other_endpoint, false, "not-sent"};
  }
  if (!idempotent && !honoured) return No("outcome-unknown");
  if (evidence.stale && evidence.retries == 0 && IsSafeMethod(request.method)) {
    return {true, false, true, "stale-connection"};
  }
  const std::optional<RetryCondition> condition = ConditionOf(evidence);
  if (!condition.has_value() ||
      std::find(policy.when.begin(), policy.when.end(), *condition) == policy.when.end()) {
    return No("condition-not-listed");
  }
  if (evidence.retries >= std::min(policy.max_retries, kMaxRetries)) return No("retries-exhausted");
  if (idempotent) {
    return {true, policy.other_endpoint, false,
            IsSafeMethod(request.method) ? "safe-method" : "idempotent-method"};
  }
  return {true, true, false, "key-honoured"};
}

}  // namespace tollgate::proxy
