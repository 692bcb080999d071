// Text as the inside of a JSON string (RFC 8259 section 7), whatever bytes it holds: for log lines
// and small answers made by hand. Stateless, any thread.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

// The longest that one byte can become: \u001b.
inline constexpr size_t kJsonEscapeFactor = 6;

// Writes `text` at `out`, which has room for kJsonEscapeFactor * text.size() bytes, and returns the
// end. Quotes, backslashes and every control character (C0, DEL and C1: a log is read in terminals,
// CVE-2024-45808) are escaped; a byte that is no part of valid UTF-8 becomes U+FFFD.
char* EscapeJson(absl::string_view text, char* out);

// The same in quotes, appended.
void AppendJsonQuoted(absl::string_view text, std::string* out);

}  // namespace tollgate::proxy
