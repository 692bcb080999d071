// IMF-fixdate, the one date format that HTTP senders may produce (RFC 9110 section 5.6.7):
// "Sun, 06 Nov 1994 08:49:37 GMT". Stateless, thread-safe.
#pragma once

#include <string>

#include "common/base/clock.h"

namespace tollgate {

inline constexpr size_t kHttpDateLength = 29;

// Writes exactly kHttpDateLength characters, no NUL. The year must be 0 to 9999 (a WallTime's is).
void FormatHttpDate(WallTime time, char* out);
std::string HttpDate(WallTime time);

}  // namespace tollgate
