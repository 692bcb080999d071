// A small bundle with one of everything, all of it valid; tests break one thing at a time.
#pragma once

#include <string>

#include "common/policy/from_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {

// RFC 8037 appendix A.2.
inline constexpr char kEd25519Jwks[] = R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",)"
                                       R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

inline constexpr char kBundleJson[] = R"({
  "epoch": {"incarnation": "i1", "revision": 7, "release": 3, "schema": 1},
  "upstreams": [{
    "name": "local/payments", "protocol": "PROTOCOL_HTTP1", "balance": "BALANCE_PEAK_EWMA",
    "connect_timeout_ms": 1000, "idle_timeout_ms": 60000, "max_connections": 10, "max_pending": 5,
    "outlier_detection": {"enabled": true, "consecutive_errors": 3, "base_ejection_ms": 1000,
                          "max_ejected_percent": 40, "interval_ms": 500},
    "retry_budget": {"percent": 10, "min_concurrent": 2},
    "response_headers": [{"name": "x-upstream", "value": "7"}]
  }],
  "endpoints": [{"upstream": "local/payments",
                 "endpoints": [{"address": "127.0.0.1:9000", "weight": 2}]}],
  "secrets": [{"name": "pepper/p1", "value": "cGVwcGVy"}],
  "consumer_shards": [{"name": "consumers/0", "consumers": [{
    "name": "shop-42", "plan": "standard", "grants": ["payments.read", "payments.write"],
    "tokens": [{"issuer": "bank", "value": "shop-42"}],
    "api_keys": [{"id": "tg_abc", "hash": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
                  "name": "till", "not_after": 1893456000, "pepper": "pepper/p1"}]
  }]}],
  "policy_sets": [{
    "name": "policy",
    "issuers": [{"name": "bank", "issuer": "https://login.bank.example/", "audiences": ["cards"],
                 "algorithms": ["EdDSA"], "jwks": "", "profile": "PROFILE_JWT",
                 "consumer_claim": "sub", "permissions_claim": "scope", "leeway_seconds": 5}],
    "plans": [
      {"name": "standard", "algorithm": "ALGORITHM_SLIDING_WINDOW", "per": "LIMIT_KEY_CONSUMER",
       "windows": [{"count": 10, "period_ms": 1000}, {"count": 100, "period_ms": 60000}]},
      {"name": "by-route", "algorithm": "ALGORITHM_GCRA", "per": "LIMIT_KEY_ROUTE", "burst": 5,
       "windows": [{"count": 100, "period_ms": 1000}]},
      {"name": "by-address", "algorithm": "ALGORITHM_GCRA", "per": "LIMIT_KEY_ADDRESS",
       "windows": [{"count": 50, "period_ms": 1000}]}]
  }],
  "route_tables": [
    {"name": "cards/v2", "api": "cards", "version": "v2", "state": "VERSION_STATE_ACTIVE",
     "routes": [
       {"name": "create", "method": "POST", "path": "/payments", "require": ["payments.write"],
        "timeout_ms": 5000, "attempt_timeout_ms": 1000, "max_body_bytes": 65536,
        "idempotency": {"header": "idempotency-key", "required": true, "honoured_by_service": true},
        "retry": {"max_retries": 1, "other_endpoint": true,
                  "when": ["RETRY_CONDITION_NOT_SENT", "RETRY_CONDITION_CONNECTION_LOST"]},
        "plan": "by-route", "response_headers": [{"name": "x-route", "value": "7"}],
        "upstream": "local/payments"},
       {"name": "get", "method": "GET", "path": "/payments/{id}", "require": ["payments.read"],
        "timeout_ms": 2000, "upstream": "local/payments"},
       {"name": "health", "path": "/health", "public": true, "timeout_ms": 2000,
        "upstream": "local/payments"}]},
    {"name": "cards/v1", "api": "cards", "version": "v1", "state": "VERSION_STATE_DEPRECATED",
     "deprecated": 1688169599, "sunset": 1719791999, "successor": "v2",
     "link": "https://docs.example/v1",
     "routes": [{"name": "get", "method": "GET", "path": "/payments/{id}", "public": true,
                 "timeout_ms": 2000, "upstream": "local/payments"}]}],
  "listeners": [{
    "name": "inbound/payments", "address": "127.0.0.1:8080", "direction": "DIRECTION_INBOUND",
    "apis": [{"api": "cards", "hosts": ["pay.example.com", "payments"], "base_path": "/",
              "authenticate": [{"jwt": "bank"}, {"api_key_header": "x-api-key"}],
              "version_from": {"path": true, "default_version": "v2"},
              "route_tables": ["cards/v2", "cards/v1"], "consumers_optional": true,
              "default_plan": "standard", "address_plan": "by-address"}],
    "max_connections": 100, "header_timeout_ms": 10000, "idle_timeout_ms": 75000,
    "body_timeout_ms": 30000, "max_stream_duration_ms": 3600000, "max_header_bytes": 61440,
    "max_headers": 100, "trusted_hops": 1
  }],
  "revocations": [{"name": "revoked", "revision": 5, "key_ids": ["tg_old"]}]
})";

inline config::v1::Bundle GoodBundle() {
  auto bundle = BundleFromJson(kBundleJson);
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  bundle->mutable_policy_sets(0)->mutable_issuers(0)->set_jwks(kEd25519Jwks);
  return *std::move(bundle);
}

// "RouteTable cards/v2 routes[0].path CONFLICT", one an error.
inline std::vector<std::string> ErrorsOf(const config::v1::Bundle& bundle) {
  std::vector<std::string> lines;
  for (const ResourceError& error : FromBundle(bundle).errors) {
    EXPECT_EQ(error.type_url.rfind(std::string(kTypePrefix), 0), 0u) << error.type_url;
    EXPECT_FALSE(error.message.empty());
    lines.push_back(error.type_url.substr(kTypePrefix.size()) + " " + error.name + " " +
                    error.field_path + " " + error.code);
  }
  return lines;
}

}  // namespace tollgate
