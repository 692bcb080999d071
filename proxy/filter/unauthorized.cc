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

const char* RevokedSince(const RequestContext& context, const DenyList& denied, WallTime now) {
  if (context.api_key != nullptr) {
    return denied.KeyRevoked(context.api_key->id) ? kKeyRevoked : nullptr;
  }
  if (context.token != nullptr && denied.TokenRevoked(*context.token, now)) return kTokenRevoked;
  return nullptr;
}

LocalReply RevokedReply(const CompiledApi& api, const char* reason) {
  if (absl::string_view(reason) == kKeyRevoked) return InvalidKey(api);
  return Unauthorized(api, reason, "The token was revoked.",
                      BearerChallenge("invalid_token", "revoked"));
}

}  // namespace tollgate::proxy
