// What clients are told about a plan, in the fields of draft-ietf-httpapi-ratelimit-headers-10:
//
//   RateLimit-Policy: "s";q=10;w=1, "m";q=10;w=60
//   RateLimit: "m";r=0;t=6
//
// Compiled from a plan; immutable, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/policy/policy.h"
#include "proxy/limit/bucket.h"

namespace tollgate::proxy {

// Which of a request's plans: their windows need names of their own, for all may be reported in one
// response. The caller's are "s", "m", "h", "d" ("10s", "250ms"), a route's "route-m", an
// address's "address-m".
enum class LimitRole { kAddress, kRoute, kCaller };
inline constexpr size_t kLimitRoles = 3;

class RateLimitFields {
 public:
  RateLimitFields(const PlanPolicy& plan, LimitRole role);

  // The value of RateLimit-Policy.
  const std::string& policy() const { return policy_; }
  // Appends the state of the tightest window, as one item.
  void AppendWindow(const LimitDecision& decision, std::string* out) const;
  // Appends the places that are left, as one item.
  void AppendConcurrency(uint32_t in_progress, std::string* out) const;

  // Appends a 429's `violated-policies` as a JSON array (names need no escaping).
  void AppendViolated(const LimitDecision& decision, std::string* out) const;
  void AppendConcurrencyViolated(std::string* out) const;

 private:
  struct Window {
    std::string name;
    uint32_t quota = 0;
  };
  std::vector<Window> windows_;
  std::string concurrency_name_;
  uint32_t concurrency_ = 0;
  std::string policy_;
};

// The problem type of a 429 (section 5.1 of the draft) and its title.
inline constexpr absl::string_view kQuotaExceededType =
    "https://iana.org/assignments/http-problem-types#quota-exceeded";
inline constexpr absl::string_view kQuotaExceededTitle =
    "Request cannot be satisfied as assigned quota has been exceeded";

}  // namespace tollgate::proxy
