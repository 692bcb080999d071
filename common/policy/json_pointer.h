// JSON Pointer (RFC 6901): where in a JSON text a value stands. Stateless.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tollgate {

// The reference tokens of "/purchase/amount" or "/lines/0/amount", unescaped ("~1" is '/', "~0" is
// '~'): 1 to 8. The error says what was expected; the caller adds field and value. The pointer to
// the whole text ("") is refused: nothing here asks for it.
absl::StatusOr<std::vector<std::string>> ParseJsonPointer(absl::string_view text);

}  // namespace tollgate
