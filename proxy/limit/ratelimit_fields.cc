#include "proxy/limit/ratelimit_fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proxy/limit/limit_table.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

absl::string_view PrefixOf(LimitRole role) {
  switch (role) {
    case LimitRole::kAddress:
      return "address-";
    case LimitRole::kRoute:
      return "route-";
    case LimitRole::kCaller:
      break;
  }
  return "";
}

std::string NameOf(Duration period) {
  if (period == seconds(1)) return "s";
  if (period == std::chrono::minutes(1)) return "m";
  if (period == std::chrono::hours(1)) return "h";
  if (period == std::chrono::hours(24)) return "d";
  return period % seconds(1) == Duration::zero() ? absl::StrCat(period / seconds(1), "s")
                                                 : absl::StrCat(period / milliseconds(1), "ms");
}

}  // namespace

RateLimitFields::RateLimitFields(const PlanPolicy& plan, LimitRole role)
    : concurrency_name_(absl::StrCat(PrefixOf(role), "concurrency")),
      concurrency_(plan.concurrency) {
  for (const WindowPolicy& window : plan.windows) {
    windows_.push_back({absl::StrCat(PrefixOf(role), NameOf(window.period)), window.count});
    absl::StrAppend(&policy_, policy_.empty() ? "" : ", ", "\"", windows_.back().name,
                    "\";q=", window.count);
    // Sub-second precision is not supported, and the parameter is optional.
    if (window.period % seconds(1) == Duration::zero()) {
      absl::StrAppend(&policy_, ";w=", window.period / seconds(1));
    }
  }
  if (concurrency_ > 0) {
    absl::StrAppend(&policy_, policy_.empty() ? "" : ", ", "\"", concurrency_name_,
                    "\";q=", concurrency_, ";qu=\"concurrent-requests\"");
  }
}

void RateLimitFields::AppendWindow(const LimitDecision& decision, std::string* out) const {
  if (decision.window >= windows_.size()) return;
  const Window& window = windows_[decision.window];
  // A burst above the count is no quota that the policy promises.
  absl::StrAppend(out, out->empty() ? "" : ", ", "\"", window.name,
                  "\";r=", std::min(decision.remaining, window.quota));
  if (decision.reset > Duration::zero()) {
    absl::StrAppend(out, ";t=", RetryAfterSeconds(decision.reset));
  }
}

void RateLimitFields::AppendConcurrency(uint32_t in_progress, std::string* out) const {
  absl::StrAppend(out, out->empty() ? "" : ", ", "\"", concurrency_name_,
                  "\";r=", concurrency_ - std::min(concurrency_, in_progress));
}

void RateLimitFields::AppendViolated(const LimitDecision& decision, std::string* out) const {
  *out += '[';
  for (size_t i = 0; i < windows_.size(); ++i) {
    if (!(decision.violated >> i & 1)) continue;
    absl::StrAppend(out, out->back() == '[' ? "" : ",", "\"", windows_[i].name, "\"");
  }
  *out += ']';
}

void RateLimitFields::AppendConcurrencyViolated(std::string* out) const {
  absl::StrAppend(out, "[\"", concurrency_name_, "\"]");
}

}  // namespace tollgate::proxy
