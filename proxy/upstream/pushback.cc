#include "proxy/upstream/pushback.h"

#include "absl/strings/ascii.h"

namespace tollgate::proxy {

Duration PushbackOf(const HeaderMap& fields) {
  const auto value = fields.Get(HeaderId::kRetryAfter);
  if (!value.has_value()) return Duration::zero();
  // Nine digits are thirty years.
  if (value->empty() || value->size() > 9) return kNoRetry;
  int64_t seconds = 0;
  for (const char c : *value) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return kNoRetry;
    seconds = seconds * 10 + (c - '0');
  }
  return std::chrono::seconds(seconds);
}

}  // namespace tollgate::proxy
