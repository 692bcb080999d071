// The reason phrases of status codes, the one table of them. Stateless, thread-safe.
#pragma once

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

// Of a status in the IANA registry (RFC 9110 section 15, RFC 6585, RFC 8297, RFC 8470); "" for
// others, which is what a status line may carry (RFC 9112 section 4).
absl::string_view ReasonPhrase(int status);

}  // namespace tollgate::proxy
