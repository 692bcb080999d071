// Faults that a route injects on purpose.
#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/policy/convert.h"

namespace tollgate::internal {
namespace {

constexpr uint64_t kMaxDelayMs = 3'600'000;

FaultMatchPolicy ConvertMatch(const config::v1::FaultMatch& from, const At& at, Errors& errors) {
  CheckHeaderName(from.header(), at["header"], errors);
  // A value that no request can carry (RFC 9110 section 5.5) would match nothing for ever.
  if (from.value().size() > 1024 || absl::c_any_of(from.value(), [](unsigned char c) {
        return (c < 0x20 && c != '\t') || c == 0x7f;
      })) {
    errors.Add(Code::kInvalid, at["value"],
               "expected at most 1024 bytes without control characters");
  }
  return {from.header(), from.value()};
}

}  // namespace

FaultsPolicy ConvertFaults(const config::v1::Route& route_from, const At& route, Errors& errors) {
  FaultsPolicy to;
  if (!route_from.has_faults()) return to;
  const config::v1::Faults& from = route_from.faults();
  const At at = route["faults"];
  if (!from.has_delay() && !from.has_abort()) {
    errors.Add(Code::kMissing, at, "is empty; expected delay or abort");
  }
  if (from.has_delay()) {
    const At place = at["delay"];
    to.delay.duration =
        CheckMillis(from.delay().duration_ms(), 1, kMaxDelayMs, place["duration_ms"], errors);
    to.delay.per_ten_thousand = from.delay().per_ten_thousand();
    CheckRange(to.delay.per_ten_thousand, 1, 10'000, place["per_ten_thousand"], errors);
    if (from.delay().has_match()) {
      to.delay.match = ConvertMatch(from.delay().match(), place["match"], errors);
    }
  }
  if (from.has_abort()) {
    const At place = at["abort"];
    to.abort.status = static_cast<int>(from.abort().status());
    // Only what fails: a made-up success would be believed.
    CheckRange(from.abort().status(), 400, 599, place["status"], errors);
    to.abort.per_ten_thousand = from.abort().per_ten_thousand();
    CheckRange(to.abort.per_ten_thousand, 1, 10'000, place["per_ten_thousand"], errors);
    if (from.abort().has_match()) {
      to.abort.match = ConvertMatch(from.abort().match(), place["match"], errors);
    }
  }
  return to;
}

}  // namespace tollgate::internal
