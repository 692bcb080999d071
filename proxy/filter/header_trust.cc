#include "proxy/filter/header_trust.h"

#include <array>
#include <cstring>

#include "absl/strings/match.h"

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kInternal[] = {
    "x-original-url",    "x-rewrite-url", "x-original-method", "x-http-method-override",
    "x-http-method",     "x-real-ip",     "x-client-ip",       "x-forwarded-client-cert",
    "x-method-override", "http2-settings"};

// The two digits of each byte.
constexpr std::array<char, 512> MakePairs() {
  constexpr char kHex[] = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (size_t i = 0; i < 256; ++i) {
    pairs[2 * i] = kHex[i >> 4];
    pairs[2 * i + 1] = kHex[i & 15];
  }
  return pairs;
}
constexpr std::array<char, 512> kPairs = MakePairs();

}  // namespace

bool IsInternalField(const HeaderMap::Field& field) {
  if (field.id == HeaderId::kTollgateOutcome) return true;
  // Most fields are told apart by this alone.
  if (field.id != HeaderId::kOther || field.name.size() < 2) return false;
  const bool may = field.name[1] == '-' ? field.name[0] == 'x' : field.name[0] == 'h';
  if (!may) return false;
  if (absl::StartsWith(field.name, "x-tollgate-")) return true;
  if (absl::StartsWith(field.name, "x-envoy-")) return true;
  for (const absl::string_view name : kInternal) {
    if (field.name == name) return true;
  }
  return false;
}

bool IsForwardingField(const HeaderMap::Field& field) {
  return absl::StartsWith(field.name, "x-forwarded-") || field.id == HeaderId::kForwarded;
}

void AppendHex(std::string* out, uint64_t value) {
  char digits[16];
  for (int i = 14; i >= 0; i -= 2, value >>= 8)
    std::memcpy(digits + i, &kPairs[2 * (value & 255)], 2);
  out->append(digits, sizeof(digits));
}

std::string NewRequestId(Random& random) {
  std::string id;
  AppendHex(&id, random());
  AppendHex(&id, random());
  return id;
}

}  // namespace tollgate::proxy
