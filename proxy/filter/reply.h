// An answer that the proxy itself gives. Always problem+json (RFC 9457) with the request id, never
// a detail of the upstream. A value.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

struct LocalReply {
  int status = 500;
  // A stable word for log, metrics and the problem's `code`: "token_expired", "limit_exceeded".
  const char* reason = "internal";
  // One sentence for the caller; nothing that he could not know. Static text or a copy.
  std::string detail = {};
  std::vector<HeaderValue> headers = {};  // beside content-type and content-length
  bool close = false;                     // the connection cannot go on
  // The problem's type, when it has one of its own, and its title. Static text.
  absl::string_view type = {};
  absl::string_view title = {};
  // Further members of the problem, as JSON: ",\"violated-policies\":[\"m\"]".
  std::string members = {};
};

// {"type":"about:blank","title":"Forbidden","status":403,"code":...,"detail":...,"request_id":...}
std::string ProblemJson(const LocalReply& reply, absl::string_view request_id);

}  // namespace tollgate::proxy
