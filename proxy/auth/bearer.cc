#include "proxy/auth/bearer.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kScheme = "Bearer";

constexpr std::array<bool, 256> MakeOthers() {
  std::array<bool, 256> others{};
  for (bool& other : others) other = true;
  for (int c = '0'; c <= '9'; ++c) others[c] = false;
  for (int c = 'a'; c <= 'z'; ++c) others[c] = others[c - 'a' + 'A'] = false;
  for (const char c : {'-', '.', '_', '~', '+', '/'}) others[static_cast<unsigned char>(c)] = false;
  return others;
}
constexpr std::array<bool, 256> kOthers = MakeOthers();  // what no b64token holds before its end

// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool IsB64Token(absl::string_view text) {
  while (absl::EndsWith(text, "=")) text.remove_suffix(1);
  unsigned found = 0;
  for (const char c : text) found |= kOthers[static_cast<unsigned char>(c)];
  return found == 0 && !text.empty();
}

// Section 3: neither error_description nor scope may hold a quote, a backslash or a control
// character.
void AppendQuoted(absl::string_view name, absl::string_view value, std::string* out) {
  absl::StrAppend(out, name, "=\"");
  for (const char c : value) {
    if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') *out += c;
  }
  *out += '"';
}

}  // namespace

Bearer ParseBearer(absl::string_view value) {
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return {};
  value.remove_prefix(kScheme.size());
  if (value.empty()) return {.status = BearerStatus::kMalformed};
  if (value[0] != ' ') {
    // Another scheme that begins alike, or a separator that the grammar does not have.
    return {.status = absl::ascii_isspace(static_cast<unsigned char>(value[0]))
                          ? BearerStatus::kMalformed
                          : BearerStatus::kOtherScheme};
  }
  while (absl::StartsWith(value, " ")) value.remove_prefix(1);
  if (!IsB64Token(value)) return {.status = BearerStatus::kMalformed};
  return {.status = BearerStatus::kOk, .token = value};
}

std::string BearerChallenge(absl::string_view error, absl::string_view description,
                            absl::string_view scope) {
  std::string out(kScheme);
  absl::string_view separator = " ";
  const auto add = [&](absl::string_view name, absl::string_view text) {
    if (text.empty()) return;
    absl::StrAppend(&out, separator);
    AppendQuoted(name, text, &out);
    separator = ", ";
  };
  add("error", error);
  add("error_description", description);
  add("scope", scope);
  return out;
}

}  // namespace tollgate::proxy
