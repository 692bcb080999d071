#include "proxy/route/route_tree.h"

#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/policy/route_conflicts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using ::testing::HasSubstr;

// Routes written "METHOD /path"; "ANY" is every method. A route's name is its text.
RouteTree Tree(const std::vector<std::string>& lines) {
  std::vector<RoutePolicy> routes;
  for (const std::string& line : lines) {
    const size_t space = line.find(' ');
    RoutePolicy route;
    route.name = line;
    route.method = line.substr(0, space) == "ANY" ? "" : line.substr(0, space);
    route.path = line.substr(space + 1);
    routes.push_back(route);
  }
  auto tree = RouteTree::Build(routes);
  EXPECT_TRUE(tree.ok()) << tree.status();
  return *std::move(tree);
}

// The index of the route, or the status that answers.
int Match(const RouteTree& tree, absl::string_view method, absl::string_view path) {
  const RouteMatch match = tree.Match(method, path);
  switch (match.kind) {
    case RouteMatch::Kind::kFound:
      return static_cast<int>(match.route);
    case RouteMatch::Kind::kNotFound:
      return 404;
    case RouteMatch::Kind::kMethodNotAllowed:
      return 405;
  }
  return -1;
}

TEST(RouteTree, FindsLiteralParameterAndTail) {
  const RouteTree tree =
      Tree({"GET /payments", "GET /payments/{id}", "GET /payments/{id}/refunds", "GET /files/**"});
  EXPECT_EQ(Match(tree, "GET", "/payments"), 0);
  EXPECT_EQ(Match(tree, "GET", "/payments/42"), 1);
  EXPECT_EQ(Match(tree, "GET", "/payments/42/refunds"), 2);
  EXPECT_EQ(Match(tree, "GET", "/files/a/b/c"), 3);
  EXPECT_EQ(Match(tree, "GET", "/payments/42/other"), 404);
  EXPECT_EQ(Match(tree, "GET", "/payment"), 404);
  EXPECT_EQ(Match(tree, "GET", "/"), 404);
}

// The routes of which a server that ignores case and a last slash would serve another.
bool Ambiguous(const RouteTree& tree, absl::string_view path) {
  const RouteMatch match = tree.Match("GET", path);
  EXPECT_TRUE(match.found()) << path;
  return tree.ReadsAsAnother("GET", path, match.route);
}

TEST(RouteTree, KnowsAPathThatIsAnotherRouteButForLetterCase) {
  const RouteTree tree = Tree({"GET /payments/{id}", "GET /payments/export", "GET /payments/All",
                               "POST /payments/close", "GET /**"});
  for (const char* path : {"/payments/Export", "/payments/EXPORT", "/Payments/export",
                           "/PAYMENTS/7", "/payments/all", "/payments/ALL"}) {
    EXPECT_TRUE(Ambiguous(tree, path)) << path;
  }
  for (const char* path : {"/payments/export", "/payments/7", "/payments/PAY7", "/payments/All",
                           "/payments/Exports", "/payments/Close", "/X/Y"}) {
    EXPECT_FALSE(Ambiguous(tree, path)) << path;
  }
}

TEST(RouteTree, RefusesLiteralsThatDifferInLetterCaseOnly) {
  std::vector<RoutePolicy> routes(2);
  routes[0].name = "read";
  routes[0].path = "/users/{id}";
  routes[1].name = "export";
  routes[1].path = "/Users/export";
  EXPECT_THAT(std::string(RouteTree::Build(routes).status().message()), HasSubstr("letter case"));
}

// However the literals are spelt, every step of a loose lookup is one of the tree's nodes once.
TEST(RouteTree, ALooseLookupTakesNoMoreStepsThanAnExactOne) {
  std::string literals;
  for (int i = 0; i < 31; ++i) literals += "/Abc";
  const RouteTree tree = Tree({"GET " + literals, "GET /**"});
  const std::string path = literals + "/x";
  const RouteMatch match = tree.Match("GET", path);
  EXPECT_EQ(match.route, 1u);
  EXPECT_FALSE(tree.ReadsAsAnother("GET", path, match.route));  // 2^31 steps would not end
}

TEST(RouteTree, KnowsAPathThatIsAnotherRouteButForASlashAtTheEnd) {
  const RouteTree tree =
      Tree({"GET /payments", "GET /payments/export", "GET /payments/{id}/refunds", "GET /cards/",
            "GET /users", "GET /users/", "GET /{any}", "GET /**"});
  for (const char* path : {"/payments/", "/payments/export/", "/payments/7/refunds/", "/cards",
                           "/x/", "/Payments/Export/"}) {
    EXPECT_TRUE(Ambiguous(tree, path)) << path;
  }
  for (const char* path : {"/payments", "/payments/export", "/payments/export/x", "/cards/",
                           "/users", "/users/", "/payments/x/", "/", "/x"}) {
    EXPECT_FALSE(Ambiguous(tree, path)) << path;
  }
}

TEST(RouteTree, ATailTakesZeroOrMoreSegments) {
  const RouteTree tree = Tree({"GET /files/**"});
  EXPECT_EQ(Match(tree, "GET", "/files"), 0);
  EXPECT_EQ(Match(tree, "GET", "/files/"), 0);
  EXPECT_EQ(Match(tree, "GET", "/files/a"), 0);
  EXPECT_EQ(Match(tree, "GET", "/filesystem"), 404);
  const RouteTree all = Tree({"ANY /**"});
  EXPECT_EQ(Match(all, "GET", "/"), 0);
  EXPECT_EQ(Match(all, "PUT", "/a/b/"), 0);
}

TEST(RouteTree, AParameterTakesExactlyOneNonEmptySegment) {
  const RouteTree tree = Tree({"GET /payments/{id}"});
  EXPECT_EQ(Match(tree, "GET", "/payments"), 404);
  EXPECT_EQ(Match(tree, "GET", "/payments/"), 404);
  EXPECT_EQ(Match(tree, "GET", "/payments/1/"), 404);
}

TEST(RouteTree, TrailingSlashesAreDifferentPaths) {
  const RouteTree tree = Tree({"GET /", "GET /a", "GET /a/"});
  EXPECT_EQ(Match(tree, "GET", "/"), 0);
  EXPECT_EQ(Match(tree, "GET", "/a"), 1);
  EXPECT_EQ(Match(tree, "GET", "/a/"), 2);
}

TEST(RouteTree, LiteralBeforeParameterBeforeTailLeftmostFirst) {
  const RouteTree tree = Tree({"GET /**", "GET /{x}/b", "GET /a/{y}", "GET /a/b", "GET /a/**"});
  EXPECT_EQ(Match(tree, "GET", "/a/b"), 3);
  EXPECT_EQ(Match(tree, "GET", "/a/c"), 2);
  EXPECT_EQ(Match(tree, "GET", "/z/b"), 1);
  EXPECT_EQ(Match(tree, "GET", "/a/b/c"), 4);
  EXPECT_EQ(Match(tree, "GET", "/z/y/x"), 0);
}

TEST(RouteTree, GoesBackWhenTheLiteralLeadsNowhere) {
  const RouteTree tree = Tree({"GET /a/b/c", "GET /{x}/b/d", "GET /{x}/{y}/e", "GET /a/**"});
  EXPECT_EQ(Match(tree, "GET", "/z/b/d"), 1);
  EXPECT_EQ(Match(tree, "GET", "/z/b/e"), 2);
  EXPECT_EQ(Match(tree, "GET", "/a/b/d"), 3);  // literal "a" and its tail come before {x}
}

TEST(RouteTree, AnotherMethodDoesNotHideALessSpecificRoute) {
  const RouteTree tree = Tree({"GET /payments/{id}", "POST /payments/search"});
  EXPECT_EQ(Match(tree, "POST", "/payments/search"), 1);
  EXPECT_EQ(Match(tree, "GET", "/payments/search"), 0);
  EXPECT_EQ(Match(tree, "DELETE", "/payments/search"), 405);
  EXPECT_EQ(tree.Allow("/payments/search"), "GET, HEAD, POST");
}

TEST(RouteTree, HeadIsAnsweredByGet) {
  const RouteTree tree = Tree({"GET /a", "GET /b", "HEAD /b", "ANY /c", "GET /c", "POST /d"});
  EXPECT_EQ(Match(tree, "HEAD", "/a"), 0);
  EXPECT_EQ(Match(tree, "HEAD", "/b"), 2);
  EXPECT_EQ(Match(tree, "HEAD", "/c"), 4);
  EXPECT_EQ(Match(tree, "HEAD", "/d"), 405);
}

TEST(RouteTree, TheOwnMethodComesBeforeEveryMethod) {
  const RouteTree tree = Tree({"ANY /a", "POST /a"});
  EXPECT_EQ(Match(tree, "POST", "/a"), 1);
  EXPECT_EQ(Match(tree, "PUT", "/a"), 0);
}

TEST(RouteTree, TraceAndConnectMatchNothing) {
  const RouteTree tree = Tree({"ANY /a"});
  EXPECT_EQ(Match(tree, "TRACE", "/a"), 405);
  EXPECT_EQ(Match(tree, "CONNECT", "/a"), 405);
  EXPECT_EQ(Match(tree, "TRACE", "/b"), 404);
  EXPECT_EQ(tree.Allow("/a"), "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
}

TEST(RouteTree, MethodsAreCaseSensitive) { EXPECT_EQ(Match(Tree({"GET /a"}), "get", "/a"), 405); }

TEST(RouteTree, EmptyFindsNothing) {
  const RouteTree tree = Tree({});
  EXPECT_EQ(Match(tree, "GET", "/"), 404);
  EXPECT_EQ(tree.Allow("/"), "");
}

TEST(RouteTree, OwnsItsTextAndMoves) {
  auto tree = [] {
    std::vector<RoutePolicy> routes(1);
    routes[0].method = "GET";
    routes[0].path = "/a";  // short: would sit inside a std::string
    return *RouteTree::Build(routes);
  }();
  const RouteTree moved = std::move(tree);
  EXPECT_EQ(Match(moved, "GET", "/a"), 0);
}

TEST(RouteTree, RefusesWhatValidationRefuses) {
  std::vector<RoutePolicy> routes(2);
  routes[0].name = "one";
  routes[1].name = "two";
  routes[0].path = "/a/{x}";
  routes[1].path = "/a/{y}";
  auto conflict = RouteTree::Build(routes);
  ASSERT_FALSE(conflict.ok());
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr("one and two"));
  routes[1].path = "a";
  EXPECT_FALSE(RouteTree::Build(routes).ok());
}

// {literal, parameter} at each of n places: 2^n routes, and a path that fails at the very end
// visits nearly all of their nodes. Tables are refused before that hurts.
std::vector<RoutePolicy> Adversarial(int places) {
  std::vector<RoutePolicy> routes;
  for (int n = 0; n < 1 << places; ++n) {
    RoutePolicy route;
    route.method = "GET";
    for (int bit = 0; bit < places; ++bit) {
      absl::StrAppend(&route.path, n >> bit & 1 ? "/a" : absl::StrCat("/{p", bit, "}"));
    }
    route.path += "/end";
    routes.push_back(route);
  }
  return routes;
}

TEST(RouteTree, BoundsBacktracking) {
  auto largest = RouteTree::Build(Adversarial(7));  // 127 nodes + 2 * 128 + ... <= 512
  ASSERT_TRUE(largest.ok()) << largest.status();
  EXPECT_EQ(Match(*largest, "GET", "/a/a/a/a/a/a/a/end"), 127);
  EXPECT_EQ(Match(*largest, "GET", "/a/a/a/a/a/a/a/nowhere"), 404);
  EXPECT_EQ(Match(*largest, "POST", "/a/a/a/a/a/a/a/end"), 405);
  auto refused = RouteTree::Build(Adversarial(9));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("at most 512"));
}

TEST(RouteTree, FindsEachOfManyRoutes) {
  constexpr int kResources = 10'000;
  std::vector<std::string> lines;
  for (int i = 0; i < kResources; ++i) {
    lines.push_back(absl::StrCat("GET /svc", i % 97, "/resource", i, "/{id}"));
    lines.push_back(absl::StrCat("POST /svc", i % 97, "/resource", i));
  }
  const RouteTree tree = Tree(lines);
  for (int i = 0; i < kResources; ++i) {
    const std::string path = absl::StrCat("/svc", i % 97, "/resource", i);
    ASSERT_EQ(tree.Match("POST", path).route, 2u * i + 1);
    ASSERT_EQ(tree.Match("GET", path + "/x").route, 2u * i);
    ASSERT_EQ(Match(tree, "GET", path + "x"), 404);
  }
}

TEST(RouteTree, AnswersManyThreads) {
  const RouteTree tree = Tree({"GET /a/{x}", "GET /a/b", "POST /c/**"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(Match(tree, "GET", "/a/b"), 1);
        ASSERT_EQ(Match(tree, "GET", "/a/c"), 0);
        ASSERT_EQ(Match(tree, "POST", "/c/d/e"), 2);
      }
    });
  }
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace tollgate::proxy
