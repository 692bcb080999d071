// What protects an upstream and those who call it: health checks, outlier detection, the adaptive
// limit on concurrency, hedges.
#include "absl/strings/str_cat.h"
#include "common/policy/convert.h"
#include "common/policy/health_check.h"

namespace tollgate::internal {
namespace {

constexpr uint64_t kMaxHosts = 1000;
constexpr uint64_t kMaxVolume = 1'000'000;

void CheckText(const absl::Status& status, absl::string_view text, const At& at, Errors& errors) {
  if (status.ok()) return;
  errors.Add(text.empty() ? Code::kMissing : Code::kInvalid, at,
             absl::StrCat("\"", text, "\"; ", std::string(status.message())));
}

std::vector<StatusRange> ConvertExpect(const config::v1::HttpHealthCheck& from, const At& at,
                                       Errors& errors) {
  std::vector<StatusRange> to;
  if (from.expect().empty()) {
    errors.Add(Code::kMissing, at["expect"], "is empty; expected at least one range of statuses");
  }
  for (int i = 0; i < from.expect_size(); ++i) {
    const config::v1::StatusRange& range = from.expect(i);
    const At place = at("expect", i);
    CheckRange(range.from(), 200, 599, place["from"], errors);
    CheckRange(range.to(), range.from(), 599, place["to"], errors);
    to.push_back({range.from(), range.to()});
  }
  return to;
}

}  // namespace

HealthCheckPolicy ConvertHealthCheck(const config::v1::HealthCheck& from, const At& at,
                                     Errors& errors) {
  HealthCheckPolicy to;
  switch (from.kind_case()) {
    case config::v1::HealthCheck::kHttp: {
      const At http = at["http"];
      to.kind = HealthCheckPolicy::Kind::kHttp;
      to.path = from.http().path();
      to.host = from.http().host();
      CheckText(CheckProbePath(to.path), to.path, http["path"], errors);
      if (!to.host.empty()) CheckText(CheckProbeHost(to.host), to.host, http["host"], errors);
      to.expect = ConvertExpect(from.http(), http, errors);
      break;
    }
    case config::v1::HealthCheck::kTcp:
      to.kind = HealthCheckPolicy::Kind::kTcp;
      break;
    case config::v1::HealthCheck::kGrpc: {
      to.kind = HealthCheckPolicy::Kind::kGrpc;
      to.service = from.grpc().service();
      const At grpc = at["grpc"];
      if (!to.service.empty()) CheckIdentifier(to.service, grpc["service"], errors);
      break;
    }
    case config::v1::HealthCheck::KIND_NOT_SET:
      errors.Add(Code::kMissing, at, "does not say how; expected http, tcp or grpc");
      break;
  }
  to.interval = CheckMillis(from.interval_ms(), 100, kDayMs, at["interval_ms"], errors);
  // One probe at a time.
  to.timeout = CheckMillis(from.timeout_ms(), 1, from.interval_ms(), at["timeout_ms"], errors);
  to.jitter = CheckMillis(from.jitter_ms(), 0, from.interval_ms(), at["jitter_ms"], errors);
  to.healthy_threshold = from.healthy_threshold();
  CheckRange(from.healthy_threshold(), 1, 100, at["healthy_threshold"], errors);
  to.unhealthy_threshold = from.unhealthy_threshold();
  CheckRange(from.unhealthy_threshold(), 1, 100, at["unhealthy_threshold"], errors);
  CheckRange(from.port(), 0, 65535, at["port"], errors);
  to.port = static_cast<uint16_t>(from.port());
  return to;
}

AdaptiveConcurrencyPolicy ConvertAdaptiveConcurrency(const config::v1::AdaptiveConcurrency& from,
                                                     const At& at, Errors& errors) {
  AdaptiveConcurrencyPolicy to;
  to.min_concurrency = from.min_concurrency();
  CheckRange(from.min_concurrency(), 1, 100'000, at["min_concurrency"], errors);
  to.max_concurrency = from.max_concurrency();
  CheckRange(from.max_concurrency(), from.min_concurrency(), 100'000, at["max_concurrency"],
             errors);
  to.update_interval =
      CheckMillis(from.update_interval_ms(), 1, 60'000, at["update_interval_ms"], errors);
  // The limit adapts between two measurements.
  const uint64_t least = std::max<uint64_t>(100, 10 * uint64_t{from.update_interval_ms()});
  to.min_rtt_interval =
      CheckMillis(from.min_rtt_interval_ms(), least, kDayMs, at["min_rtt_interval_ms"], errors);
  to.jitter_percent = from.jitter_percent();
  CheckRange(from.jitter_percent(), 0, 100, at["jitter_percent"], errors);
  to.min_rtt_requests = from.min_rtt_requests();
  CheckRange(from.min_rtt_requests(), 1, 10'000, at["min_rtt_requests"], errors);
  to.buffer_percent = from.buffer_percent();
  CheckRange(from.buffer_percent(), 0, 1000, at["buffer_percent"], errors);
  to.percentile = from.percentile();
  CheckRange(from.percentile(), 1, 99, at["percentile"], errors);
  return to;
}

SuccessRatePolicy ConvertSuccessRate(const config::v1::SuccessRate& from, const At& at,
                                     Errors& errors) {
  CheckRange(from.stdev_factor(), 1, 10'000, at["stdev_factor"], errors);
  CheckRange(from.min_hosts(), 2, kMaxHosts, at["min_hosts"], errors);
  CheckRange(from.min_volume(), 1, kMaxVolume, at["min_volume"], errors);
  return {from.stdev_factor(), from.min_hosts(), from.min_volume()};
}

FailurePercentagePolicy ConvertFailurePercentage(const config::v1::FailurePercentage& from,
                                                 const At& at, Errors& errors) {
  CheckRange(from.threshold(), 1, 100, at["threshold"], errors);
  CheckRange(from.min_hosts(), 1, kMaxHosts, at["min_hosts"], errors);
  CheckRange(from.min_volume(), 1, kMaxVolume, at["min_volume"], errors);
  return {from.threshold(), from.min_hosts(), from.min_volume()};
}

HedgePolicy ConvertHedge(const config::v1::Route& from, const At& route, Errors& errors) {
  const At at = route["hedge"];
  HedgePolicy to;
  to.after = CheckMillis(from.hedge().after_ms(), 1, from.timeout_ms(), at["after_ms"], errors);
  to.max = from.hedge().max();
  CheckRange(to.max, 1, 3, at["max"], errors);
  // Both requests run: that must be harmless whatever the service does (RFC 9110 section 9.2.1).
  if (from.method() != "GET" && from.method() != "HEAD" && from.method() != "OPTIONS") {
    errors.Add(Code::kConflict, at,
               absl::StrCat("asks two endpoints at once with a ",
                            from.method().empty() ? "POST" : from.method(),
                            "; expected a route of GET, HEAD or OPTIONS"));
  }
  return to;
}

}  // namespace tollgate::internal
