// 401: what a credential that does not hold, or no longer does, is answered. Stateless.
#pragma once

#include <string>

#include "common/base/clock.h"
#include "proxy/auth/deny_list.h"
#include "proxy/filter/context.h"
#include "proxy/filter/reply.h"

namespace tollgate::proxy {

// `challenge` "": the bare one of this API (RFC 9110 15.5.2: a 401 carries one).
LocalReply Unauthorized(const CompiledApi& api, const char* reason, std::string detail,
                        std::string challenge = "");

// Whatever is wrong with an API key: the log is told what, whoever tries keys is not.
LocalReply InvalidKey(const CompiledApi& api);

inline constexpr char kTokenRevoked[] = "token_revoked";
inline constexpr char kKeyRevoked[] = "key_revoked";

// Why the credential that let this request through no longer would: one of the two words above.
// Null: it still would, or there was none.
const char* RevokedSince(const RequestContext& context, const DenyList& denied, WallTime now);
// `reason`: what RevokedSince said.
LocalReply RevokedReply(const CompiledApi& api, const char* reason);

}  // namespace tollgate::proxy
