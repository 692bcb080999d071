// Config resources: what a control plane (or a policy file) sends. Input that begins with '{' is a
// bundle in JSON, other input one on the wire; each is a path too. Whatever comes, the sidecar
// refuses it or has a Policy that keeps its promises.
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "common/policy/from_proto.h"
#include "common/policy/path.h"
#include "google/protobuf/stubs/logging.h"

namespace tollgate {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void TryPath(absl::string_view raw) {
  std::string scratch, again;
  const CanonicalResult once = CanonicalPath(raw, &scratch);
  if (!once.ok()) return;
  Require(once.path.size() <= raw.size());
  Require(once.path.find("//") == absl::string_view::npos);
  const CanonicalResult twice = CanonicalPath(once.path, &again);
  Require(twice.ok() && twice.path.data() == once.path.data());
}

void TryBundle(const config::v1::Bundle& bundle) {
  const PolicyOrErrors result = FromBundle(bundle);
  for (const ResourceError& error : result.errors) {
    Require(!error.code.empty() && !error.message.empty() && !ToString(error).empty());
  }
  BundleToRedactedJson(bundle);
  if (!result.ok()) return;
  const Policy& policy = result.policy;
  for (const auto& [name, table] : policy.route_tables) {
    for (const RoutePolicy& route : table.routes) {
      Require(route.is_public != !route.require.empty());
      Require(ParsePathTemplate(route.path).ok());
      Require(policy.upstreams.contains(route.upstream));
      Require(route.plan.empty() || policy.plans.contains(route.plan));
    }
  }
  for (const auto& [name, listener] : policy.listeners) {
    for (const ApiBindingPolicy& api : listener.apis) {
      Require(listener.direction == Direction::kInbound || api.authenticate.empty());
      for (const std::string& table : api.route_tables) {
        Require(policy.route_tables.contains(table));
      }
    }
  }
}

}  // namespace
}  // namespace tollgate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  tollgate::TryPath(input);
  if (!input.empty() && input[0] == '{') {
    const auto bundle = tollgate::BundleFromJson(input);
    if (bundle.ok()) tollgate::TryBundle(*bundle);
    return 0;
  }
  google::protobuf::LogSilencer silencer;  // about text that is not UTF-8
  tollgate::config::v1::Bundle bundle;
  if (bundle.ParseFromArray(data, static_cast<int>(size))) tollgate::TryBundle(bundle);
  return 0;
}
