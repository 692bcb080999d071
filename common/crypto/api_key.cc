#include "common/crypto/api_key.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace tollgate {
namespace {

// RFC 4648 base32 in lower case: survives being read aloud and case-folded.
std::string RandomBase32(size_t characters) {
  constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out = RandomBytes(characters);
  for (char& c : out) c = kAlphabet[static_cast<uint8_t>(c) & 31];  // 5 uniform bits of each byte
  return out;
}

bool WellFormed(absl::string_view half) {
  for (const char c : half) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!ok) return false;
  }
  return true;
}

constexpr size_t kMinSecretChars = 26;

}  // namespace

GeneratedApiKey GenerateApiKey() {
  return {.id = absl::StrCat(kApiKeyPrefix, RandomBase32(20)), .secret = RandomBase32(52)};
}

std::optional<ApiKeyText> ParseApiKey(absl::string_view text) {
  if (text.size() > kMaxApiKeyBytes) return std::nullopt;
  const size_t dot = text.find('.');
  if (dot == absl::string_view::npos || dot == 0) return std::nullopt;
  const ApiKeyText parts{.id = text.substr(0, dot), .secret = text.substr(dot + 1)};
  if (parts.secret.size() < kMinSecretChars || !WellFormed(parts.id) || !WellFormed(parts.secret)) {
    return std::nullopt;
  }
  return parts;
}

Digest256 HashApiKeySecret(absl::string_view pepper, absl::string_view secret) {
  return HmacSha256(pepper, secret);
}

}  // namespace tollgate
