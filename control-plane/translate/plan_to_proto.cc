// Plans and costs.
#include <chrono>

#include "control-plane/translate/to_proto.h"

namespace tollgate::control {
namespace {

config::v1::LimitKey ToProto(LimitKey key) {
  switch (key) {
    case LimitKey::kConsumer:
      return config::v1::LIMIT_KEY_CONSUMER;
    case LimitKey::kKey:
      return config::v1::LIMIT_KEY_KEY;
    case LimitKey::kClaim:
      return config::v1::LIMIT_KEY_CLAIM;
    case LimitKey::kAddress:
      return config::v1::LIMIT_KEY_ADDRESS;
    case LimitKey::kRoute:
      return config::v1::LIMIT_KEY_ROUTE;
    case LimitKey::kApi:
      return config::v1::LIMIT_KEY_API;
  }
  return config::v1::LIMIT_KEY_UNSPECIFIED;
}

void SetWindows(const PlanPolicy& plan, config::v1::Plan* out) {
  using std::chrono::milliseconds;
  for (const WindowPolicy& window : plan.windows) {
    config::v1::Window* added = out->add_windows();
    added->set_count(window.count);
    added->set_period_ms(
        static_cast<uint32_t>(std::chrono::duration_cast<milliseconds>(window.period).count()));
  }
  if (plan.windows.empty()) return;  // nothing is counted that has an algorithm
  switch (plan.algorithm) {
    case LimitAlgorithm::kGcra:
      out->set_algorithm(config::v1::ALGORITHM_GCRA);
      break;
    case LimitAlgorithm::kSlidingWindow:
      out->set_algorithm(config::v1::ALGORITHM_SLIDING_WINDOW);
      break;
  }
}

}  // namespace

// Only what differs from the default: older sidecars need not know the fields.
config::v1::Plan ToProto(const PlanPolicy& plan) {
  const PlanPolicy defaults;
  config::v1::Plan out;
  out.set_name(plan.name);
  SetWindows(plan, &out);
  if (plan.per.size() == 1) {
    out.set_per(ToProto(plan.per.front().kind));
    out.set_claim(plan.per.front().claim);
  } else {
    for (const LimitKeyPart& part : plan.per) {
      config::v1::LimitPart* added = out.add_parts();
      added->set_per(ToProto(part.kind));
      added->set_claim(part.claim);
    }
  }
  out.set_burst(plan.burst);
  if (plan.ipv4_prefix != defaults.ipv4_prefix) out.set_ipv4_prefix(plan.ipv4_prefix);
  if (plan.ipv6_prefix != defaults.ipv6_prefix) out.set_ipv6_prefix(plan.ipv6_prefix);
  out.set_concurrency(plan.concurrency);
  if (plan.headers == LimitHeaders::kDraft10) out.set_headers(config::v1::LIMIT_HEADERS_DRAFT_10);
  out.set_shadow(plan.shadow);
  out.set_show_claims(plan.show_claims);
  for (const HeaderValue& header : plan.response_headers) {
    config::v1::Header* added = out.add_response_headers();
    added->set_name(header.name);
    added->set_value(header.value);
  }
  return out;
}

config::v1::Cost ToProto(const CostPolicy& cost) {
  config::v1::Cost out;
  out.set_units(cost.units);
  if (!cost.by_body()) return out;
  out.set_json(cost.json);
  out.set_divide(cost.divide);
  out.set_max(cost.max);
  out.set_max_body_bytes(cost.max_body_bytes);
  return out;
}

}  // namespace tollgate::control
