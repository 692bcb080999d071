// A small valid policy for tests of the push: one of every resource, the release stamped in the
// route table, the plan and the upstream, so that no release equals another.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::fakes {

inline void Stamp(uint64_t release, google::protobuf::RepeatedPtrField<config::v1::Header>* out) {
  config::v1::Header* header = out->Add();
  header->set_name("x-release");
  header->set_value(absl::StrCat(release));
}

// `revision` and `release` are the same number.
inline config::v1::Bundle SampleBundle(uint64_t release,
                                       const std::string& incarnation = "life-1") {
  config::v1::Bundle bundle;
  bundle.mutable_epoch()->set_incarnation(incarnation);
  bundle.mutable_epoch()->set_revision(release);
  bundle.mutable_epoch()->set_release(release);
  bundle.mutable_epoch()->set_schema(1);

  config::v1::Upstream* upstream = bundle.add_upstreams();
  upstream->set_name("local/payments");
  upstream->set_protocol(config::v1::PROTOCOL_HTTP1);
  upstream->set_balance(config::v1::BALANCE_PEAK_EWMA);
  upstream->set_connect_timeout_ms(1000);
  upstream->set_idle_timeout_ms(60000);
  upstream->set_max_connections(10);
  upstream->set_max_pending(5);
  upstream->mutable_outlier_detection()->set_enabled(true);
  upstream->mutable_outlier_detection()->set_consecutive_errors(3);
  upstream->mutable_outlier_detection()->set_base_ejection_ms(1000);
  upstream->mutable_outlier_detection()->set_max_ejected_percent(40);
  upstream->mutable_outlier_detection()->set_interval_ms(500);
  upstream->mutable_retry_budget()->set_percent(10);
  upstream->mutable_retry_budget()->set_min_concurrent(2);
  Stamp(release, upstream->mutable_response_headers());

  config::v1::Endpoints* endpoints = bundle.add_endpoints();
  endpoints->set_upstream("local/payments");
  config::v1::Endpoint* endpoint = endpoints->add_endpoints();
  endpoint->set_address("127.0.0.1:9000");
  endpoint->set_weight(1);

  config::v1::Secret* pepper = bundle.add_secrets();
  pepper->set_name("pepper/p1");
  pepper->set_value("a pepper that nobody may see");

  config::v1::ConsumerShard* shard = bundle.add_consumer_shards();
  shard->set_name("consumers/0");
  config::v1::Consumer* consumer = shard->add_consumers();
  consumer->set_name("shop-42");
  consumer->set_plan("standard");
  consumer->add_grants("payments.read");
  config::v1::ApiKey* key = consumer->add_api_keys();
  key->set_id("tg_till");
  key->set_hash(std::string(32, 'h'));
  key->set_name("till");
  key->set_pepper("pepper/p1");

  config::v1::PolicySet* policies = bundle.add_policy_sets();
  policies->set_name("policy");
  config::v1::Plan* plan = policies->add_plans();
  plan->set_name("standard");
  plan->set_algorithm(config::v1::ALGORITHM_SLIDING_WINDOW);
  plan->set_per(config::v1::LIMIT_KEY_CONSUMER);
  plan->add_windows()->set_count(10);
  plan->mutable_windows(0)->set_period_ms(1000);
  Stamp(release, plan->mutable_response_headers());

  config::v1::RouteTable* table = bundle.add_route_tables();
  table->set_name("cards/v1");
  table->set_api("cards");
  table->set_version("v1");
  table->set_state(config::v1::VERSION_STATE_ACTIVE);
  config::v1::Route* route = table->add_routes();
  route->set_name("get");
  route->set_method("GET");
  route->set_path("/payments/{id}");
  route->add_require("payments.read");
  route->set_timeout_ms(2000);
  route->set_upstream("local/payments");
  Stamp(release, route->mutable_response_headers());

  config::v1::Listener* listener = bundle.add_listeners();
  listener->set_name("inbound/payments");
  listener->set_address("127.0.0.1:8080");
  listener->set_direction(config::v1::DIRECTION_INBOUND);
  config::v1::ApiBinding* api = listener->add_apis();
  api->set_api("cards");
  api->add_hosts("*");
  api->set_base_path("/");
  api->add_authenticate()->set_api_key_header("x-api-key");
  api->mutable_version_from()->set_default_version("v1");
  api->add_route_tables("cards/v1");
  listener->set_max_connections(100);
  listener->set_header_timeout_ms(10000);
  listener->set_idle_timeout_ms(75000);
  listener->set_body_timeout_ms(30000);
  listener->set_max_stream_duration_ms(3600000);
  listener->set_max_header_bytes(61440);
  listener->set_max_headers(100);
  return bundle;
}

}  // namespace tollgate::fakes
