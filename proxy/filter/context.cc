#include "proxy/filter/context.h"

namespace tollgate::proxy {

void RequestContext::Clear() {
  snapshot = nullptr;
  listener = nullptr;
  head.Clear();
  method.clear();
  request_id.clear();
  traceparent.clear();
  path = {};
  api = nullptr;
  version = nullptr;
  route = nullptr;
  route_path_at = 0;
  lifecycle = {};
  consumer = nullptr;
  token.reset();
  api_key = nullptr;
  plan = nullptr;
  has_idempotency_key = false;
  decided_by = "";
  reason = "";
}

}  // namespace tollgate::proxy
