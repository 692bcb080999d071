#include "proxy/filter/deadline.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxDigits = 10;

}  // namespace

bool TakeDeadline(HeaderMap& headers, std::optional<Duration>* left) {
  const auto value = headers.Get(HeaderId::kXRequestDeadlineMs);
  if (!value.has_value()) return true;
  if (headers.Count(HeaderId::kXRequestDeadlineMs) > 1) return false;
  if (value->empty() || value->size() > kMaxDigits) return false;
  int64_t ms = 0;
  for (const char c : *value) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
    ms = ms * 10 + (c - '0');
  }
  headers.Remove(HeaderId::kXRequestDeadlineMs);
  *left = std::chrono::milliseconds(ms);
  return true;
}

void SetDeadline(Duration left, HeaderMap& headers) {
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  char text[20];
  const char* const end = std::to_chars(text, text + sizeof(text), std::max<int64_t>(ms, 1)).ptr;
  headers.Set(HeaderId::kXRequestDeadlineMs,
              absl::string_view(text, static_cast<size_t>(end - text)));
}

}  // namespace tollgate::proxy
