// What the steps of a chain know about one request, and what they find out. Owned by the stream, which reuses
// it from request to request; worker thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "proxy/auth/deny_list.h"
#include "proxy/auth/token_verifier.h"
#include "proxy/filter/tables.h"
#include "proxy/http/message.h"
#include "proxy/limit/limit_table.h"

namespace tollgate::proxy {

// What steps use of their worker and of the process. Outlives every request.
struct StepServices {
  const Clock& clock;
  LimitTable& limits;                        // the process's
  TokenVerifier& tokens;                     // the worker's
  std::shared_ptr<const DenyList> denied;    // the worker's copy of the newest
  Random& random;
  // Ids of API keys that nobody knows here: reported to the control plane. Never blocks.
  absl::AnyInvocable<void(absl::string_view key_id)> on_unknown_key;
};

// A plan that was asked about the request, and what it said. One that applies in several roles
// counts the request once: all but `plan` is in the first of them.
struct AskedLimit {
  const CompiledPlan* plan = nullptr;  // null: none was asked in this role
  uint32_t units = 0;                  // that its windows were asked for
  bool counted = false;                // its windows were asked: `decision` holds
  uint32_t in_progress = 0;            // of a plan with a concurrency, with this request
  LimitDecision decision;
  ConcurrencyTicket ticket;  // the request's place; free again when the request is over
};

struct RequestContext {
  // Set by the stream before the chain starts.
  StepServices* services = nullptr;
  const SnapshotTables* snapshot = nullptr;
  const CompiledListener* listener = nullptr;
  MonoTime mono{};
  WallTime wall{};
  const Address* peer = nullptr;  // of the connection
  RequestHead head;               // taken by the Permit

  // Found by the steps, in order of the chain.
  std::string method;              // as received; stays when the head is gone
  std::string request_id;
  std::string traceparent;
  Address client;                  // the peer, or what trusted hops say
  MonoTime deadline = kNever;      // until when the caller waits; kNever: it did not say
  std::string path_scratch;
  std::string version_scratch;
  absl::string_view path;          // canonical, whole
  uint16_t path_escapes = 0;       // CanonicalResult::escaped
  const CompiledApi* api = nullptr;
  const CompiledVersion* version = nullptr;
  const CompiledRoute* route = nullptr;
  size_t route_path_at = 0;        // where in the permit's path that begins which the route matched
  Lifecycle::Answer lifecycle;
  const ConsumerPolicy* consumer = nullptr;
  std::shared_ptr<const VerifiedToken> token;
  const ApiKeyPolicy* api_key = nullptr;
  std::array<AskedLimit, kLimitRoles> limits;  // by LimitRole
  bool has_idempotency_key = false;

  // For log and metrics.
  const char* decided_by = "";  // the step that refused
  const char* reason = "";      // its word; "" when served
  absl::string_view limited_by;  // the plan that refused
  absl::string_view shadowed_by;  // a plan in shadow mode that would have
  const char* fault = "";       // what was injected on purpose: "delay", "abort", "delay,abort"

  void Clear();  // keeps storage
};

}  // namespace tollgate::proxy
