// Services and their listeners.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/policy/balancing.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr absl::string_view kDefaultOutbound = "127.0.0.1:15001";

OutlierDetectionPolicy CompileOutliers(const model::v1::OutlierDetection& spec, Checker* check) {
  OutlierDetectionPolicy out;
  out.enabled = !spec.disabled();
  out.consecutive_errors =
      check->TakeNumber("outlier_detection.consecutive_errors", spec.has_consecutive_errors(),
                        spec.consecutive_errors(), out.consecutive_errors, 1, 1000);
  out.max_ejected_percent =
      check->TakeNumber("outlier_detection.max_ejected_percent", spec.has_max_ejected_percent(),
                        spec.max_ejected_percent(), out.max_ejected_percent, 0, 100);
  out.base_ejection = check->TakeDuration("outlier_detection.base_ejection", spec.base_ejection(),
                                          out.base_ejection);
  out.interval = check->TakeDuration("outlier_detection.interval", spec.interval(), out.interval);
  if (spec.has_success_rate()) out.success_rate = CompileSuccessRate(spec.success_rate(), check);
  if (spec.has_failure_percentage()) {
    out.failure_percentage = CompileFailurePercentage(spec.failure_percentage(), check);
  }
  return out;
}

RetryBudgetPolicy CompileBudget(const model::v1::RetryBudget& spec, Checker* check) {
  RetryBudgetPolicy out;
  out.percent = check->TakeNumber("retry_budget.percent", spec.has_percent(), spec.percent(),
                                  out.percent, 0, 100);
  out.min_concurrent = check->TakeNumber("retry_budget.min_concurrent", spec.has_min_concurrent(),
                                         spec.min_concurrent(), out.min_concurrent, 0, 1000);
  out.max_concurrent = check->TakeNumber("retry_budget.max_concurrent", spec.has_max_concurrent(),
                                         spec.max_concurrent(), 0, 1, 1'000'000);
  return out;
}

void CompileEndpoints(const model::v1::Service& spec, Checker* check, ServiceModel* service) {
  absl::flat_hash_map<Address, size_t> addresses;
  absl::flat_hash_map<std::string, size_t> instances;
  for (int i = 0; i < spec.endpoints_size(); ++i) {
    const model::v1::Endpoint& endpoint = spec.endpoints(i);
    InstanceModel instance;
    const std::string at = At("endpoints", i, "address");
    if (endpoint.address().empty()) check->Report(at, "", "is missing");
    if (auto address = check->TakeAddress(at, endpoint.address())) {
      check->NeedPlaintext(at, *address, spec.plaintext());
      if (auto [it, fresh] = addresses.emplace(*address, i); !fresh) {
        check->Report(at, endpoint.address(),
                      absl::StrCat("is the address of endpoints[", it->second, "] already"));
      }
      instance.endpoint.address = *std::move(address);
    }
    instance.endpoint.weight = check->TakeNumber(
        At("endpoints", i, "weight"), endpoint.has_weight(), endpoint.weight(), 1, 1, 1000);
    instance.endpoint.zone = endpoint.zone();
    if (!endpoint.zone().empty()) {
      check->Check(At("endpoints", i, "zone"), endpoint.zone(), CheckIdentifier(endpoint.zone()));
    }
    instance.endpoint.priority =
        check->TakeNumber(At("endpoints", i, "priority"), endpoint.has_priority(),
                          endpoint.priority(), 0, 0, kMaxPriority);
    const std::string who = At("endpoints", i, "instance");
    instance.instance = endpoint.instance();
    if (!endpoint.instance().empty() &&
        check->Check(who, endpoint.instance(), CheckIdentifier(endpoint.instance()))) {
      if (auto [it, fresh] = instances.emplace(endpoint.instance(), i); !fresh) {
        check->Report(who, endpoint.instance(),
                      absl::StrCat("is the instance of endpoints[", it->second, "] already"));
      }
    }
    const std::string where = At("endpoints", i, "local");
    if (auto local = check->TakeAddress(where, endpoint.local())) {
      check->NeedPlaintext(where, *local, spec.plaintext());
      instance.local = *std::move(local);
    } else if (service->local) {
      instance.local = *service->local;
    } else if (endpoint.local().empty() && spec.local().empty()) {
      check->Report(where, "", "nobody says where the sidecar of this endpoint delivers",
                    "Set local of the Service, or of this endpoint, e.g. local: 127.0.0.1:9000");
    }
    service->upstream.endpoints.push_back(instance.endpoint);
    service->instances.push_back(std::move(instance));
  }
}

}  // namespace

void CompileService(const model::v1::Service& spec, Checker* check, Model* model) {
  ServiceModel service;
  UpstreamPolicy& upstream = service.upstream;
  upstream.name = check->name();
  check->TakeWord("protocol", spec.protocol(), {"http1"}, 0);
  CompileBalance(spec.balance(), check, &upstream);
  upstream.connect_timeout =
      check->TakeDuration("connect_timeout", spec.connect_timeout(), upstream.connect_timeout);
  upstream.idle_timeout =
      check->TakeDuration("idle_timeout", spec.idle_timeout(), upstream.idle_timeout);
  upstream.max_connections =
      check->TakeNumber("max_connections", spec.has_max_connections(), spec.max_connections(),
                        upstream.max_connections, 1, 1'000'000);
  upstream.max_pending = check->TakeNumber("max_pending", spec.has_max_pending(),
                                           spec.max_pending(), upstream.max_pending, 0, 1'000'000);
  upstream.max_requests =
      check->TakeNumber("max_requests", spec.has_max_requests(), spec.max_requests(),
                        upstream.max_requests, 1, 1'000'000);
  if (spec.has_forward_deadline()) {
    upstream.forward_deadline =
        spec.forward_deadline() ? ForwardDeadline::kAlways : ForwardDeadline::kNever;
  }
  if (spec.has_adaptive_concurrency()) {
    upstream.adaptive_concurrency =
        CompileAdaptiveConcurrency(spec.adaptive_concurrency(), check);
  }
  if (spec.has_health_check()) {
    upstream.health_check = CompileHealthCheck(spec.health_check(), check);
  }
  upstream.outlier_detection = CompileOutliers(spec.outlier_detection(), check);
  upstream.retry_budget = CompileBudget(spec.retry_budget(), check);
  upstream.response_headers = check->TakeHeaders("response_headers", spec.response_headers());

  service.plaintext = spec.plaintext();
  service.local = check->TakeAddress("local", spec.local());
  if (service.local) check->NeedPlaintext("local", *service.local, spec.plaintext());
  CompileEndpoints(spec, check, &service);
  if (upstream.balance == Balance::kMaglev &&
      upstream.endpoints.size() > upstream.balancing.table_size) {
    check->Report("balance.table_size", absl::StrCat(upstream.balancing.table_size),
                  absl::StrCat("is too small for ", upstream.endpoints.size(), " endpoints"),
                  "Take a prime of at least a hundred times as many");
  }
  if (upstream.health_check && upstream.health_check->port != 0) {
    for (size_t i = 0; i < service.instances.size(); ++i) {
      const Address& address = service.instances[i].endpoint.address;
      if (address.kind() != Address::Kind::kUnix) continue;
      check->Report(At("endpoints", i, "address"), address.ToString(),
                    "is a Unix socket, which has no other port to check",
                    "Leave health_check.port out");
    }
  }
  service.uses =
      check->TakeTexts("uses", spec.uses(), [](absl::string_view) { return absl::OkStatus(); });
  for (int i = 0; i < spec.uses_size(); ++i) check->Refer(At("uses", i), "Service", spec.uses(i));
  std::sort(service.uses.begin(), service.uses.end());

  service.outbound = *Address::Parse(kDefaultOutbound);
  if (auto outbound = check->TakeAddress("outbound", spec.outbound())) {
    check->NeedPlaintext("outbound", *outbound, spec.plaintext());
    if (outbound->kind() == Address::Kind::kName) {
      check->Report("outbound", spec.outbound(), "a listener needs an address, not a host name");
    }
    service.outbound = *std::move(outbound);
  }
  for (size_t i = 0; i < service.instances.size() && !service.uses.empty(); ++i) {
    if (service.instances[i].endpoint.address.Overlaps(service.outbound)) {
      check->Report(At("endpoints", i, "address"), service.outbound.ToString(),
                    "is the address of the outbound listener too",
                    "Set outbound to another address");
    }
  }
  model->services[check->name()] = std::move(service);
}

void CompileListener(const model::v1::Listener& spec, Checker* check, Model* model) {
  const std::string& name = spec.service().empty() ? check->name() : spec.service();
  const absl::string_view service_field = spec.service().empty() ? "name" : "service";
  ListenerModel listener;
  ListenerPolicy& settings = listener.settings;
  listener.plaintext = spec.plaintext();
  settings.name = check->name();
  settings.max_connections =
      check->TakeNumber("max_connections", spec.has_max_connections(), spec.max_connections(),
                        settings.max_connections, 1, 1'000'000);
  settings.header_timeout =
      check->TakeDuration("header_timeout", spec.header_timeout(), settings.header_timeout);
  settings.idle_timeout =
      check->TakeDuration("idle_timeout", spec.idle_timeout(), settings.idle_timeout);
  settings.body_timeout =
      check->TakeDuration("body_timeout", spec.body_timeout(), settings.body_timeout);
  settings.max_stream_duration = check->TakeDuration(
      "max_stream_duration", spec.max_stream_duration(), settings.max_stream_duration);
  settings.max_header_bytes =
      check->TakeNumber("max_header_bytes", spec.has_max_header_bytes(), spec.max_header_bytes(),
                        settings.max_header_bytes, 1024, 1 << 20);
  settings.max_headers = check->TakeNumber("max_headers", spec.has_max_headers(),
                                           spec.max_headers(), settings.max_headers, 1, 1000);
  settings.trusted_hops = check->TakeNumber("trusted_hops", spec.has_trusted_hops(),
                                            spec.trusted_hops(), settings.trusted_hops, 0, 16);
  listener.address = check->TakeAddress("address", spec.address());
  if (listener.address && listener.address->kind() == Address::Kind::kName) {
    check->Report("address", spec.address(), "a listener needs an address, not a host name");
  }
  if (!check->Refer(service_field, "Service", name)) return;
  const auto found = model->services.find(name);
  if (found == model->services.end()) return;  // broken, and reported
  ServiceModel& service = found->second;
  if (listener.address) {
    check->NeedPlaintext("address", *listener.address, spec.plaintext() || service.plaintext);
    if (!service.uses.empty() && listener.address->Overlaps(service.outbound)) {
      check->Report("address", spec.address(), "is the service's outbound address too",
                    "Set outbound of the Service to another address");
    }
  }
  if (!service.listener.settings.name.empty()) {
    check->Report(service_field, name,
                  absl::StrCat("Listener/", service.listener.settings.name,
                               " overrides the listener of this service already"),
                  "Keep one of the two");
    return;
  }
  service.listener = std::move(listener);
}

}  // namespace tollgate::control
