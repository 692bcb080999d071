// What protects a service and those who call it.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/policy/health_check.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

// "200-299" or "204".
std::optional<StatusRange> ParseRange(absl::string_view text) {
  const size_t dash = std::min(text.find('-'), text.size());
  const absl::string_view from = text.substr(0, dash);
  const absl::string_view to = dash < text.size() ? text.substr(dash + 1) : from;
  StatusRange range;
  if (from.size() != 3 || to.size() != 3 || !absl::SimpleAtoi(from, &range.from) ||
      !absl::SimpleAtoi(to, &range.to) || range.from < 200 || range.to > 599 ||
      range.from > range.to) {
    return std::nullopt;
  }
  return range;
}

void CompileHttpCheck(const model::v1::HealthCheck& spec, Checker* check, HealthCheckPolicy* out) {
  out->kind = HealthCheckPolicy::Kind::kHttp;
  out->path = spec.http();
  check->Check("health_check.http", spec.http(), CheckProbePath(spec.http()));
  out->host = spec.host();
  if (!spec.host().empty()) {
    check->Check("health_check.host", spec.host(), CheckProbeHost(spec.host()));
  }
  if (!spec.expect().empty()) out->expect.clear();
  for (int i = 0; i < spec.expect_size(); ++i) {
    if (const auto range = ParseRange(spec.expect(i))) {
      out->expect.push_back(*range);
    } else {
      check->Report(At("health_check.expect", i), spec.expect(i),
                    "expected a status or a range of them, 200 to 599", "e.g. 204, or 200-299");
    }
  }
}

void CheckKind(const model::v1::HealthCheck& spec, Checker* check) {
  const int kinds =
      (spec.http().empty() ? 0 : 1) + (spec.tcp() ? 1 : 0) + (spec.has_grpc() ? 1 : 0);
  if (kinds != 1) {
    check->Report("health_check", "",
                  kinds == 0 ? "does not say how to check" : "has more than one of http, tcp, grpc",
                  "e.g. health_check: {http: /healthz}, {tcp: true} or {grpc: \"*\"}");
  }
  if (!spec.http().empty()) return;
  if (!spec.host().empty()) {
    check->Report("health_check.host", spec.host(), "has a meaning beside http alone");
  }
  if (!spec.expect().empty()) {
    check->Report("health_check.expect", "", "has a meaning beside http alone");
  }
}

}  // namespace

HealthCheckPolicy CompileHealthCheck(const model::v1::HealthCheck& spec, Checker* check) {
  HealthCheckPolicy out;
  CheckKind(spec, check);
  if (!spec.http().empty()) CompileHttpCheck(spec, check, &out);
  if (spec.has_grpc()) {
    out.kind = HealthCheckPolicy::Kind::kGrpc;
    if (spec.grpc() != "*") {
      out.service = spec.grpc();
      check->Check("health_check.grpc", out.service, CheckIdentifier(out.service));
    }
  }
  out.interval = check->TakeDuration("health_check.interval", spec.interval(), out.interval);
  if (out.interval < std::chrono::milliseconds(100)) {
    check->Report("health_check.interval", spec.interval(), "expected at least 100ms");
  }
  out.timeout = check->TakeDuration("health_check.timeout", spec.timeout(),
                                    std::min(out.timeout, out.interval));
  if (out.timeout > out.interval) {
    check->Report("health_check.timeout", spec.timeout(),
                  "is longer than the interval: an endpoint is probed once at a time");
  }
  // Wire times are whole milliseconds.
  const Duration tenth = std::chrono::floor<std::chrono::milliseconds>(out.interval / 10);
  out.jitter = check->TakeDuration("health_check.jitter", spec.jitter(), tenth);
  if (out.jitter > out.interval) {
    check->Report("health_check.jitter", spec.jitter(), "is longer than the interval");
  }
  out.healthy_threshold =
      check->TakeNumber("health_check.healthy_threshold", spec.has_healthy_threshold(),
                        spec.healthy_threshold(), out.healthy_threshold, 1, 100);
  out.unhealthy_threshold =
      check->TakeNumber("health_check.unhealthy_threshold", spec.has_unhealthy_threshold(),
                        spec.unhealthy_threshold(), out.unhealthy_threshold, 1, 100);
  out.port = static_cast<uint16_t>(
      check->TakeNumber("health_check.port", spec.has_port(), spec.port(), 0, 1, 65535));
  return out;
}

AdaptiveConcurrencyPolicy CompileAdaptiveConcurrency(const model::v1::AdaptiveConcurrency& spec,
                                                     Checker* check) {
  AdaptiveConcurrencyPolicy out;
  const auto at = [](absl::string_view field) {
    return absl::StrCat("adaptive_concurrency.", field);
  };
  out.min_concurrency = check->TakeNumber(at("min_concurrency"), spec.has_min_concurrency(),
                                          spec.min_concurrency(), out.min_concurrency, 1, 100'000);
  out.max_concurrency = check->TakeNumber(
      at("max_concurrency"), spec.has_max_concurrency(), spec.max_concurrency(),
      std::max(out.max_concurrency, out.min_concurrency), out.min_concurrency, 100'000);
  out.update_interval =
      check->TakeDuration(at("update_interval"), spec.update_interval(), out.update_interval);
  if (out.update_interval > std::chrono::minutes(1)) {
    check->Report(at("update_interval"), spec.update_interval(), "expected at most 1m");
  }
  out.min_rtt_interval =
      check->TakeDuration(at("min_rtt_interval"), spec.min_rtt_interval(), out.min_rtt_interval);
  if (out.min_rtt_interval < std::chrono::milliseconds(100)) {
    check->Report(at("min_rtt_interval"), spec.min_rtt_interval(), "expected at least 100ms");
  } else if (out.min_rtt_interval < 10 * out.update_interval) {
    check->Report(at("min_rtt_interval"), spec.min_rtt_interval(),
                  "expected at least ten times update_interval");
  }
  out.jitter_percent = check->TakeNumber(at("jitter_percent"), spec.has_jitter_percent(),
                                         spec.jitter_percent(), out.jitter_percent, 0, 100);
  out.min_rtt_requests =
      check->TakeNumber(at("min_rtt_requests"), spec.has_min_rtt_requests(),
                        spec.min_rtt_requests(), out.min_rtt_requests, 1, 10'000);
  out.buffer_percent = check->TakeNumber(at("buffer_percent"), spec.has_buffer_percent(),
                                         spec.buffer_percent(), out.buffer_percent, 0, 1000);
  out.percentile = check->TakeNumber(at("percentile"), spec.has_percentile(), spec.percentile(),
                                     out.percentile, 1, 99);
  return out;
}

SuccessRatePolicy CompileSuccessRate(const model::v1::SuccessRate& spec, Checker* check) {
  SuccessRatePolicy out;
  const auto at = [](absl::string_view field) {
    return absl::StrCat("outlier_detection.success_rate.", field);
  };
  out.stdev_factor = check->TakeNumber(at("stdev_factor"), spec.has_stdev_factor(),
                                       spec.stdev_factor(), out.stdev_factor, 1, 10'000);
  out.min_hosts = check->TakeNumber(at("min_hosts"), spec.has_min_hosts(), spec.min_hosts(),
                                    out.min_hosts, 2, 1000);
  out.min_volume = check->TakeNumber(at("min_volume"), spec.has_min_volume(), spec.min_volume(),
                                     out.min_volume, 1, 1'000'000);
  return out;
}

FailurePercentagePolicy CompileFailurePercentage(const model::v1::FailurePercentage& spec,
                                                 Checker* check) {
  FailurePercentagePolicy out;
  const auto at = [](absl::string_view field) {
    return absl::StrCat("outlier_detection.failure_percentage.", field);
  };
  out.threshold = check->TakeNumber(at("threshold"), spec.has_threshold(), spec.threshold(),
                                    out.threshold, 1, 100);
  out.min_hosts = check->TakeNumber(at("min_hosts"), spec.has_min_hosts(), spec.min_hosts(),
                                    out.min_hosts, 1, 1000);
  out.min_volume = check->TakeNumber(at("min_volume"), spec.has_min_volume(), spec.min_volume(),
                                     out.min_volume, 1, 1'000'000);
  return out;
}

HedgePolicy CompileHedge(const model::v1::Hedge& spec, absl::string_view field,
                         const RoutePolicy& route, Checker* check) {
  HedgePolicy out;
  const std::string after = absl::StrCat(field, ".after");
  if (spec.after().empty()) {
    check->Report(after, "", "is missing: when is an answer late?", "e.g. after: 50ms");
  }
  out.after = check->TakeDuration(after, spec.after(), route.timeout);
  if (out.after > route.timeout) {
    check->Report(after, spec.after(), "is longer than the timeout of the route");
  }
  out.max = check->TakeNumber(absl::StrCat(field, ".max"), spec.has_max(), spec.max(), 1, 1, 3);
  if (route.method != "GET" && route.method != "HEAD" && route.method != "OPTIONS") {
    check->Report(field, "",
                  absl::StrCat("would let two endpoints do the same ",
                               route.method.empty() ? "request, of any method" : route.method,
                               ": a payment could happen twice"),
                  "Hedge only routes of GET, HEAD or OPTIONS");
  }
  return out;
}

}  // namespace tollgate::control
