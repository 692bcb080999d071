// Text encodings of bytes: base64url without padding (RFC 7515 section 2) and lower-case hex.
// Stateless, thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tollgate {

std::string Base64UrlEncode(absl::string_view bytes);

// Strict: only the 64 characters, no padding, no space, no length of 1 mod 4, and the unused bits
// of the last character are zero, so that one value has exactly one spelling (RFC 4648
// section 3.5).
std::optional<std::string> Base64UrlDecode(absl::string_view text);
// The same into a caller's buffer of at least Base64UrlDecodedSize(text.size()) bytes. False:
// refused, and the buffer's content is unspecified.
bool Base64UrlDecodeTo(absl::string_view text, char* out, size_t* out_size);
constexpr size_t Base64UrlDecodedSize(size_t text_size) { return text_size * 3 / 4; }

std::string HexEncode(absl::string_view bytes);  // lower case
// Either case; nothing else.
std::optional<std::string> HexDecode(absl::string_view text);

}  // namespace tollgate
