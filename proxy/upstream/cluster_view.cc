#include "proxy/upstream/cluster_view.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/observe/json_text.h"

namespace tollgate::proxy {
namespace {

using Type = Exposition::Type;
using Breaker = ClusterShared::Breaker;
using Reason = OutlierDetector::Reason;

constexpr std::pair<Breaker, const char*> kBreakers[] = {{Breaker::kConnections, "connections"},
                                                         {Breaker::kPending, "pending"},
                                                         {Breaker::kRequests, "requests"},
                                                         {Breaker::kConcurrency, "concurrency"}};
constexpr std::pair<Priority, const char*> kPriorities[] = {{Priority::kCritical, "critical"},
                                                            {Priority::kDefault, "default"},
                                                            {Priority::kSheddable, "sheddable"}};
constexpr std::pair<Reason, const char*> kReasons[] = {
    {Reason::kConsecutiveErrors, "consecutive_errors"},
    {Reason::kSuccessRate, "success_rate"},
    {Reason::kFailurePercentage, "failure_percentage"}};

uint64_t Read(const std::atomic<uint64_t>& count) { return count.load(std::memory_order_relaxed); }

const char* StateOf(const EndpointHealth& health, MonoTime now) {
  if (health.failing()) return "unhealthy";
  return health.AvailableAt(now) ? "healthy" : "ejected";
}

int64_t Millis(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

void ExposeAdmission(const ClusterList& clusters, Exposition* out) {
  out->Family("tollgate_upstream_active_requests", "Requests in progress.", Type::kGauge,
              {"upstream"});
  for (const auto& c : clusters) {
    out->Sample({c->name()}, uint64_t{c->retry_budget().active_requests()});
  }
  out->Family("tollgate_upstream_connections", "Open connections.", Type::kGauge, {"upstream"});
  for (const auto& c : clusters) out->Sample({c->name()}, uint64_t{c->connections()});
  out->Family("tollgate_upstream_pending", "Attempts that wait for a connection.", Type::kGauge,
              {"upstream"});
  for (const auto& c : clusters) out->Sample({c->name()}, uint64_t{c->pending()});
  out->Family("tollgate_upstream_overflow_total",
              "What a circuit breaker refused, or (connections) kept waiting.", Type::kCounter,
              {"upstream", "breaker"});
  for (const auto& c : clusters) {
    for (const auto& [breaker, word] : kBreakers) {
      out->Sample({c->name(), word}, c->overflows(breaker));
    }
    out->Sample({c->name(), "retries"}, c->retry_budget().refused_retries());
  }
  out->Family("tollgate_upstream_shed_total",
              "Requests refused so that those of higher priority find room.", Type::kCounter,
              {"upstream", "priority"});
  for (const auto& c : clusters) {
    for (const auto& [priority, word] : kPriorities) {
      out->Sample({c->name(), word}, c->shed(priority));
    }
  }
}

void ExposeAdaptive(const ClusterList& clusters, Exposition* out) {
  out->Family("tollgate_upstream_concurrency_limit", "The adaptive limit.", Type::kGauge,
              {"upstream"});
  for (const auto& c : clusters) {
    if (c->adaptive() != nullptr) out->Sample({c->name()}, uint64_t{c->adaptive()->limit()});
  }
  out->Family("tollgate_upstream_min_rtt_seconds",
              "The least latency, which the adaptive limit compares with.", Type::kGauge,
              {"upstream"});
  for (const auto& c : clusters) {
    if (c->adaptive() == nullptr) continue;
    out->Sample({c->name()}, static_cast<double>(c->adaptive()->min_rtt().count()) * 1e-9);
  }
}

void ExposeHealth(const ClusterList& clusters, MonoTime now, Exposition* out) {
  out->Family("tollgate_upstream_endpoints", "Endpoints, by what is thought of them.", Type::kGauge,
              {"upstream", "state"});
  for (const auto& c : clusters) {
    uint64_t healthy = 0, ejected = 0, unhealthy = 0;
    for (const OutlierDetector::Member& member : c->outliers().Members()) {
      if (member.health->failing()) {
        ++unhealthy;
      } else {
        ++(member.health->AvailableAt(now) ? healthy : ejected);
      }
    }
    out->Sample({c->name(), "healthy"}, healthy);
    out->Sample({c->name(), "ejected"}, ejected);
    out->Sample({c->name(), "unhealthy"}, unhealthy);
  }
  out->Family("tollgate_upstream_ejections_total", "Ejections by outlier detection.",
              Type::kCounter, {"upstream", "reason"});
  for (const auto& c : clusters) {
    for (const auto& [reason, word] : kReasons) {
      out->Sample({c->name(), word}, c->outliers().ejections(reason));
    }
  }
  out->Family("tollgate_health_checks_total", "Probes that have ended.", Type::kCounter,
              {"upstream", "result"});
  for (const auto& c : clusters) {
    out->Sample({c->name(), "success"}, Read(c->probes().succeeded));
    out->Sample({c->name(), "failure"}, Read(c->probes().failed));
  }
  out->Family("tollgate_health_changes_total", "Verdicts that probes changed.", Type::kCounter,
              {"upstream", "to"});
  for (const auto& c : clusters) {
    out->Sample({c->name(), "healthy"}, Read(c->probes().to_healthy));
    out->Sample({c->name(), "unhealthy"}, Read(c->probes().to_unhealthy));
  }
}

void AppendEndpoint(const OutlierDetector::Member& member, MonoTime now, std::string* json) {
  const EndpointHealth& health = *member.health;
  absl::StrAppend(json, "{\"address\":");
  AppendJsonQuoted(health.address(), json);
  absl::StrAppend(json, ",\"state\":\"", StateOf(health, now),
                  "\",\"ejections\":", member.ejections);
  if (now < health.ejected_until()) {
    absl::StrAppend(json, ",\"ejected_for_ms\":", Millis(health.ejected_until() - now));
  }
  if (const char* failure = health.probe_failure()) {
    absl::StrAppend(json, ",\"last_probe\":\"", failure, "\"");
  }
  json->push_back('}');
}

}  // namespace

void ExposeClusters(const ClusterList& clusters, MonoTime now, Exposition* out) {
  ExposeAdmission(clusters, out);
  ExposeAdaptive(clusters, out);
  ExposeHealth(clusters, now, out);
}

std::string ClustersJson(const ClusterList& clusters, MonoTime now) {
  std::string json = "{\"upstreams\":[";
  for (const auto& cluster : clusters) {
    if (json.back() != '[') json.push_back(',');
    absl::StrAppend(&json, "{\"name\":");
    AppendJsonQuoted(cluster->name(), &json);
    absl::StrAppend(&json, ",\"active_requests\":", cluster->retry_budget().active_requests(),
                    ",\"active_retries\":", cluster->retry_budget().active_retries(),
                    ",\"connections\":", cluster->connections(),
                    ",\"pending\":", cluster->pending());
    if (const GradientController* adaptive = cluster->adaptive()) {
      absl::StrAppend(&json, ",\"concurrency_limit\":", adaptive->limit(),
                      ",\"min_rtt_us\":", adaptive->min_rtt().count() / 1000,
                      ",\"measuring\":", adaptive->measuring() ? "true" : "false");
    }
    absl::StrAppend(&json, ",\"endpoints\":[");
    for (const OutlierDetector::Member& member : cluster->outliers().Members()) {
      if (json.back() != '[') json.push_back(',');
      AppendEndpoint(member, now, &json);
    }
    absl::StrAppend(&json, "]}");
  }
  return json + "]}";
}

}  // namespace tollgate::proxy
