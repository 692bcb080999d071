// May this request be sent again? A pure decision from evidence; a payment must not run twice.
//
//  - Nothing of the request was sent: it is safe whatever the method, and needs no leave of the
//    route (RFC 9113 section 8.7 says so for HTTP/2's refused streams): up to max(max_retries,
//    kUnsentRetries) times.
//  - Sent: only under a condition that the route lists, within max_retries, and only when running
//    twice is provably harmless: the method is safe or idempotent (RFC 9110 sections 9.2.1 and
//    9.2.2), or the request carries a key that the *service* honours; then once, elsewhere.
//  - A safe method that met a connection which had served before and closed without a byte of a
//    response (RFC 9112 section 9.3.1): once, without leave. That is no failure of the service: its
//    keep-alive time ran out while the request was on its way.
//  - 421 (RFC 9110 section 15.5.20): the server says that the request is not for it, so nothing was
//    done; once, whatever the method and without leave, on a connection of its own.
//  - 425 (RFC 8470 section 5.2) is passed on, always: we send nothing early ourselves, so it is an
//    answer to the client's Early-Data, and the client's to repeat.
//  - Everything else, and POST and PATCH without such a key even when a reused connection closed:
//    the outcome is unknown, and never re-run.
//  - Never after the response head was forwarded, without the whole body at hand, past the
//  deadline.
//
// The retry budget is asked after this (retry_budget.h).
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

// How the attempt ended.
enum class AttemptEnd {
  kConnectFailed,   // no connection, or it ended before any byte of the request was written
  kConnectionLost,  // closed, reset or broken before a response head
  kTimedOut,        // the attempt's own timeout, before a response head; a condition: status-504
  kStatus,          // a response head, which was not forwarded
};

struct RetryEvidence {
  AttemptEnd end = AttemptEnd::kConnectFailed;
  int status = 0;                   // kStatus
  bool sent = false;                // a byte of this attempt's request may have left
  bool stale = false;               // kConnectionLost: reused, and not a byte of a response came
  bool sent_before = false;         // or of an earlier attempt's, but for those that a 421 answered
  bool misdirected_before = false;  // an earlier attempt was answered with 421
  bool head_forwarded = false;      // the client has seen a response head
  bool replayable = true;           // the body sent so far is still held
  bool deadline_passed = false;     // or so near that nothing can come of a further attempt
  uint32_t retries = 0;             // attempts before this one
};

struct RetryRequest {
  absl::string_view method;
  bool has_idempotency_key = false;  // a non-empty value of the route's key header
};

struct RetryDecision {
  bool retry = false;
  // The retry must not go to an endpoint already tried.
  bool other_endpoint = false;
  // It must take a connection that has carried nothing yet.
  bool new_connection = false;
  // For the log: why, or why not. Static storage.
  absl::string_view reason;
};

inline constexpr uint32_t kUnsentRetries = 2;
inline constexpr uint32_t kMaxRetries = 4;  // attempts <= 5, whatever the route says

bool IsSafeMethod(absl::string_view method);        // GET, HEAD, OPTIONS, TRACE
bool IsIdempotentMethod(absl::string_view method);  // and PUT, DELETE

RetryDecision MayRetry(const RetryEvidence& evidence, const RetryPolicy& policy,
                       const IdempotencyPolicy& idempotency, const RetryRequest& request);

}  // namespace tollgate::proxy
