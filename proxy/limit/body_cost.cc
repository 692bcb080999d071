#include "proxy/limit/body_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/policy/json_pointer.h"

namespace tollgate::proxy {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Takes the first character off `text`, which is valid UTF-8 and not empty.
absl::string_view TakeCharacter(absl::string_view* text) {
  size_t length = 1;
  while (length < text->size() && (static_cast<unsigned char>((*text)[length]) & 0xC0) == 0x80) {
    ++length;
  }
  const absl::string_view character = text->substr(0, length);
  text->remove_prefix(length);
  return character;
}

// Whether a reader that does not care for case could take one name for the other. Some characters
// beyond ASCII fold to ASCII letters (U+017F to s, U+212A to k, for some readers U+0130 to i), so
// each is taken for any ASCII character; among themselves they are compared as they are.
bool MayBeTheSameName(absl::string_view a, absl::string_view b) {
  while (!a.empty() && !b.empty()) {
    const absl::string_view x = TakeCharacter(&a);
    const absl::string_view y = TakeCharacter(&b);
    if (IsAscii(x[0]) != IsAscii(y[0])) continue;
    if (IsAscii(x[0]) ? absl::ascii_tolower(x[0]) != absl::ascii_tolower(y[0]) : x != y) {
      return false;
    }
  }
  return a.empty() && b.empty();
}

// Whether `members` has `name`, and no other that could be taken for it.
bool IsTheOnlyOne(const object& members, absl::string_view name) {
  int alike = 0;
  for (const auto& [key, value] : members) {
    alike += MayBeTheSameName({key.data(), key.size()}, name);
  }
  return alike == 1;
}

// One step down. An index is decimal digits without leading zeros (RFC 6901 section 4).
std::optional<element> Step(const element& from, const std::string& token) {
  object members;
  if (from.get(members) == simdjson::SUCCESS) return JsonMember(members, token);
  array items;
  size_t index = 0;
  const bool digits =
      !token.empty() && std::all_of(token.begin(), token.end(), absl::ascii_isdigit);
  if (!digits || (token.size() > 1 && token[0] == '0') || !absl::SimpleAtoi(token, &index) ||
      from.get(items) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  element item;
  if (items.at(index).get(item) != simdjson::SUCCESS) return std::nullopt;
  return item;
}

// "12", "12.50": rounded up to a whole number, exactly.
std::optional<uint64_t> WholeUp(absl::string_view text) {
  const size_t point = std::min(text.find('.'), text.size());
  const absl::string_view whole = text.substr(0, point);
  const absl::string_view fraction = text.substr(std::min(point + 1, text.size()));
  const auto all_digits = [](absl::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), absl::ascii_isdigit);
  };
  if (!all_digits(whole) || (point < text.size() && !all_digits(fraction))) return std::nullopt;
  uint64_t value = 0;
  if (!absl::SimpleAtoi(whole, &value)) return kHuge;
  const bool more = fraction.find_first_not_of('0') != absl::string_view::npos;
  return more && value < kHuge ? value + 1 : value;
}

std::optional<uint64_t> WholeUp(double amount) {
  if (!(amount >= 0)) return std::nullopt;
  const double up = std::ceil(amount);
  return up >= 0x1p63 ? kHuge : static_cast<uint64_t>(up);
}

std::optional<uint64_t> WholeUp(const element& amount) {
  switch (amount.type()) {
    case element_type::INT64: {
      const int64_t value = amount.get_int64().value_unsafe();
      if (value < 0) return std::nullopt;
      return static_cast<uint64_t>(value);
    }
    case element_type::UINT64:
      return amount.get_uint64().value_unsafe();
    case element_type::DOUBLE:
      return WholeUp(amount.get_double().value_unsafe());
    case element_type::STRING:
      return WholeUp(JsonString(amount).value_or(""));
    default:
      return std::nullopt;
  }
}

// The value of a parameter, which may stand in quotes.
absl::string_view Unquoted(absl::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    return value.substr(1, value.size() - 2);
  }
  return value;
}

}  // namespace

bool SaysJson(absl::string_view content_type) {
  const std::vector<absl::string_view> parts = absl::StrSplit(content_type, ';');
  const absl::string_view type = absl::StripAsciiWhitespace(parts[0]);
  if (!absl::EqualsIgnoreCase(type, "application/json") &&
      !absl::EndsWithIgnoreCase(type, "+json")) {
    return false;
  }
  // JSON has no charset parameter (RFC 8259 section 11), but there are services that go by it.
  return std::all_of(parts.begin() + 1, parts.end(), [](absl::string_view part) {
    part = absl::StripAsciiWhitespace(part);
    if (!absl::StartsWithIgnoreCase(part, "charset")) return true;
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    return absl::EqualsIgnoreCase(Unquoted(absl::StripAsciiWhitespace(halves.second)), "utf-8");
  });
}

BodyCost::BodyCost(const CostPolicy& policy) : divide_(std::max<uint32_t>(policy.divide, 1)) {
  if (auto path = ParseJsonPointer(policy.json); path.ok()) path_ = *std::move(path);
}

BodyCost::Result BodyCost::Of(absl::string_view body, StrictJson& parser, uint32_t* units) const {
  element at;
  if (parser.Parse(body, &at) != JsonError::kNone) return Result::kNotJson;
  if (path_.empty()) return Result::kNoField;
  for (const std::string& token : path_) {
    const std::optional<element> next = Step(at, token);
    if (!next.has_value()) return Result::kNoField;
    object members;
    if (at.get(members) == simdjson::SUCCESS && !IsTheOnlyOne(members, token)) {
      return Result::kNotJson;
    }
    at = *next;
  }
  const std::optional<uint64_t> whole = WholeUp(at);
  if (!whole.has_value()) return Result::kNotAmount;
  // Rounding up twice is rounding up once: ceil(ceil(x) / n) = ceil(x / n).
  const uint64_t cost = *whole / divide_ + (*whole % divide_ != 0 ? 1 : 0);
  *units = static_cast<uint32_t>(std::min<uint64_t>(cost, std::numeric_limits<uint32_t>::max()));
  return Result::kOk;
}

}  // namespace tollgate::proxy
