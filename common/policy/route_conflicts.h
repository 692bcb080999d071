// Which of two routes answers, and when nobody could say. Used by the control plane before it
// publishes and by the sidecar before it applies; the route tree (proxy/route) implements the
// order.
//
// Precedence. Among the routes that match a request's path and accept its method, compare the
// templates segment by segment from the left: literal before parameter before tail; the first
// difference decides. Two routes of the same shape (equal but for parameter names) compare by
// method: the request's own, then GET for a HEAD request (RFC 9110 9.3.2), then "every method".
// A route whose path is more specific but whose method differs does not hide a less specific one:
//   GET /payments/{id}, POST /payments/search: GET /payments/search is the first.
// So exactly one case is ambiguous: the same shape with the same method. Refused with it: literals
// at one place that differ in letter case only, which a server may take for one another.
// Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/policy/path.h"

namespace tollgate {

struct RouteShape {
  absl::string_view method;           // "": every method
  std::vector<PathSegment> segments;  // empty: did not parse, is passed over
};

struct RouteConflict {
  size_t first;   // index of the earlier route
  size_t second;  // index of the later one, which conflicts with it
  // They differ, but only in a literal's letter case, or one is below such a literal.
  bool letter_case = false;
  friend bool operator==(const RouteConflict&, const RouteConflict&) = default;
};

// Every route that repeats an earlier one, or spells a literal of one otherwise, in order.
// O(total length).
std::vector<RouteConflict> FindRouteConflicts(absl::Span<const RouteShape> routes);

// A literal and a parameter at the same place make a lookup try both. The most tree nodes that any
// path can make it visit: at least the depth, at most the size of the tree. A table above
// kMaxMatchSteps is refused, so no request can make a lookup slow.
uint64_t WorstMatchSteps(absl::Span<const RouteShape> routes);
inline constexpr uint64_t kMaxMatchSteps = 512;

}  // namespace tollgate
