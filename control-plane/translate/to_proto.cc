#include "control-plane/translate/to_proto.h"

#include <chrono>

namespace tollgate::control {
namespace {

uint32_t Millis(Duration d) {
  return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

template <typename Field>
void AddHeaders(const std::vector<HeaderValue>& headers, Field* out) {
  for (const HeaderValue& header : headers) {
    config::v1::Header* added = out->Add();
    added->set_name(header.name);
    added->set_value(header.value);
  }
}

config::v1::RetryCondition ToProto(RetryCondition condition) {
  switch (condition) {
    case RetryCondition::kNotSent:
      return config::v1::RETRY_CONDITION_NOT_SENT;
    case RetryCondition::kConnectionLost:
      return config::v1::RETRY_CONDITION_CONNECTION_LOST;
    case RetryCondition::kStatus502:
      return config::v1::RETRY_CONDITION_STATUS_502;
    case RetryCondition::kStatus503:
      return config::v1::RETRY_CONDITION_STATUS_503;
    case RetryCondition::kStatus504:
      return config::v1::RETRY_CONDITION_STATUS_504;
  }
  return config::v1::RETRY_CONDITION_UNSPECIFIED;
}

config::v1::VersionState ToProto(VersionState state) {
  switch (state) {
    case VersionState::kActive:
      return config::v1::VERSION_STATE_ACTIVE;
    case VersionState::kDeprecated:
      return config::v1::VERSION_STATE_DEPRECATED;
    case VersionState::kRetired:
      return config::v1::VERSION_STATE_RETIRED;
  }
  return config::v1::VERSION_STATE_UNSPECIFIED;
}

config::v1::Priority ToProto(Priority priority) {
  switch (priority) {
    case Priority::kCritical:
      return config::v1::PRIORITY_CRITICAL;
    case Priority::kDefault:
      return config::v1::PRIORITY_UNSPECIFIED;  // older sidecars need not know the field
    case Priority::kSheddable:
      return config::v1::PRIORITY_SHEDDABLE;
  }
  return config::v1::PRIORITY_UNSPECIFIED;
}

// Of a delay or an abort.
template <typename Fault>
void SetMatch(const FaultMatchPolicy& match, Fault* out) {
  if (match.header.empty()) return;
  out->mutable_match()->set_header(match.header);
  out->mutable_match()->set_value(match.value);
}

void SetFaults(const FaultsPolicy& faults, config::v1::Route* out) {
  if (faults.delay.per_ten_thousand > 0) {
    config::v1::FaultDelay* delay = out->mutable_faults()->mutable_delay();
    delay->set_duration_ms(Millis(faults.delay.duration));
    delay->set_per_ten_thousand(faults.delay.per_ten_thousand);
    SetMatch(faults.delay.match, delay);
  }
  if (faults.abort.per_ten_thousand > 0) {
    config::v1::FaultAbort* abort = out->mutable_faults()->mutable_abort();
    abort->set_status(static_cast<uint32_t>(faults.abort.status));
    abort->set_per_ten_thousand(faults.abort.per_ten_thousand);
    SetMatch(faults.abort.match, abort);
  }
}

config::v1::Route ToProto(const RoutePolicy& route) {
  config::v1::Route out;
  out.set_name(route.name);
  out.set_method(route.method);
  out.set_path(route.path);
  out.mutable_require()->Add(route.require.begin(), route.require.end());
  out.set_public_(route.is_public);
  out.set_timeout_ms(Millis(route.timeout));
  out.set_attempt_timeout_ms(Millis(route.attempt_timeout));
  if (!route.idempotency.header.empty()) {
    config::v1::Idempotency* idempotency = out.mutable_idempotency();
    idempotency->set_header(route.idempotency.header);
    idempotency->set_required(route.idempotency.required);
    idempotency->set_honoured_by_service(route.idempotency.honoured_by_service);
  }
  if (route.retry.max_retries > 0) {
    config::v1::Retry* retry = out.mutable_retry();
    retry->set_max_retries(route.retry.max_retries);
    for (RetryCondition condition : route.retry.when) retry->add_when(ToProto(condition));
    retry->set_other_endpoint(route.retry.other_endpoint);
  }
  out.set_priority(ToProto(route.priority));
  if (route.hedge.max > 0) {
    out.mutable_hedge()->set_after_ms(Millis(route.hedge.after));
    out.mutable_hedge()->set_max(route.hedge.max);
  }
  out.set_plan(route.plan);
  out.set_max_body_bytes(route.max_body_bytes);
  AddHeaders(route.response_headers, out.mutable_response_headers());
  out.set_allow_upgrade(route.allow_upgrade);
  out.set_upstream(route.upstream);
  if (route.cost != CostPolicy()) *out.mutable_cost() = control::ToProto(route.cost);
  SetFaults(route.faults, &out);
  return out;
}

config::v1::ApiBinding ToProto(const ApiBindingPolicy& binding) {
  config::v1::ApiBinding out;
  out.set_api(binding.api);
  out.mutable_hosts()->Add(binding.hosts.begin(), binding.hosts.end());
  out.set_base_path(binding.base_path);
  for (const AuthenticatorPolicy& authenticator : binding.authenticate) {
    config::v1::Authenticator* added = out.add_authenticate();
    if (authenticator.kind == AuthenticatorPolicy::Kind::kJwt) {
      added->set_jwt(authenticator.issuer);
    } else {
      added->set_api_key_header(authenticator.header);
    }
  }
  const VersionFromPolicy& from = binding.version_from;
  if (from != VersionFromPolicy()) {
    out.mutable_version_from()->set_path(from.path);
    out.mutable_version_from()->set_strip(from.strip);
    out.mutable_version_from()->set_header(from.header);
    out.mutable_version_from()->set_default_version(from.default_version);
  }
  out.mutable_route_tables()->Add(binding.route_tables.begin(), binding.route_tables.end());
  out.set_consumers_optional(binding.consumers_optional);
  out.set_default_plan(binding.default_plan);
  out.set_address_plan(binding.address_plan);
  return out;
}

config::v1::Balance ToProto(Balance balance) {
  switch (balance) {
    case Balance::kPeakEwma:
      return config::v1::BALANCE_PEAK_EWMA;
    case Balance::kRoundRobin:
      return config::v1::BALANCE_ROUND_ROBIN;
    case Balance::kLeastRequest:
      return config::v1::BALANCE_LEAST_REQUEST;
    case Balance::kRandom:
      return config::v1::BALANCE_RANDOM;
    case Balance::kRingHash:
      return config::v1::BALANCE_RING_HASH;
    case Balance::kMaglev:
      return config::v1::BALANCE_MAGLEV;
    case Balance::kLoadWeighted:
      return config::v1::BALANCE_LOAD_WEIGHTED;
  }
  return config::v1::BALANCE_UNSPECIFIED;
}

config::v1::Balancing ToProto(const BalancingPolicy& balancing) {
  config::v1::Balancing out;
  switch (balancing.hash.kind) {
    case HashKeyPolicy::Kind::kNone:
      break;
    case HashKeyPolicy::Kind::kConsumer:
      out.mutable_hash()->set_consumer(true);
      break;
    case HashKeyPolicy::Kind::kHeader:
      out.mutable_hash()->set_header(balancing.hash.name);
      break;
    case HashKeyPolicy::Kind::kPathParameter:
      out.mutable_hash()->set_path_parameter(balancing.hash.name);
      break;
  }
  out.set_ring_points(balancing.ring_points);
  out.set_table_size(balancing.table_size);
  out.set_bias_permille(balancing.bias_permille);
  out.set_slow_start_ms(Millis(balancing.slow_start));
  out.set_panic_threshold_percent(balancing.panic_threshold);
  out.set_overprovisioning_percent(balancing.overprovisioning);
  if (balancing.zones != ZonePolicy()) {
    config::v1::ZoneRouting* zones = out.mutable_zones();
    zones->set_ignore(balancing.zones.ignore);
    zones->set_local(balancing.zones.local);
    for (const ZoneShare& share : balancing.zones.callers) {
      config::v1::ZoneShare* added = zones->add_callers();
      added->set_zone(share.zone);
      added->set_weight(share.weight);
    }
  }
  if (balancing.load_reports != LoadReportPolicy()) {
    config::v1::LoadReports* reports = out.mutable_load_reports();
    reports->set_blackout_ms(Millis(balancing.load_reports.blackout));
    reports->set_expiry_ms(Millis(balancing.load_reports.expiry));
    reports->set_update_ms(Millis(balancing.load_reports.update));
    reports->set_error_penalty_permille(balancing.load_reports.error_penalty_permille);
  }
  return out;
}

void SetHealthCheck(const HealthCheckPolicy& check, config::v1::HealthCheck* out) {
  switch (check.kind) {
    case HealthCheckPolicy::Kind::kHttp: {
      config::v1::HttpHealthCheck* http = out->mutable_http();
      http->set_path(check.path);
      http->set_host(check.host);
      for (const StatusRange& range : check.expect) {
        config::v1::StatusRange* added = http->add_expect();
        added->set_from(range.from);
        added->set_to(range.to);
      }
      break;
    }
    case HealthCheckPolicy::Kind::kTcp:
      out->mutable_tcp();
      break;
    case HealthCheckPolicy::Kind::kGrpc:
      out->mutable_grpc()->set_service(check.service);
      break;
  }
  out->set_interval_ms(Millis(check.interval));
  out->set_timeout_ms(Millis(check.timeout));
  out->set_jitter_ms(Millis(check.jitter));
  out->set_healthy_threshold(check.healthy_threshold);
  out->set_unhealthy_threshold(check.unhealthy_threshold);
  out->set_port(check.port);
}

void SetAdaptiveConcurrency(const AdaptiveConcurrencyPolicy& limit,
                            config::v1::AdaptiveConcurrency* out) {
  out->set_min_concurrency(limit.min_concurrency);
  out->set_max_concurrency(limit.max_concurrency);
  out->set_update_interval_ms(Millis(limit.update_interval));
  out->set_min_rtt_interval_ms(Millis(limit.min_rtt_interval));
  out->set_jitter_percent(limit.jitter_percent);
  out->set_min_rtt_requests(limit.min_rtt_requests);
  out->set_buffer_percent(limit.buffer_percent);
  out->set_percentile(limit.percentile);
}

// Only what differs from the default: older sidecars need not know the fields.
void SetProtection(const UpstreamPolicy& upstream, config::v1::Upstream* out) {
  const UpstreamPolicy defaults;
  if (upstream.max_requests != defaults.max_requests) {
    out->set_max_requests(upstream.max_requests);
  }
  if (upstream.forward_deadline != ForwardDeadline::kIfAsked) {
    out->set_forward_deadline(upstream.forward_deadline == ForwardDeadline::kAlways);
  }
  if (upstream.adaptive_concurrency) {
    SetAdaptiveConcurrency(*upstream.adaptive_concurrency, out->mutable_adaptive_concurrency());
  }
  if (upstream.health_check) SetHealthCheck(*upstream.health_check, out->mutable_health_check());
  config::v1::OutlierDetection* outliers = out->mutable_outlier_detection();
  if (const auto& rate = upstream.outlier_detection.success_rate) {
    outliers->mutable_success_rate()->set_stdev_factor(rate->stdev_factor);
    outliers->mutable_success_rate()->set_min_hosts(rate->min_hosts);
    outliers->mutable_success_rate()->set_min_volume(rate->min_volume);
  }
  if (const auto& share = upstream.outlier_detection.failure_percentage) {
    outliers->mutable_failure_percentage()->set_threshold(share->threshold);
    outliers->mutable_failure_percentage()->set_min_hosts(share->min_hosts);
    outliers->mutable_failure_percentage()->set_min_volume(share->min_volume);
  }
}

}  // namespace

config::v1::Upstream ToProto(const UpstreamPolicy& upstream) {
  config::v1::Upstream out;
  out.set_name(upstream.name);
  switch (upstream.protocol) {
    case Protocol::kHttp1:
      out.set_protocol(config::v1::PROTOCOL_HTTP1);
      break;
  }
  out.set_balance(ToProto(upstream.balance));
  // A sidecar that does not know it can do without, while nothing but the defaults is asked for.
  if (upstream.balancing != BalancingPolicy()) {
    *out.mutable_balancing() = ToProto(upstream.balancing);
  }
  out.set_connect_timeout_ms(Millis(upstream.connect_timeout));
  out.set_idle_timeout_ms(Millis(upstream.idle_timeout));
  out.set_max_connections(upstream.max_connections);
  out.set_max_pending(upstream.max_pending);
  config::v1::OutlierDetection* outliers = out.mutable_outlier_detection();
  outliers->set_enabled(upstream.outlier_detection.enabled);
  outliers->set_consecutive_errors(upstream.outlier_detection.consecutive_errors);
  outliers->set_base_ejection_ms(Millis(upstream.outlier_detection.base_ejection));
  outliers->set_max_ejected_percent(upstream.outlier_detection.max_ejected_percent);
  outliers->set_interval_ms(Millis(upstream.outlier_detection.interval));
  out.mutable_retry_budget()->set_percent(upstream.retry_budget.percent);
  out.mutable_retry_budget()->set_min_concurrent(upstream.retry_budget.min_concurrent);
  out.mutable_retry_budget()->set_max_concurrent(upstream.retry_budget.max_concurrent);
  SetProtection(upstream, &out);
  AddHeaders(upstream.response_headers, out.mutable_response_headers());
  return out;
}

config::v1::Endpoints EndpointsToProto(const UpstreamPolicy& upstream) {
  config::v1::Endpoints out;
  out.set_upstream(upstream.name);
  for (const EndpointPolicy& endpoint : upstream.endpoints) {
    config::v1::Endpoint* added = out.add_endpoints();
    added->set_address(endpoint.address.ToString());
    added->set_weight(endpoint.weight);
    added->set_zone(endpoint.zone);
    added->set_priority(endpoint.priority);
  }
  return out;
}

config::v1::Issuer ToProto(const IssuerPolicy& issuer, const std::string& jwks_secret) {
  config::v1::Issuer out;
  out.set_name(issuer.name);
  out.set_issuer(issuer.issuer);
  out.mutable_audiences()->Add(issuer.audiences.begin(), issuer.audiences.end());
  out.mutable_algorithms()->Add(issuer.algorithms.begin(), issuer.algorithms.end());
  if (jwks_secret.empty()) {
    out.set_jwks(issuer.jwks);
  } else {
    out.set_jwks_secret(jwks_secret);
  }
  switch (issuer.profile) {
    case TokenProfile::kJwt:
      out.set_profile(config::v1::PROFILE_JWT);
      break;
    case TokenProfile::kRfc9068:
      out.set_profile(config::v1::PROFILE_RFC9068);
      break;
  }
  out.set_consumer_claim(issuer.consumer_claim);
  out.set_permissions_claim(issuer.permissions_claim);
  out.set_leeway_seconds(static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(issuer.leeway).count()));
  return out;
}

config::v1::Consumer ToProto(const ConsumerPolicy& consumer) {
  config::v1::Consumer out;
  out.set_name(consumer.name);
  out.set_plan(consumer.plan);
  out.mutable_grants()->Add(consumer.grants.begin(), consumer.grants.end());
  for (const TokenIdentity& token : consumer.tokens) {
    config::v1::TokenIdentity* added = out.add_tokens();
    added->set_issuer(token.issuer);
    added->set_value(token.value);
  }
  for (const ApiKeyPolicy& key : consumer.api_keys) {
    config::v1::ApiKey* added = out.add_api_keys();
    added->set_id(key.id);
    added->set_hash(key.hash);
    added->set_name(key.name);
    if (key.not_after) added->set_not_after(UnixSeconds(*key.not_after));
    added->set_pepper(key.pepper);
  }
  return out;
}

config::v1::RouteTable ToProto(const RouteTablePolicy& table) {
  config::v1::RouteTable out;
  out.set_name(table.name);
  out.set_api(table.api);
  out.set_version(table.version);
  out.set_state(ToProto(table.state));
  if (table.deprecated) out.set_deprecated(UnixSeconds(*table.deprecated));
  if (table.sunset) out.set_sunset(UnixSeconds(*table.sunset));
  out.set_successor(table.successor);
  out.set_link(table.link);
  for (const RoutePolicy& route : table.routes) *out.add_routes() = ToProto(route);
  return out;
}

config::v1::Listener ToProto(const ListenerPolicy& listener, bool plaintext) {
  config::v1::Listener out;
  out.set_name(listener.name);
  out.set_address(listener.address.ToString());
  out.set_direction(listener.direction == Direction::kInbound ? config::v1::DIRECTION_INBOUND
                                                              : config::v1::DIRECTION_OUTBOUND);
  for (const ApiBindingPolicy& binding : listener.apis) *out.add_apis() = ToProto(binding);
  out.set_max_connections(listener.max_connections);
  out.set_header_timeout_ms(Millis(listener.header_timeout));
  out.set_idle_timeout_ms(Millis(listener.idle_timeout));
  out.set_body_timeout_ms(Millis(listener.body_timeout));
  out.set_max_stream_duration_ms(Millis(listener.max_stream_duration));
  out.set_max_header_bytes(listener.max_header_bytes);
  out.set_max_headers(listener.max_headers);
  out.set_trusted_hops(listener.trusted_hops);
  out.set_plaintext(plaintext);
  return out;
}

}  // namespace tollgate::control
