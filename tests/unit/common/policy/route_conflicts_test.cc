#include "common/policy/route_conflicts.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<RouteShape> Shapes(std::vector<std::pair<absl::string_view, std::string>> routes) {
  std::vector<RouteShape> shapes;
  for (const auto& [method, path] : routes) {
    auto segments = ParsePathTemplate(path);
    shapes.push_back({method, segments.ok() ? *segments : std::vector<PathSegment>{}});
  }
  return shapes;
}

TEST(RouteConflicts, SameShapeAndMethodConflict) {
  EXPECT_THAT(FindRouteConflicts(Shapes({{"GET", "/a/{id}"},
                                         {"POST", "/a/{id}"},
                                         {"GET", "/a/{name}"},
                                         {"", "/b/**"},
                                         {"", "/b/**"},
                                         {"GET", "/a/{x}"}})),
              ElementsAre(RouteConflict{0, 2}, RouteConflict{3, 4}, RouteConflict{0, 5}));
}

TEST(RouteConflicts, PrecedenceTellsTheOthersApart) {
  EXPECT_THAT(FindRouteConflicts(Shapes({{"GET", "/a/b"},
                                         {"GET", "/a/{id}"},
                                         {"GET", "/a/**"},
                                         {"GET", "/{x}/b"},
                                         {"", "/a/b"},
                                         {"HEAD", "/a/b"},
                                         {"GET", "/a/b/"},
                                         {"GET", "/a"}})),
              IsEmpty());
}

TEST(RouteConflicts, LiteralsAtOnePlaceDifferInMoreThanLetterCase) {
  EXPECT_THAT(
      FindRouteConflicts(Shapes({{"GET", "/users/{id}"},
                                 {"GET", "/Users/export"},
                                 {"POST", "/users/Export"},
                                 {"GET", "/USERS/{id}"},
                                 {"GET", "/users/{id}/Export"},
                                 {"PUT", "/{any}/Users"}})),
      ElementsAre(RouteConflict{0, 1, true}, RouteConflict{1, 2, true}, RouteConflict{0, 3, true}));
}

TEST(RouteConflicts, AMethodIsNotTakenForASegment) {
  EXPECT_THAT(FindRouteConflicts(Shapes({{"GET", "/a"}, {"", "/GET/a"}})), IsEmpty());
}

TEST(RouteConflicts, WhatDidNotParseIsPassedOver) {
  EXPECT_THAT(FindRouteConflicts(Shapes({{"GET", "bad"}, {"GET", "bad"}})), IsEmpty());
}

TEST(WorstMatchSteps, IsTheDepthWithoutAmbiguity) {
  EXPECT_EQ(WorstMatchSteps(Shapes({{"GET", "/a/b/c"}, {"GET", "/d/{x}"}})), 4);
}

TEST(WorstMatchSteps, CountsBothBranches) {
  // root, a, b below a, parameter, b below the parameter.
  EXPECT_EQ(WorstMatchSteps(Shapes({{"GET", "/a/b"}, {"GET", "/{x}/b"}})), 5);
}

TEST(WorstMatchSteps, GrowsWithEachAmbiguousPlace) {
  std::vector<std::pair<absl::string_view, std::string>> routes;
  for (int n = 0; n < 1024; ++n) {
    std::string path;
    for (int bit = 0; bit < 10; ++bit) path += n >> bit & 1 ? "/a" : absl::StrCat("/{p", bit, "}");
    routes.push_back({"GET", path});
  }
  EXPECT_EQ(WorstMatchSteps(Shapes(routes)), 2047);
}

TEST(WorstMatchSteps, IsSmallForManyRoutes) {
  std::vector<std::pair<absl::string_view, std::string>> routes;
  for (int n = 0; n < 5000; ++n) {
    routes.push_back({"GET", absl::StrCat("/r", n, "/{id}")});
    routes.push_back({"GET", absl::StrCat("/r", n, "/search")});
  }
  EXPECT_EQ(WorstMatchSteps(Shapes(routes)), 4);
}

}  // namespace
}  // namespace tollgate
