#include "proxy/filter/context.h"

namespace tollgate::proxy {

void RequestContext::Clear() {
  snapshot = nullptr;
  listener = nullptr;
  head.Clear();
  method.clear();
  request_id.clear();
  traceparent.clear();
  deadline = kNever;
  path = {};
  api = nullptr;
  version = nullptr;
  route = nullptr;
  route_path_at = 0;
  lifecycle = {};
  consumer = nullptr;
  token.reset();
  api_key = nullptr;
  for (AskedLimit& limit : limits) {
    limit.plan = nullptr;
    limit.counted = false;
    limit.in_progress = 0;
    limit.ticket.Release();
  }
  has_idempotency_key = false;
  decided_by = "";
  reason = "";
  limited_by = shadowed_by = {};
  fault = "";
}

}  // namespace tollgate::proxy
