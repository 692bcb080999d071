#include "proxy/filter/unauthorized.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/auth/bearer.h"

namespace tollgate::proxy {

LocalReply Unauthorized(const CompiledApi& api, const char* reason, std::string detail,
                        std::string challenge) {
  LocalReply reply{.status = 401, .reason = reason, .detail = std::move(detail)};
  if (challenge.empty()) {
    // An API that takes only keys has no registered scheme to name.
    challenge = api.issuers.empty() && !api.api_key_headers.empty()
                    ? absl::StrCat("ApiKey header=\"", api.api_key_headers.front(), "\"")
                    : BearerChallenge();
  }
  reply.headers.push_back({"www-authenticate", std::move(challenge)});
  return reply;
}

LocalReply InvalidKey(const CompiledApi& api) {
  return Unauthorized(api, "invalid_key", "The API key is not valid.");
}

}  // namespace tollgate::proxy
