// 401: what a credential that does not hold, or no longer does, is answered. Stateless.
#pragma once

#include <string>

#include "proxy/auth/deny_list.h"
#include "proxy/filter/context.h"
#include "proxy/filter/reply.h"

namespace tollgate::proxy {

// `challenge` "": the bare one of this API (RFC 9110 15.5.2: a 401 carries one).
LocalReply Unauthorized(const CompiledApi& api, const char* reason, std::string detail,
                        std::string challenge = "");

// Whether the API key that let this request through no longer would.
bool RevokedSince(const RequestContext& context, const DenyList& denied);

}  // namespace tollgate::proxy
