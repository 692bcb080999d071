// API keys: "id.secret". The id is public (policy, logs, lists name it), the secret is shown once
// and kept only as HMAC-SHA-256(pepper, secret). Stateless, thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/crypto/digest.h"

namespace tollgate {

inline constexpr absl::string_view kApiKeyPrefix =
    "tg_";  // lets scanners of leaked secrets find it
inline constexpr size_t kMaxApiKeyBytes = 256;

struct GeneratedApiKey {
  std::string id;      // "tg_" and 20 characters of base32: 100 bits
  std::string secret;  // 52 characters of base32: 256 bits
  std::string text() const { return id + "." + secret; }
};
GeneratedApiKey GenerateApiKey();

struct ApiKeyText {
  absl::string_view id;
  absl::string_view secret;
};
// Splits what a client presented. Only the form is checked: exactly one dot, both halves of
// [a-z0-9_-], a secret of at least 26 characters (128 bits of base32).
std::optional<ApiKeyText> ParseApiKey(absl::string_view text);

Digest256 HashApiKeySecret(absl::string_view pepper, absl::string_view secret);

}  // namespace tollgate
