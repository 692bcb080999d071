// What matching costs a request: canonical path, API, version, route.
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/policy/path.h"
#include "proxy/route/api_table.h"
#include "proxy/route/lifecycle.h"
#include "proxy/route/route_tree.h"

namespace tollgate::proxy {
namespace {

void BM_CanonicalPathUnchanged(benchmark::State& state) {
  const std::string raw = "/payments/pay_1234567890/refun";  // 30 bytes
  std::string scratch;
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalPath(raw, &scratch));
}
BENCHMARK(BM_CanonicalPathUnchanged);

void BM_CanonicalPathRewritten(benchmark::State& state) {
  const std::string raw = "/payments//%70ay_12345/../refu";
  std::string scratch;
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalPath(raw, &scratch));
}
BENCHMARK(BM_CanonicalPathRewritten);

// As real APIs are: resources with a few operations each.
std::vector<RoutePolicy> Routes(int count) {
  std::vector<RoutePolicy> routes(count);
  for (int i = 0; i < count; ++i) {
    const int resource = i / 4;
    const std::string base = absl::StrCat("/area", resource % 50, "/resource", resource);
    RoutePolicy& route = routes[i];
    route.name = absl::StrCat("r", i);
    route.method = i % 4 == 1 ? "POST" : "GET";
    route.path = i % 4 < 2 ? base : i % 4 == 2 ? base + "/{id}" : base + "/{id}/refunds";
  }
  return routes;
}

void BM_MatchRoute(benchmark::State& state) {
  const int count = static_cast<int>(state.range(0));
  const auto tree = RouteTree::Build(Routes(count));
  std::vector<std::string> paths;  // spread over the tree, so that caches do not flatter
  for (int i = 0; i < 1024; ++i) {
    const int resource = static_cast<int>(i * 2654435761u % (count / 4 + 1));
    paths.push_back(absl::StrCat("/area", resource % 50, "/resource", resource, "/p42/refunds"));
  }
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(tree->Match("GET", paths[i++ & 1023]));
}
BENCHMARK(BM_MatchRoute)->Arg(10)->Arg(1000)->Arg(100'000);

void BM_BuildTree(benchmark::State& state) {
  const auto routes = Routes(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(RouteTree::Build(routes));
}
BENCHMARK(BM_BuildTree)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// The most steps that validation allows, and a path that takes them all.
void BM_MatchAdversarial(benchmark::State& state) {
  std::vector<RoutePolicy> routes;
  for (int n = 0; n < 128; ++n) {
    RoutePolicy route;
    route.method = "GET";
    for (int bit = 0; bit < 7; ++bit) {
      absl::StrAppend(&route.path, n >> bit & 1 ? "/a" : absl::StrCat("/{p", bit, "}"));
    }
    route.path += "/end";
    routes.push_back(route);
  }
  const auto tree = RouteTree::Build(routes);
  for (auto _ : state) benchmark::DoNotOptimize(tree->Match("POST", "/a/a/a/a/a/a/a/end"));
}
BENCHMARK(BM_MatchAdversarial);

ApiTable Apis(int count) {
  std::vector<ApiBindingPolicy> apis;
  for (int i = 0; i < count; ++i) {
    ApiBindingPolicy api;
    api.api = absl::StrCat("api", i);
    api.hosts = {absl::StrCat("host", i % 100, ".example.com")};
    api.base_path = absl::StrCat("/api", i);
    api.version_from.path = true;
    api.version_from.strip = true;
    api.route_tables = {api.api + "/v1", api.api + "/v2"};
    apis.push_back(api);
  }
  return *ApiTable::Build(apis);
}

void BM_MatchApi(benchmark::State& state) {
  const ApiTable table = Apis(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.Match("Host7.example.com:8080", "/api7/v2/payments/42"));
  }
}
BENCHMARK(BM_MatchApi)->Arg(10)->Arg(1000)->Arg(100'000);

void BM_SelectVersion(benchmark::State& state) {
  const ApiTable table = Apis(10);
  const ApiEntry* entry = table.Match("host7.example.com", "/api7/v2/payments/42");
  std::string scratch;
  for (auto _ : state) {
    benchmark::DoNotOptimize(SelectVersion(*entry, "/api7/v2/payments/42", {}, &scratch));
  }
}
BENCHMARK(BM_SelectVersion);

void BM_Lifecycle(benchmark::State& state) {
  RouteTablePolicy table;
  table.deprecated = FromUnixSeconds(1'688'169'599);
  table.sunset = FromUnixSeconds(1'719'791'999);
  const Lifecycle lifecycle(table, "/v2/");
  const WallTime now = FromUnixSeconds(1'700'000'000);
  for (auto _ : state) benchmark::DoNotOptimize(lifecycle.At(now));
}
BENCHMARK(BM_Lifecycle);

}  // namespace
}  // namespace tollgate::proxy
