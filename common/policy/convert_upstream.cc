// Upstreams and their endpoints.
#include <set>

#include "absl/strings/str_cat.h"
#include "common/policy/balancing.h"
#include "common/policy/convert.h"

namespace tollgate::internal {
namespace {

constexpr EnumValue<Protocol> kProtocols[] = {{config::v1::PROTOCOL_HTTP1, Protocol::kHttp1}};
constexpr EnumValue<Balance> kBalances[] = {
    {config::v1::BALANCE_PEAK_EWMA, Balance::kPeakEwma},
    {config::v1::BALANCE_ROUND_ROBIN, Balance::kRoundRobin},
    {config::v1::BALANCE_LEAST_REQUEST, Balance::kLeastRequest},
    {config::v1::BALANCE_RANDOM, Balance::kRandom},
    {config::v1::BALANCE_RING_HASH, Balance::kRingHash},
    {config::v1::BALANCE_MAGLEV, Balance::kMaglev},
    {config::v1::BALANCE_LOAD_WEIGHTED, Balance::kLoadWeighted}};
constexpr uint64_t kMaxConnections = 1'000'000;

OutlierDetectionPolicy ConvertOutlierDetection(const config::v1::OutlierDetection& from,
                                               const At& at, Errors& errors) {
  OutlierDetectionPolicy to;
  to.enabled = from.enabled();
  if (!to.enabled) return to;  // the numbers mean nothing then
  to.consecutive_errors = from.consecutive_errors();
  CheckRange(from.consecutive_errors(), 1, 1'000'000, at["consecutive_errors"], errors);
  to.base_ejection =
      CheckMillis(from.base_ejection_ms(), 1, kDayMs, at["base_ejection_ms"], errors);
  to.max_ejected_percent = from.max_ejected_percent();
  CheckRange(from.max_ejected_percent(), 0, 100, at["max_ejected_percent"], errors);
  to.interval = CheckMillis(from.interval_ms(), 1, kDayMs, at["interval_ms"], errors);
  if (from.has_success_rate()) {
    to.success_rate = ConvertSuccessRate(from.success_rate(), at["success_rate"], errors);
  }
  if (from.has_failure_percentage()) {
    to.failure_percentage =
        ConvertFailurePercentage(from.failure_percentage(), at["failure_percentage"], errors);
  }
  return to;
}

UpstreamPolicy ConvertUpstream(const config::v1::Upstream& from, Errors& errors) {
  const At at;
  UpstreamPolicy to;
  to.name = from.name();
  to.protocol = CheckEnum(from.protocol(), kProtocols, at["protocol"], errors);
  to.balance = CheckEnum(from.balance(), kBalances, at["balance"], errors);
  const At balancing = at["balancing"];
  if (from.has_balancing()) {
    to.balancing = ConvertBalancing(from.balancing(), to.balance, balancing, errors);
  } else if (IsHashing(to.balance)) {
    errors.Add(Code::kMissing, balancing, "ring hash and Maglev need something to hash");
  }
  to.connect_timeout =
      CheckMillis(from.connect_timeout_ms(), 1, kDayMs, at["connect_timeout_ms"], errors);
  to.idle_timeout = CheckMillis(from.idle_timeout_ms(), 1, kDayMs, at["idle_timeout_ms"], errors);
  to.max_connections = from.max_connections();
  CheckRange(from.max_connections(), 1, kMaxConnections, at["max_connections"], errors);
  to.max_pending = from.max_pending();  // 0: a request never waits for a connection
  CheckRange(from.max_pending(), 0, kMaxConnections, at["max_pending"], errors);
  if (from.has_outlier_detection()) {
    const At place = at["outlier_detection"];
    to.outlier_detection = ConvertOutlierDetection(from.outlier_detection(), place, errors);
  }
  if (from.has_retry_budget()) {
    const At place = at["retry_budget"];
    to.retry_budget = {from.retry_budget().percent(), from.retry_budget().min_concurrent(),
                       from.retry_budget().max_concurrent()};
    CheckRange(to.retry_budget.percent, 0, 100, place["percent"], errors);
    CheckRange(to.retry_budget.min_concurrent, 0, 1'000'000, place["min_concurrent"], errors);
    CheckRange(to.retry_budget.max_concurrent, 0, 1'000'000, place["max_concurrent"], errors);
  }
  if (from.max_requests() != 0) {
    to.max_requests = from.max_requests();
    CheckRange(from.max_requests(), 1, kMaxConnections, at["max_requests"], errors);
  }
  if (from.has_forward_deadline()) {
    to.forward_deadline =
        from.forward_deadline() ? ForwardDeadline::kAlways : ForwardDeadline::kNever;
  }
  if (from.has_adaptive_concurrency()) {
    to.adaptive_concurrency = ConvertAdaptiveConcurrency(from.adaptive_concurrency(),
                                                         at["adaptive_concurrency"], errors);
  }
  if (from.has_health_check()) {
    to.health_check = ConvertHealthCheck(from.health_check(), at["health_check"], errors);
  }
  to.response_headers = CheckHeaders(from.response_headers(), at, errors);
  return to;
}

std::vector<EndpointPolicy> ConvertEndpoints(const config::v1::Endpoints& from, Errors& errors) {
  const At root;
  std::vector<EndpointPolicy> to;
  std::set<Address> seen;
  for (int i = 0; i < from.endpoints_size(); ++i) {
    const config::v1::Endpoint& endpoint = from.endpoints(i);
    const At at = root("endpoints", i);
    CheckRange(endpoint.weight(), 1, 1000, at["weight"], errors);
    auto address = Address::Parse(endpoint.address());
    if (!address.ok()) {
      errors.Add(endpoint.address().empty() ? Code::kMissing : Code::kInvalid, at["address"],
                 std::string(address.status().message()));
      continue;
    }
    if (address->kind() != Address::Kind::kUnix && address->port() == 0) {
      errors.Add(Code::kOutOfRange, at["address"],
                 absl::StrCat(endpoint.address(), " has port 0; expected 1 to 65535"));
    }
    if (!seen.insert(*address).second) {
      errors.Add(Code::kDuplicate, at["address"],
                 absl::StrCat(address->ToString(), " stands here already; use weight"));
    }
    if (!endpoint.zone().empty()) CheckIdentifier(endpoint.zone(), at["zone"], errors);
    CheckRange(endpoint.priority(), 0, kMaxPriority, at["priority"], errors);
    to.push_back({*std::move(address), endpoint.weight(), endpoint.zone(), endpoint.priority()});
  }
  return to;
}

// A Maglev table has room for every endpoint.
void CheckTableSize(const UpstreamPolicy& upstream, size_t endpoints, Errors& errors) {
  if (upstream.balance != Balance::kMaglev || upstream.balancing.table_size >= endpoints) return;
  const At root;
  errors.Add(Code::kOutOfRange, root["endpoints"],
             absl::StrCat(endpoints, " endpoints; expected at most balancing.table_size, ",
                          upstream.balancing.table_size));
}

// A Unix socket has no other port that probes could try.
void CheckProbePort(const UpstreamPolicy& upstream, const std::vector<EndpointPolicy>& endpoints,
                    Errors& errors) {
  if (!upstream.health_check || upstream.health_check->port == 0) return;
  const At root;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    if (endpoints[i].address.kind() != Address::Kind::kUnix) continue;
    errors.Add(Code::kConflict, root("endpoints", static_cast<int>(i))["address"],
               absl::StrCat(endpoints[i].address.ToString(),
                            " is a Unix socket, but health_check.port is ",
                            upstream.health_check->port, "; expected 0"));
  }
}

}  // namespace

void ConvertUpstreams(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  for (int i = 0; i < bundle.upstreams_size(); ++i) {
    const config::v1::Upstream& from = bundle.upstreams(i);
    const bool unique = EnterResource("Upstream", from.name(), i, policy.upstreams, "name", errors);
    UpstreamPolicy to = ConvertUpstream(from, errors);
    if (unique) policy.upstreams.emplace(from.name(), std::move(to));
  }
  const At root;
  std::set<std::string> with_endpoints;
  for (int i = 0; i < bundle.endpoints_size(); ++i) {
    const config::v1::Endpoints& from = bundle.endpoints(i);
    const bool unique =
        EnterResource("Endpoints", from.upstream(), i, with_endpoints, "upstream", errors);
    std::vector<EndpointPolicy> to = ConvertEndpoints(from, errors);
    if (!unique) continue;
    with_endpoints.insert(from.upstream());
    auto upstream = policy.upstreams.find(from.upstream());
    if (CheckReference(upstream != policy.upstreams.end(), "an Upstream", from.upstream(),
                       root["upstream"], errors)) {
      CheckTableSize(upstream->second, to.size(), errors);
      CheckProbePort(upstream->second, to, errors);
      upstream->second.endpoints = std::move(to);
    }
  }
  for (const auto& [name, upstream] : policy.upstreams) {
    if (with_endpoints.contains(name)) continue;
    errors.Enter("Upstream", name, 0);
    errors.Add(Code::kMissing, root, "has no Endpoints resource; one without endpoints will do");
  }
}

}  // namespace tollgate::internal
