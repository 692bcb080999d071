#include "common/policy/route_conflicts.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"

namespace tollgate {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

// The shape of the route tree, as far as its branching goes.
struct Node {
  uint32_t parent = kNone;  // of a literal child
  uint32_t parameter = kNone;
  uint64_t steps = 1;  // in this subtree, at worst
  uint64_t worst_literal = 0;
};

}  // namespace

std::vector<RouteConflict> FindRouteConflicts(absl::Span<const RouteShape> routes) {
  constexpr absl::string_view kParameter = "{";  // neither brace nor star stands in a literal
  constexpr absl::string_view kTail = "*";
  struct Place {
    uint32_t node;
    absl::string_view spelling;
    size_t route;  // the first that stands there
  };
  std::vector<RouteConflict> conflicts;
  absl::flat_hash_map<std::pair<uint32_t, std::string>, Place> places;
  absl::flat_hash_map<std::pair<uint32_t, absl::string_view>, size_t> ends;  // by node and method
  ends.reserve(routes.size());
  uint32_t nodes = 1;
  for (size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].segments.empty()) continue;
    uint32_t at = 0;
    std::optional<size_t> spelt_otherwise;
    for (const PathSegment& segment : routes[i].segments) {
      const absl::string_view text = segment.kind == PathSegment::Kind::kLiteral ? segment.text
                                     : segment.kind == PathSegment::Kind::kTail  ? kTail
                                                                                 : kParameter;
      const auto [it, is_new] =
          places.try_emplace({at, absl::AsciiStrToLower(text)}, Place{nodes, text, i});
      if (is_new) ++nodes;
      if (it->second.spelling != text && !spelt_otherwise) spelt_otherwise = it->second.route;
      at = it->second.node;
    }
    const auto [end, is_new] = ends.try_emplace({at, routes[i].method}, i);
    if (spelt_otherwise) {
      conflicts.push_back({*spelt_otherwise, i, true});
    } else if (!is_new) {
      conflicts.push_back({end->second, i});
    }
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
