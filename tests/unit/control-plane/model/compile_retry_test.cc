// Hedging and deadlines as operators write them; retries are in compile_api_test.cc.
#include "gmock/gmock.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Yaml(absl::string_view match, absl::string_view more) {
  return absl::StrCat(
      "kind: Service\nname: s\nlocal: 127.0.0.1:9\n---\nkind: Api\nname: a\nhosts: [x]\n"
      "service: s\nversions: [{name: v, state: active, routes: [{name: r, match: ",
      match, " /p, public: true, timeout: 2s, ", more, "}]}]\n");
}
std::string Problems(absl::string_view match, absl::string_view more) {
  return ProblemsOf(Yaml(match, more));
}
HedgePolicy Hedge(absl::string_view hedge) {
  const Model model = ModelOf(Yaml("GET", absl::StrCat("hedge: ", hedge)));
  return model.apis.at("a").versions.at(0).routes.at(0).hedge;
}

TEST(CompileHedge, SaysWhenAndHowMany) {
  EXPECT_EQ(Hedge("{after: 80ms, max: 3}"), (HedgePolicy{milliseconds(80), 3}));
  EXPECT_EQ(Hedge("{after: 2s}"), (HedgePolicy{milliseconds(2000), 1}));
}

TEST(CompileHedge, NeedsATimeWithinTheRoutes) {
  EXPECT_THAT(
      Problems("GET", "hedge: {max: 1}"),
      AllOf(HasSubstr("versions[0].routes[0].hedge.after: is missing"), HasSubstr("after: 50ms")));
  EXPECT_THAT(Problems("GET", "hedge: {after: 3s}"),
              HasSubstr("hedge.after: \"3s\": is longer than the timeout of the route"));
  EXPECT_THAT(Problems("GET", "hedge: {after: soon}"), HasSubstr("hedge.after: \"soon\""));
  for (const char* max : {"0", "4"}) {
    EXPECT_THAT(Problems("GET", absl::StrCat("hedge: {after: 80ms, max: ", max, "}")),
                HasSubstr("expected 1 to 3"));
  }
}

TEST(CompileHedge, IsRefusedForWhatMayPayTwice) {
  for (const char* method : {"GET", "HEAD", "OPTIONS"}) {
    EXPECT_EQ(Problems(method, "hedge: {after: 80ms}"), "") << method;
  }
  for (const char* method : {"POST", "PATCH", "PUT", "DELETE"}) {
    EXPECT_THAT(Problems(method, "hedge: {after: 80ms}"),
                AllOf(HasSubstr(absl::StrCat("the same ", method)),
                      HasSubstr("Hedge only routes of GET, HEAD or OPTIONS")))
        << method;
  }
}

TEST(CompileDeadline, IsForwardedWhenAskedAlwaysOrNever) {
  const auto forward = [](absl::string_view more) {
    return ModelOf(absl::StrCat("kind: Service\nname: s\n", more))
        .services.at("s")
        .upstream.forward_deadline;
  };
  EXPECT_EQ(forward(""), ForwardDeadline::kIfAsked);
  EXPECT_EQ(forward("forward_deadline: true\n"), ForwardDeadline::kAlways);
  EXPECT_EQ(forward("forward_deadline: false\n"), ForwardDeadline::kNever);
}

}  // namespace
}  // namespace tollgate::control
