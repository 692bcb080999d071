#include "common/policy/route_conflicts.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace tollgate {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

// A route's method and shape as one string: equal exactly for routes that conflict. '/' cannot
// stand in a segment, nor braces or '*' in a literal.
std::string ShapeKey(const RouteShape& route) {
  std::string key(route.method);
  for (const PathSegment& segment : route.segments) {
    switch (segment.kind) {
      case PathSegment::Kind::kLiteral:
        absl::StrAppend(&key, "/", segment.text);
        break;
      case PathSegment::Kind::kParameter:
        absl::StrAppend(&key, "/{}");
        break;
      case PathSegment::Kind::kTail:
        absl::StrAppend(&key, "/**");
        break;
    }
  }
  return key;
}

// The shape of the route tree, as far as its branching goes.
struct Node {
  uint32_t parent = kNone;  // of a literal child
  uint32_t parameter = kNone;
  uint64_t steps = 1;  // in this subtree, at worst
  uint64_t worst_literal = 0;
};

}  // namespace

std::vector<RouteConflict> FindRouteConflicts(absl::Span<const RouteShape> routes) {
  std::vector<RouteConflict> conflicts;
  absl::flat_hash_map<std::string, size_t> seen;
  seen.reserve(routes.size());
  for (size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].segments.empty()) continue;
    auto [it, is_new] = seen.try_emplace(ShapeKey(routes[i]), i);
    if (!is_new) conflicts.push_back({it->second, i});
  }
  return conflicts;
}

uint64_t WorstMatchSteps(absl::Span<const RouteShape> routes) {
  std::vector<Node> nodes(1);
  absl::flat_hash_map<std::pair<uint32_t, absl::string_view>, uint32_t> literals;
  for (const RouteShape& route : routes) {
    uint32_t at = 0;
    for (const PathSegment& segment : route.segments) {
      const auto next = static_cast<uint32_t>(nodes.size());
      if (segment.kind == PathSegment::Kind::kLiteral) {
        auto [it, is_new] = literals.try_emplace({at, segment.text}, next);
        if (is_new) nodes.push_back({.parent = at});
        at = it->second;
      } else if (segment.kind == PathSegment::Kind::kParameter) {
        if (nodes[at].parameter == kNone) {
          nodes[at].parameter = next;
          nodes.push_back({});
        }
        at = nodes[at].parameter;
      }
    }
  }
  // A child comes after its parent: backwards, every child is done before its parent. A path takes
  // one literal child at most, and the parameter besides.
  for (size_t i = nodes.size(); i-- > 0;) {
    Node& node = nodes[i];
    node.steps += node.worst_literal;
    if (node.parameter != kNone) node.steps += nodes[node.parameter].steps;
    if (node.parent != kNone) {
      uint64_t& worst = nodes[node.parent].worst_literal;
      worst = std::max(worst, node.steps);
    }
  }
  return nodes[0].steps;
}

}  // namespace tollgate
