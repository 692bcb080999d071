// Letter case of paths. RFC 9110 section 4.2.3 makes it matter; many servers do not care.
#pragma once

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace tollgate::proxy {

inline bool HasCapital(absl::string_view text) {
  return absl::c_any_of(text, [](unsigned char c) { return absl::ascii_isupper(c); });
}

}  // namespace tollgate::proxy
