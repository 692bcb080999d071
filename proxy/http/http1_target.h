// The request target and Host of an HTTP/1 request (RFC 9112 3.2, 3.3). Pure functions.
#pragma once

#include "absl/strings/string_view.h"
#include "proxy/http/codec.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

// uri-host [":" port]: a name of letters, digits, "-._~", or an IP literal in brackets; a port of 1
// to 65535. No user information, no percent-encoding, no list.
bool IsAuthority(absl::string_view text);

// Fills authority, path, query and has_query of `head`, whose method is known. Exactly one Host is
// due, and it agrees with an absolute target. False: `error` says why.
bool ParseTarget(absl::string_view target, size_t host_count, absl::string_view host,
                 RequestHead& head, ProtocolError& error);

}  // namespace tollgate::proxy
