// Which fields only a proxy may set, in heads and in trailers (what a client may forge there has
// opened services before: CVE-2023-27487, x-envoy-original-path), and how a request gets its id.
// Stateless; any thread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/base/random.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

// Says who is calling, or what was asked before a rewrite.
bool IsInternalField(const HeaderMap::Field& field);
// Says where a request came from: believed from trusted hops, and never in trailers.
bool IsForwardingField(const HeaderMap::Field& field);

// Appends `value` as 16 lower-case hexadecimal digits.
void AppendHex(std::string* out, uint64_t value);
// 128 random bits.
std::string NewRequestId(Random& random);

}  // namespace tollgate::proxy
