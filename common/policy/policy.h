// Policy: what one sidecar enforces, as plain comparable values. Protobuf stays at the edge
// (from_proto.h); what compiles to a Policy through FromBundle has been validated, and everything
// downstream trusts it. A value: copyable, comparable, immutable once shared.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
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

struct OutlierDetectionPolicy {
  bool enabled = true;
  uint32_t consecutive_errors = 5;
  Duration base_ejection = std::chrono::seconds(30);
  uint32_t max_ejected_percent = 50;
  Duration interval = std::chrono::seconds(1);
  friend bool operator==(const OutlierDetectionPolicy&, const OutlierDetectionPolicy&) = default;
};

struct RetryBudgetPolicy {
  uint32_t percent = 20;  // of active requests
  uint32_t min_concurrent = 3;
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
enum class LimitKey { kConsumer, kKey, kClaim, kAddress, kRoute };

struct WindowPolicy {
  uint32_t count = 0;
  Duration period{};
  friend bool operator==(const WindowPolicy&, const WindowPolicy&) = default;
};

struct PlanPolicy {
  std::string name;
  std::vector<WindowPolicy> windows;  // 1 to 8, distinct periods
  LimitAlgorithm algorithm = LimitAlgorithm::kSlidingWindow;
  LimitKey per = LimitKey::kConsumer;
  std::string claim;   // for kClaim
  uint32_t burst = 0;  // kGcra: 0 means the window's count
  std::vector<HeaderValue> response_headers;
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
  std::string plan;
  uint64_t max_body_bytes = 10 << 20;
  std::vector<HeaderValue> response_headers;
  bool allow_upgrade = false;
  std::string upstream;
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
