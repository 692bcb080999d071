// How long an upstream that could not answer asks to be left alone: Retry-After (RFC 9110 section
// 10.2.3). Stateless; any thread.
#pragma once

#include "common/base/clock.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

// It must not be asked again at all.
inline constexpr Duration kNoRetry = Duration::max();

// Zero when the field is not there. Seconds are taken as they are; a date, and what cannot be read,
// are kNoRetry: no request waits here as long as dates are meant for (and gRFC A6 reads what it
// cannot parse the same way).
Duration PushbackOf(const HeaderMap& fields);

}  // namespace tollgate::proxy
