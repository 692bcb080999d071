// What a request costs by a number in its body: an amount of money, a count of items. Compiled from
// the route's policy; immutable, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/crypto/json.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

// Whether the value of a Content-Type says JSON in UTF-8: application/json, or a type that ends in
// "+json" (RFC 6839 section 3.1). A service may read by another rule what calls itself otherwise.
bool SaysJson(absl::string_view content_type);

class BodyCost {
 public:
  enum class Result {
    kOk,
    kNotJson,    // or JSON that two readers could read differently: a name twice, or beside one
                 // that the pointer takes another that differs in case only
    kNoField,    // nothing stands there
    kNotAmount,  // not a number of zero or more, nor a text of one
  };

  // `policy.json` has been validated; one that is not a JSON Pointer finds nothing.
  explicit BodyCost(const CostPolicy& policy);

  // Amounts are numbers, or texts of decimal digits with or without a fraction ("12.50"), which
  // payment APIs use so that nobody rounds. Units are the amount divided, rounded up, and saturate
  // at what no plan admits.
  Result Of(absl::string_view body, StrictJson& parser, uint32_t* units) const;

 private:
  std::vector<std::string> path_;
  uint64_t divide_ = 1;
};

}  // namespace tollgate::proxy
