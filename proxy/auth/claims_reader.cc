#include "proxy/auth/claims_reader.h"

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

using simdjson::dom::element;

constexpr int64_t kMaxNumericDate = 253'402'300'799;  // the end of year 9999

WallTime FromNumericDate(double seconds) {
  constexpr double kMaxSeconds = 9'223'372'036.0;  // of 64-bit nanoseconds: year 2262
  if (seconds >= kMaxSeconds) return WallTime::max();
  return WallTime(Duration(static_cast<int64_t>(seconds * 1e9)));
}

}  // namespace

TokenError ClaimsReader::Parse(absl::string_view payload) {
  claims_ = simdjson::dom::object();
  element root;
  switch (json_.ParsePadded(payload, &root)) {
    case JsonError::kNone:
      break;
    case JsonError::kDuplicateName:
      return {.failure = TokenFailure::kJws, .jws = JwsFailure::kDuplicateName};
    case JsonError::kInvalid:
      return {.failure = TokenFailure::kPayload};
  }
  if (root.get(claims_) != simdjson::SUCCESS) return {.failure = TokenFailure::kPayload};
  return {};
}

ClaimsReader::Result ClaimsReader::String(absl::string_view name, absl::string_view* out) const {
  const auto value = JsonMember(claims_, name);
  if (!value) return Result::kAbsent;
  const auto text = JsonString(*value);
  if (!text) return Result::kWrongType;
  *out = *text;
  return Result::kOk;
}

ClaimsReader::Result ClaimsReader::Strings(absl::string_view name,
                                           std::vector<absl::string_view>* out) const {
  out->clear();
  const auto value = JsonMember(claims_, name);
  if (!value) return Result::kAbsent;
  if (const auto text = JsonString(*value)) {
    out->push_back(*text);
    return Result::kOk;
  }
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) return Result::kWrongType;
  for (const element item : array) {
    const auto text = JsonString(item);
    if (!text) return Result::kWrongType;
    out->push_back(*text);
  }
  return Result::kOk;
}

ClaimsReader::Result ClaimsReader::Time(absl::string_view name, WallTime* out) const {
  const auto value = JsonMember(claims_, name);
  if (!value) return Result::kAbsent;
  int64_t whole = 0;
  double fraction = 0;
  if (value->get(whole) == simdjson::SUCCESS) {
    if (whole < 0 || whole > kMaxNumericDate) return Result::kWrongType;
    *out = whole > 9'223'372'035 ? WallTime::max() : FromUnixSeconds(whole);
    return Result::kOk;
  }
  if (value->get(fraction) != simdjson::SUCCESS) return Result::kWrongType;
  if (!(fraction >= 0 && fraction <= static_cast<double>(kMaxNumericDate))) {
    return Result::kWrongType;
  }
  *out = FromNumericDate(fraction);
  return Result::kOk;
}

bool ClaimsReader::Key(absl::string_view name, std::string* out) const {
  const auto value = JsonMember(claims_, name);
  if (!value) return false;
  int64_t negative = 0;
  uint64_t positive = 0;
  if (const auto text = JsonString(*value)) {
    *out = std::string(*text);
  } else if (value->is_uint64() && value->get(positive) == simdjson::SUCCESS) {
    *out = absl::StrCat(positive);
  } else if (value->is_int64() && value->get(negative) == simdjson::SUCCESS) {
    *out = absl::StrCat(negative);
  } else {
    return false;
  }
  return true;
}

}  // namespace tollgate::proxy
