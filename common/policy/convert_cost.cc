// What a request to a route costs.
#include "absl/strings/str_cat.h"
#include "common/policy/convert.h"
#include "common/policy/json_pointer.h"

namespace tollgate::internal {
namespace {

constexpr uint64_t kMaxUnits = 1'000'000'000;         // as many as a window counts
constexpr uint64_t kMaxCostBody = uint64_t{1} << 20;  // it is held in memory as a whole

}  // namespace

CostPolicy ConvertCost(const config::v1::Route& from, const At& route, Errors& errors) {
  CostPolicy to;
  if (!from.has_cost()) return to;
  const config::v1::Cost& cost = from.cost();
  const At at = route["cost"];
  to.units = cost.units();
  to.json = cost.json();
  CheckRange(cost.units(), 0, kMaxUnits, at["units"], errors);
  if (cost.json().empty()) {
    if (cost.units() == 0) {
      errors.Add(Code::kMissing, at["units"], "is 0, and json is empty; expected one of the two");
    }
    if (cost.divide() != 0 || cost.max() != 0 || cost.max_body_bytes() != 0) {
      errors.Add(Code::kConflict, at["json"],
                 "is empty, but divide, max or max_body_bytes says how to read the body");
    }
    return to;
  }
  if (cost.units() != 0) {
    errors.Add(Code::kConflict, at["units"], "stands beside json; expected one of the two");
  }
  if (const auto pointer = ParseJsonPointer(cost.json()); !pointer.ok()) {
    errors.Add(Code::kInvalid, at["json"],
               absl::StrCat("\"", cost.json(), "\" ", pointer.status().message()));
  }
  if (from.method() == "GET" || from.method() == "HEAD") {
    errors.Add(Code::kConflict, at["json"],
               absl::StrCat("is read from the body, and a ", from.method(), " has none"));
  }
  to.divide = cost.divide();
  CheckRange(cost.divide(), 1, kMaxUnits, at["divide"], errors);
  to.max = cost.max();
  CheckRange(cost.max(), 0, kMaxUnits, at["max"], errors);
  to.max_body_bytes = cost.max_body_bytes();
  CheckRange(cost.max_body_bytes(), 1, kMaxCostBody, at["max_body_bytes"], errors);
  return to;
}

}  // namespace tollgate::internal
