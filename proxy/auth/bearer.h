// The Bearer scheme (RFC 6750): what an Authorization header says, and what WWW-Authenticate
// answers. Stateless, thread-safe.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

enum class BearerStatus { kOk, kOtherScheme, kMalformed };

struct Bearer {
  BearerStatus status = BearerStatus::kOtherScheme;
  absl::string_view token = {};  // into the header value, when kOk
};

// `value` is one Authorization field value, surrounding white space already removed. The scheme is
// case-insensitive; exactly `b64token` follows one or more spaces (section 2.1).
Bearer ParseBearer(absl::string_view value);

// "Bearer" when `error` is empty (no credential was presented, section 3.1), else
// `Bearer error="invalid_token", error_description="expired"`; insufficient_scope adds `scope`.
std::string BearerChallenge(absl::string_view error = "", absl::string_view description = "",
                            absl::string_view scope = "");

}  // namespace tollgate::proxy
