// Policy: what one sidecar enforces, as plain comparable values. Protobuf stays at the edge
// (from_proto.h); what compiles to a Policy through FromBundle has been validated, and everything
// downstream trusts it. A value: copyable, comparable, immutable once shared.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/address.h"
#include "common/base/clock.h"

namespace tollgate {

// Lower-case name, and value.
struct HeaderValue {
  std::string name;
  std::string value;
  friend bool operator==(const HeaderValue&, const HeaderValue&) = default;
};

enum class Balance {
  kPeakEwma,
  kRoundRobin,
  kLeastRequest,
  kRandom,
  kRingHash,
  kMaglev,
  kLoadWeighted,
};
enum class Protocol { kHttp1 };

// The defaults are those of Envoy and gRFC A50.
struct SuccessRatePolicy {
  uint32_t stdev_factor = 1900;  // thousandths
  uint32_t min_hosts = 5;
  uint32_t min_volume = 100;
  friend bool operator==(const SuccessRatePolicy&, const SuccessRatePolicy&) = default;
};

struct FailurePercentagePolicy {
  uint32_t threshold = 85;
  uint32_t min_hosts = 5;
  uint32_t min_volume = 50;
  friend bool operator==(const FailurePercentagePolicy&, const FailurePercentagePolicy&) = default;
};

struct OutlierDetectionPolicy {
  bool enabled = true;
  uint32_t consecutive_errors = 5;
  Duration base_ejection = std::chrono::seconds(30);
  uint32_t max_ejected_percent = 50;
  Duration interval = std::chrono::seconds(10);
  std::optional<SuccessRatePolicy> success_rate;
  std::optional<FailurePercentagePolicy> failure_percentage;
  friend bool operator==(const OutlierDetectionPolicy&, const OutlierDetectionPolicy&) = default;
};

struct RetryBudgetPolicy {
  uint32_t percent = 20;  // of active requests
  uint32_t min_concurrent = 3;
  uint32_t max_concurrent = 0;  // whatever the percentage says; 0: no further cap
  friend bool operator==(const RetryBudgetPolicy&, const RetryBudgetPolicy&) = default;
};

// What of a request keeps to one endpoint, under ring hash and Maglev.
struct HashKeyPolicy {
  enum class Kind { kNone, kConsumer, kHeader, kPathParameter };
  Kind kind = Kind::kNone;
  std::string name;  // of the header (lower case) or the parameter
  friend bool operator==(const HashKeyPolicy&, const HashKeyPolicy&) = default;
};

struct ZoneShare {
  std::string zone;
  uint32_t weight = 1;
  friend bool operator==(const ZoneShare&, const ZoneShare&) = default;
};

struct ZonePolicy {
  bool ignore = false;
  std::string local;               // this sidecar's; "": not known, and none is preferred
  std::vector<ZoneShare> callers;  // how the calling service is spread; empty: evenly
  friend bool operator==(const ZonePolicy&, const ZonePolicy&) = default;
};

// gRFC A58.
struct LoadReportPolicy {
  Duration blackout = std::chrono::seconds(10);
  Duration expiry = std::chrono::seconds(180);
  Duration update = std::chrono::seconds(1);
  uint32_t error_penalty_permille = 1000;
  friend bool operator==(const LoadReportPolicy&, const LoadReportPolicy&) = default;
};

struct BalancingPolicy {
  HashKeyPolicy hash;
  uint32_t ring_points = 200;
  uint32_t table_size = 65537;
  uint32_t bias_permille = 1000;
  Duration slow_start{};            // zero: none
  uint32_t panic_threshold = 50;    // percent; 0: none
  uint32_t overprovisioning = 140;  // percent
  ZonePolicy zones;
  LoadReportPolicy load_reports;
  friend bool operator==(const BalancingPolicy&, const BalancingPolicy&) = default;
};

// The defaults are Envoy's.
struct AdaptiveConcurrencyPolicy {
  uint32_t min_concurrency = 3;
  uint32_t max_concurrency = 1000;
  Duration update_interval = std::chrono::milliseconds(100);
  Duration min_rtt_interval = std::chrono::seconds(60);
  uint32_t jitter_percent = 15;  // of min_rtt_interval
  uint32_t min_rtt_requests = 50;
  uint32_t buffer_percent = 25;
  uint32_t percentile = 50;
  friend bool operator==(const AdaptiveConcurrencyPolicy&,
                         const AdaptiveConcurrencyPolicy&) = default;
};

struct StatusRange {
  uint32_t from = 200;
  uint32_t to = 299;  // included
  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};

struct HealthCheckPolicy {
  enum class Kind { kHttp, kTcp, kGrpc };
  Kind kind = Kind::kTcp;
  std::string path;     // kHttp: with a query, if it needs one
  std::string host;     // kHttp; "": the address that is probed
  std::string service;  // kGrpc; "": the whole server
  std::vector<StatusRange> expect = {{}};
  Duration interval = std::chrono::seconds(5);
  Duration timeout = std::chrono::seconds(1);
  Duration jitter = std::chrono::milliseconds(500);
  uint32_t healthy_threshold = 2;
  uint32_t unhealthy_threshold = 3;
  uint16_t port = 0;  // 0: the endpoint's own
  friend bool operator==(const HealthCheckPolicy&, const HealthCheckPolicy&) = default;
};

// Whether an upstream is told how long its caller still waits.
enum class ForwardDeadline { kIfAsked, kAlways, kNever };

struct EndpointPolicy {
  Address address;
  uint32_t weight = 1;
  std::string zone = {};  // "": not said
  uint32_t priority = 0;
  friend bool operator==(const EndpointPolicy&, const EndpointPolicy&) = default;
};

struct UpstreamPolicy {
  std::string name;
  Protocol protocol = Protocol::kHttp1;
  Balance balance = Balance::kPeakEwma;
  BalancingPolicy balancing;
  Duration connect_timeout = std::chrono::seconds(1);
  Duration idle_timeout = std::chrono::seconds(60);
  uint32_t max_connections = 1024;
  uint32_t max_pending = 1024;
  OutlierDetectionPolicy outlier_detection;
  RetryBudgetPolicy retry_budget;
  uint32_t max_requests = 1024;
  ForwardDeadline forward_deadline = ForwardDeadline::kIfAsked;
  std::optional<AdaptiveConcurrencyPolicy> adaptive_concurrency;
  std::optional<HealthCheckPolicy> health_check;
  // Follows from the routes: some route to it has another priority than the default, so that each
  // priority may fill its own part of a cap.
  bool has_priorities = false;
  std::vector<HeaderValue> response_headers;
  std::vector<EndpointPolicy> endpoints;  // of the Endpoints resource of the same name
  friend bool operator==(const UpstreamPolicy&, const UpstreamPolicy&) = default;
};

enum class TokenProfile { kJwt, kRfc9068 };

struct IssuerPolicy {
  std::string name;
  std::string issuer;
  std::vector<std::string> audiences;
  std::vector<std::string> algorithms;
  std::string jwks;  // JSON, RFC 7517; has compiled once
  TokenProfile profile = TokenProfile::kJwt;
  std::string consumer_claim;
  std::string permissions_claim;
  Duration leeway = Duration::zero();
  friend bool operator==(const IssuerPolicy&, const IssuerPolicy&) = default;
};

enum class LimitAlgorithm { kGcra, kSlidingWindow };
enum class LimitKey { kConsumer, kKey, kClaim, kAddress, kRoute, kApi };

// One part of what a plan counts by.
struct LimitKeyPart {
  LimitKeyPart(LimitKey k = LimitKey::kConsumer, std::string c = "")  // NOLINT(runtime/explicit)
      : kind(k), claim(std::move(c)) {}
  LimitKey kind;
  std::string claim;  // for kClaim
  // Known only once the caller is.
  bool of_caller() const {
    return kind == LimitKey::kConsumer || kind == LimitKey::kKey || kind == LimitKey::kClaim;
  }
  friend bool operator==(const LimitKeyPart&, const LimitKeyPart&) = default;
};

struct WindowPolicy {
  uint32_t count = 0;
  Duration period{};
  friend bool operator==(const WindowPolicy&, const WindowPolicy&) = default;
};

// Fields that tell clients about their limits.
enum class LimitHeaders { kNone, kDraft10 };

struct PlanPolicy {
  std::string name;
  std::vector<WindowPolicy> windows;  // up to 8, distinct periods; none: concurrency alone
  LimitAlgorithm algorithm = LimitAlgorithm::kSlidingWindow;
  std::vector<LimitKeyPart> per = {LimitKey::kConsumer};  // 1 to 4, all different
  uint32_t burst = 0;                                     // kGcra: 0 means the window's count
  std::vector<HeaderValue> response_headers;
  uint32_t ipv4_prefix = 32;  // bits of an address that make its key
  uint32_t ipv6_prefix = 64;
  uint32_t concurrency = 0;  // requests in progress at once; 0: any number
  LimitHeaders headers = LimitHeaders::kNone;
  bool shadow = false;       // counts, but refuses nothing
  bool show_claims = false;  // values of claims may be shown to operators
  // Whether it can be counted only once the caller is known.
  bool needs_caller() const {
    for (const LimitKeyPart& part : per) {
      if (part.of_caller()) return true;
    }
    return false;
  }
  friend bool operator==(const PlanPolicy&, const PlanPolicy&) = default;
};

struct ApiKeyPolicy {
  std::string id;
  std::string hash;  // 32 bytes: HMAC-SHA-256(pepper, secret)
  std::string name;
  std::optional<WallTime> not_after;
  std::string pepper;  // name of the secret
  friend bool operator==(const ApiKeyPolicy&, const ApiKeyPolicy&) = default;
};

struct TokenIdentity {
  std::string issuer;  // name of an IssuerPolicy
  std::string value;
  friend bool operator==(const TokenIdentity&, const TokenIdentity&) = default;
};

struct ConsumerPolicy {
  std::string name;
  std::string plan;  // "": no limit of its own
  std::vector<std::string> grants;
  std::vector<TokenIdentity> tokens;
  std::vector<ApiKeyPolicy> api_keys;
  friend bool operator==(const ConsumerPolicy&, const ConsumerPolicy&) = default;
};

enum class RetryCondition { kNotSent, kConnectionLost, kStatus502, kStatus503, kStatus504 };

struct RetryPolicy {
  uint32_t max_retries = 0;
  std::vector<RetryCondition> when;
  bool other_endpoint = false;
  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

struct IdempotencyPolicy {
  std::string header;  // "": none
  bool required = false;
  bool honoured_by_service = false;
  friend bool operator==(const IdempotencyPolicy&, const IdempotencyPolicy&) = default;
};

// What one request takes from the plans that count it.
struct CostPolicy {
  uint32_t units = 1;   // 0: by the body
  std::string json;     // JSON Pointer (RFC 6901) to a number in the body
  uint32_t divide = 1;  // so many of it are one unit, rounded up
  uint32_t max = 0;     // a request that costs more is refused; 0: no bound
  uint64_t max_body_bytes = 64 << 10;
  bool by_body() const { return units == 0; }
  friend bool operator==(const CostPolicy&, const CostPolicy&) = default;
};

// What requests meet on purpose, to see what their callers make of it.
struct FaultMatchPolicy {
  std::string header;  // lower case; "": every request
  std::string value;   // exact; "": any
  friend bool operator==(const FaultMatchPolicy&, const FaultMatchPolicy&) = default;
};
struct FaultDelayPolicy {
  Duration duration{};
  uint32_t per_ten_thousand = 0;  // 0: none
  FaultMatchPolicy match;
  friend bool operator==(const FaultDelayPolicy&, const FaultDelayPolicy&) = default;
};
struct FaultAbortPolicy {
  int status = 0;
  uint32_t per_ten_thousand = 0;  // 0: none
  FaultMatchPolicy match;
  friend bool operator==(const FaultAbortPolicy&, const FaultAbortPolicy&) = default;
};
struct FaultsPolicy {
  FaultDelayPolicy delay;
  FaultAbortPolicy abort;
  bool any() const { return delay.per_ten_thousand > 0 || abort.per_ten_thousand > 0; }
  friend bool operator==(const FaultsPolicy&, const FaultsPolicy&) = default;
};

// Who is refused first when there is too much to do: the sheddable; the critical are last.
enum class Priority : uint8_t { kCritical, kDefault, kSheddable };

struct HedgePolicy {
  Duration after{};
  uint32_t max = 0;  // further requests; 0: none
  friend bool operator==(const HedgePolicy&, const HedgePolicy&) = default;
};

struct RoutePolicy {
  std::string name;
  std::string method;  // "": every method
  std::string path;    // canonical template: "/payments/{id}", a last segment "**" takes the tail
  std::vector<std::string> require;
  bool is_public = false;
  Duration timeout = std::chrono::seconds(15);
  Duration attempt_timeout{};  // zero: none of its own
  IdempotencyPolicy idempotency;
  RetryPolicy retry;
  HedgePolicy hedge;
  Priority priority = Priority::kDefault;
  std::string plan;
  uint64_t max_body_bytes = 10 << 20;
  std::vector<HeaderValue> response_headers;
  bool allow_upgrade = false;
  std::string upstream;
  CostPolicy cost;
  FaultsPolicy faults;
  friend bool operator==(const RoutePolicy&, const RoutePolicy&) = default;
};

enum class VersionState { kActive, kDeprecated, kRetired };

struct RouteTablePolicy {
  std::string name;  // "API/VERSION"
  std::string api;
  std::string version;
  VersionState state = VersionState::kActive;
  std::optional<WallTime> deprecated;
  std::optional<WallTime> sunset;
  std::string successor;
  std::string link;
  std::vector<RoutePolicy> routes;
  friend bool operator==(const RouteTablePolicy&, const RouteTablePolicy&) = default;
};

struct AuthenticatorPolicy {
  enum class Kind { kJwt, kApiKey };
  Kind kind = Kind::kJwt;
  std::string issuer;  // kJwt: name of an IssuerPolicy
  std::string header;  // kApiKey: lower case
  friend bool operator==(const AuthenticatorPolicy&, const AuthenticatorPolicy&) = default;
};

struct VersionFromPolicy {
  bool path = false;  // the segment after the base path
  bool strip = false;
  std::string header;  // "": not by header
  std::string default_version;
  friend bool operator==(const VersionFromPolicy&, const VersionFromPolicy&) = default;
};

struct ApiBindingPolicy {
  std::string api;
  std::vector<std::string> hosts;  // lower case, without port; "*" is any
  std::string base_path = "/";
  std::vector<AuthenticatorPolicy> authenticate;
  VersionFromPolicy version_from;
  std::vector<std::string> route_tables;
  bool consumers_optional = false;
  std::string default_plan;
  std::string address_plan;
  friend bool operator==(const ApiBindingPolicy&, const ApiBindingPolicy&) = default;
};

enum class Direction { kInbound, kOutbound };

struct ListenerPolicy {
  std::string name;
  Address address;
  Direction direction = Direction::kInbound;
  std::vector<ApiBindingPolicy> apis;
  uint32_t max_connections = 10000;
  Duration header_timeout = std::chrono::seconds(10);
  Duration idle_timeout = std::chrono::seconds(75);
  Duration body_timeout = std::chrono::seconds(30);
  Duration max_stream_duration = std::chrono::hours(1);
  uint32_t max_header_bytes = 61440;
  uint32_t max_headers = 100;
  uint32_t trusted_hops = 0;
  friend bool operator==(const ListenerPolicy&, const ListenerPolicy&) = default;
};

struct EpochPolicy {
  std::string incarnation;
  uint64_t revision = 0;
  uint64_t release = 0;
  uint32_t schema = 0;
  friend bool operator==(const EpochPolicy&, const EpochPolicy&) = default;
};

// The language level that this build understands (Epoch.schema, agent Hello.schema).
inline constexpr uint32_t kSchema = 1;

struct Policy {
  EpochPolicy epoch;
  std::map<std::string, UpstreamPolicy> upstreams;  // by name, and so on
  std::map<std::string, std::string> secrets;
  std::map<std::string, IssuerPolicy> issuers;
  std::map<std::string, PlanPolicy> plans;
  std::map<std::string, ConsumerPolicy> consumers;
  std::map<std::string, RouteTablePolicy> route_tables;
  std::map<std::string, ListenerPolicy> listeners;
  friend bool operator==(const Policy&, const Policy&) = default;
};

}  // namespace tollgate
