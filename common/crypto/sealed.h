// Sealed blobs: AES-256-GCM (NIST SP 800-38D) with what it was sealed for bound in as associated
// data, for example the node's name. Layout: "TGSB" | version 1 | 12-byte nonce | ciphertext |
// 16-byte tag; magic and version are authenticated too. Pure functions, thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/secret.h"

namespace tollgate {

inline constexpr size_t kSealKeyBytes = 32;

// From a key file's content: 64 hex digits (white space around them is ignored), or exactly 32 raw
// bytes.
absl::StatusOr<SecretBytes> ParseSealKey(absl::string_view content);

absl::StatusOr<std::string> Seal(const SecretBytes& key, absl::string_view associated_data,
                                 absl::string_view plaintext);
// InvalidArgument: not a sealed blob. Unauthenticated (and nothing else said): another key, other
// associated data, or tampered with.
absl::StatusOr<std::string> Open(const SecretBytes& key, absl::string_view associated_data,
                                 absl::string_view blob);

}  // namespace tollgate
