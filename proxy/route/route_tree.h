// Which route of one API version a request is: a tree of path segments, in the precedence that
// common/policy/route_conflicts.h defines. Built off the workers (compiling 100,000 routes takes
// long, and so does freeing them); immutable, any thread may look up. Owns all its strings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "common/policy/policy.h"
#include "common/policy/route_conflicts.h"

namespace tollgate::proxy {

struct RouteMatch {
  enum class Kind : uint8_t {
    kFound,
    kNotFound,          // 404
    kMethodNotAllowed,  // 405, with RouteTree::Allow
  };
  Kind kind = Kind::kNotFound;
  uint32_t route = 0;  // kFound: index into the routes that the tree was built from
  bool found() const { return kind == Kind::kFound; }
};

class RouteTree {
 public:
  // InvalidArgument when a template does not parse, two routes conflict or lookups could be slow
  // (FromBundle has refused these already).
  static absl::StatusOr<RouteTree> Build(absl::Span<const RoutePolicy> routes);

  // `path` is canonical, without base path and version segment. HEAD is answered by GET routes.
  // TRACE and CONNECT match no route, not even one for every method. No allocation; hash lookups
  // only, at most kMaxMatchSteps nodes.
  RouteMatch Match(absl::string_view method, absl::string_view path) const;

  // Whether a server that ignores letter case or a slash at the end, as many frameworks do unless
  // told otherwise, would serve the request as another route than `route`, which Match found. What
  // was allowed for one route would then run the other.
  bool ReadsAsAnother(absl::string_view method, absl::string_view path, uint32_t route) const;

  // Characters that literals hold, as bits of ReservedIn: a path that has one of them escaped could
  // be another route to the server behind.
  uint16_t reserved() const { return reserved_; }

  // The value of the Allow header of a 405 (RFC 9110 section 10.2.1): "GET, HEAD, POST".
  std::string Allow(absl::string_view path) const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct MethodRoute {
    std::string method;  // "": every method
    uint32_t route;
  };
  using Leaf = std::vector<MethodRoute>;  // the routes of one shape, a few methods
  struct Node {
    uint32_t parameter = kNone;  // node
    uint32_t here = kNone;       // leaf of the path that ends here
    uint32_t tail = kNone;       // leaf of "**"
    bool literals = false;       // has literal children
  };
  // A literal child is found by its parent and its text, in one table for the whole tree.
  using Edge = std::pair<uint32_t, absl::string_view>;

  RouteTree() : nodes_(1) {}
  void Insert(const RouteShape& shape, uint32_t route);
  static uint32_t Pick(const Leaf& leaf, absl::string_view method);
  uint32_t Literal(uint32_t at, absl::string_view text) const;  // kNone: there is none
  uint32_t LooseLiteral(uint32_t at, absl::string_view text) const;
  enum class Reading : uint8_t { kExact, kLoose };  // kLoose: as ReadsAsAnother says
  // Calls visit(leaf) for each leaf that matches `rest` (empty, or from a slash on) below node
  // `at`, most specific first, until it returns true.
  template <Reading reading, typename Visit>
  bool Walk(uint32_t at, absl::string_view rest, Visit& visit) const;

  std::vector<Node> nodes_;
  std::vector<Leaf> leaves_;
  absl::flat_hash_map<Edge, uint32_t> literals_;
  // Those with a capital letter again, in lower case.
  absl::flat_hash_map<std::pair<uint32_t, std::string>, uint32_t> lowered_;
  std::unique_ptr<char[]> text_;  // what the edges' views point into; stays when the tree moves
  size_t text_used_ = 0;
  uint16_t reserved_ = 0;
  bool slash_at_end_ = false;  // of a route's path
};

}  // namespace tollgate::proxy
