// How long a caller still waits, as requests say it: x-request-deadline-ms, a number of
// milliseconds from when the head arrives, at most 10 digits. Relative, so that clocks need not
// agree (as gRPC's grpc-timeout is). Stateless; any thread.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

// Takes the field out. False: it stands there twice, or is no such number. `left` is set when there
// is one; zero: the caller has given up already.
bool TakeDeadline(HeaderMap& headers, std::optional<Duration>* left);

// Whole milliseconds, rounded down so that nobody works for longer than somebody waits, but never
// 0, which would say that it is over.
void SetDeadline(Duration left, HeaderMap& headers);

}  // namespace tollgate::proxy
