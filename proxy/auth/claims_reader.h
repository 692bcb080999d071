// Typed access to the claims of one token (RFC 7519 section 4). Reused from token to token; one
// thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/crypto/json.h"
#include "proxy/auth/token_error.h"

namespace tollgate::proxy {

class ClaimsReader {
 public:
  enum class Result { kAbsent, kOk, kWrongType };

  // `payload` must be followed by JwsParser::kPadding readable bytes. What the getters return views
  // into this object, until the next Parse.
  TokenError Parse(absl::string_view payload);

  Result String(absl::string_view name, absl::string_view* out) const;
  // A string, or an array of strings.
  Result Strings(absl::string_view name, std::vector<absl::string_view>* out) const;
  // NumericDate: seconds, possibly with a fraction. Years 1970 to 9999; what WallTime cannot hold
  // becomes its maximum, which is as far ahead.
  Result Time(absl::string_view name, WallTime* out) const;
  // A string, or an integer as decimal text: what plans may count by. False: it is absent, or has
  // another type.
  bool Key(absl::string_view name, std::string* out) const;

 private:
  StrictJson json_;
  simdjson::dom::object claims_;
};

}  // namespace tollgate::proxy
