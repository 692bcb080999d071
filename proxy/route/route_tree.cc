#include "proxy/route/route_tree.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proxy/route/letter_case.h"

namespace tollgate::proxy {
namespace {

// A proxy that served them would echo credentials, or become a tunnel (RFC 9110 9.3.6, 9.3.8).
bool NeverRouted(absl::string_view method) { return method == "TRACE" || method == "CONNECT"; }

}  // namespace

absl::StatusOr<RouteTree> RouteTree::Build(absl::Span<const RoutePolicy> routes) {
  std::vector<RouteShape> shapes;
  shapes.reserve(routes.size());
  size_t text_size = 0;
  for (const RoutePolicy& route : routes) {
    auto segments = ParsePathTemplate(route.path);
    if (!segments.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("route ", route.name, ": ", segments.status().message()));
    }
    text_size += route.path.size();
    shapes.push_back({route.method, *std::move(segments)});
  }
  if (const auto conflicts = FindRouteConflicts(shapes); !conflicts.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("routes ", routes[conflicts[0].first].name,
                                                   " and ", routes[conflicts[0].second].name,
                                                   " match the same requests, or differ in letter "
                                                   "case only"));
  }
  if (const uint64_t steps = WorstMatchSteps(shapes); steps > kMaxMatchSteps) {
    return absl::InvalidArgumentError(
        absl::StrCat("literals and parameters at the same places make a lookup visit up to ", steps,
                     " nodes; at most ", kMaxMatchSteps, " are allowed"));
  }
  RouteTree tree;
  tree.text_ = std::make_unique<char[]>(text_size);
  for (size_t i = 0; i < shapes.size(); ++i) tree.Insert(shapes[i], i);
  return tree;
}

void RouteTree::Insert(const RouteShape& shape, uint32_t route) {
  uint32_t at = 0;
  bool tail = false;
  for (const PathSegment& segment : shape.segments) {
    const auto next = static_cast<uint32_t>(nodes_.size());
    switch (segment.kind) {
      case PathSegment::Kind::kTail:
        tail = true;
        break;
      case PathSegment::Kind::kParameter:
        if (nodes_[at].parameter == kNone) {
          nodes_[at].parameter = next;
          nodes_.emplace_back();
        }
        at = nodes_[at].parameter;
        break;
      case PathSegment::Kind::kLiteral:
        if (auto it = literals_.find({at, segment.text}); it != literals_.end()) {
          at = it->second;
          break;
        }
        char* text = text_.get() + text_used_;
        std::memcpy(text, segment.text.data(), segment.text.size());
        text_used_ += segment.text.size();
        reserved_ |= ReservedIn(segment.text);
        literals_.emplace(Edge(at, absl::string_view(text, segment.text.size())), next);
        if (HasCapital(segment.text)) {
          lowered_.emplace(std::pair(at, absl::AsciiStrToLower(segment.text)), next);
        }
        slash_at_end_ |= segment.text.empty();
        nodes_[at].literals = true;
        nodes_.emplace_back();
        at = next;
        break;
    }
  }
  uint32_t& leaf = tail ? nodes_[at].tail : nodes_[at].here;
  if (leaf == kNone) {
    leaf = static_cast<uint32_t>(leaves_.size());
    leaves_.emplace_back();
  }
  leaves_[leaf].push_back({std::string(shape.method), route});
}

uint32_t RouteTree::Literal(uint32_t at, absl::string_view text) const {
  const auto it = literals_.find(Edge(at, text));
  return it == literals_.end() ? kNone : it->second;
}

// No two literals at one place differ in letter case only.
uint32_t RouteTree::LooseLiteral(uint32_t at, absl::string_view text) const {
  const std::pair lower(at, absl::AsciiStrToLower(text));
  if (const uint32_t child = Literal(at, lower.second); child != kNone) return child;
  const auto it = lowered_.find(lower);
  return it == lowered_.end() ? kNone : it->second;
}

template <RouteTree::Reading reading, typename Visit>
bool RouteTree::Walk(uint32_t at, absl::string_view rest, Visit& visit) const {
  constexpr bool kLoose = reading == Reading::kLoose;
  const Node& node = nodes_[at];
  if (rest.empty()) {
    if (node.here != kNone && visit(leaves_[node.here])) return true;
    if (kLoose && node.literals) {
      const uint32_t slash = Literal(at, "");
      if (slash != kNone && Walk<Reading::kExact>(slash, "", visit)) return true;
    }
    return node.tail != kNone && visit(leaves_[node.tail]);
  }
  const size_t end = std::min(rest.find('/', 1), rest.size());
  const absl::string_view segment = rest.substr(1, end - 1);
  const absl::string_view next = rest.substr(end);
  if (node.literals) {
    const uint32_t child = kLoose ? LooseLiteral(at, segment) : Literal(at, segment);
    if (child != kNone && Walk<reading>(child, next, visit)) return true;
  }
  if (kLoose && rest == "/" && node.here != kNone && visit(leaves_[node.here])) return true;
  if (node.parameter != kNone && !segment.empty() && Walk<reading>(node.parameter, next, visit)) {
    return true;
  }
  return node.tail != kNone && visit(leaves_[node.tail]);
}

uint32_t RouteTree::Pick(const Leaf& leaf, absl::string_view method) {
  uint32_t get = kNone;
  uint32_t any = kNone;
  for (const MethodRoute& m : leaf) {
    if (m.method == method) return m.route;
    if (m.method == "GET") get = m.route;
    if (m.method.empty()) any = m.route;
  }
  return method == "HEAD" && get != kNone ? get : any;
}

RouteMatch RouteTree::Match(absl::string_view method, absl::string_view path) const {
  RouteMatch match;
  const bool never = NeverRouted(method);
  auto visit = [&](const Leaf& leaf) {
    match.kind = RouteMatch::Kind::kMethodNotAllowed;  // unless a leaf accepts
    const uint32_t route = never ? kNone : Pick(leaf, method);
    if (route == kNone) return false;
    match = {RouteMatch::Kind::kFound, route};
    return true;
  };
  Walk<Reading::kExact>(0, path, visit);
  return match;
}

bool RouteTree::ReadsAsAnother(absl::string_view method, absl::string_view path,
                               uint32_t route) const {
  if (lowered_.empty() && !slash_at_end_ && !absl::EndsWith(path, "/") && !HasCapital(path)) {
    return false;  // both read it alike
  }
  uint32_t other = route;
  auto visit = [&](const Leaf& leaf) {
    const uint32_t found = Pick(leaf, method);
    if (found == kNone) return false;
    other = found;
    return true;
  };
  Walk<Reading::kLoose>(0, path, visit);
  return other != route;
}

std::string RouteTree::Allow(absl::string_view path) const {
  std::vector<absl::string_view> allowed;
  auto add = [&](absl::string_view method) {
    if (std::find(allowed.begin(), allowed.end(), method) == allowed.end()) {
      allowed.push_back(method);
    }
  };
  auto visit = [&](const Leaf& leaf) {
    for (const MethodRoute& m : leaf) {
      if (m.method.empty()) {
        for (auto each : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) add(each);
      } else {
        add(m.method);
        if (m.method == "GET") add("HEAD");
      }
    }
    return false;  // all of them
  };
  Walk<Reading::kExact>(0, path, visit);
  std::sort(allowed.begin(), allowed.end());
  return absl::StrJoin(allowed, ", ");
}

}  // namespace tollgate::proxy
