#include "proxy/filter/header_trust.h"

#include "absl/strings/match.h"

namespace tollgate::proxy {

bool IsInternalField(const HeaderMap::Field& field) {
  if (absl::StartsWith(field.name, "x-tollgate-")) return true;
  if (absl::StartsWith(field.name, "x-envoy-")) return true;
  for (absl::string_view name :
       {"x-original-url", "x-rewrite-url", "x-original-method", "x-http-method-override",
        "x-http-method", "x-method-override", "x-real-ip", "x-client-ip",
        "x-forwarded-client-cert", "http2-settings"}) {
    if (field.name == name) return true;
  }
  return false;
}

bool IsForwardingField(const HeaderMap::Field& field) {
  return absl::StartsWith(field.name, "x-forwarded-") || field.id == HeaderId::kForwarded;
}

void AppendHex(std::string* out, uint64_t value) {
  constexpr char kHex[] = "0123456789abcdef";
  char digits[16];
  for (int i = 15; i >= 0; --i, value >>= 4) digits[i] = kHex[value & 15];
  out->append(digits, sizeof(digits));
}

std::string NewRequestId(Random& random) {
  std::string id;
  AppendHex(&id, random());
  AppendHex(&id, random());
  return id;
}

}  // namespace tollgate::proxy
