// Faults that a route injects on purpose.
#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr Duration kMaxDelay = std::chrono::hours(1);
constexpr size_t kMaxValue = 1024;

// "0.5" percent, in ten-thousandths. Nothing by default: that all requests fail has to be meant.
uint32_t TakePercent(const std::string& field, const std::string& text, Checker* check) {
  const absl::StatusOr<uint32_t> thousandths = ParsePermille(text, 100'000);
  if (text.empty()) {
    check->Report(field, "", "is missing: of how many requests?", "e.g. percent: \"0.5\"");
    return 1;
  }
  if (!thousandths.ok() || *thousandths == 0 || *thousandths % 10 != 0) {
    check->Report(field, text, "expected above 0 to 100, with at most two decimals",
                  "e.g. \"10\", or \"0.5\"");
    return 1;
  }
  return *thousandths / 10;
}

FaultMatchPolicy CompileMatch(bool present, const model::v1::FaultHeader& spec,
                              const std::string& field, Checker* check) {
  FaultMatchPolicy out;
  if (!present) return out;
  if (spec.name().empty()) {
    check->Report(absl::StrCat(field, ".name"), "", "is missing; expected the name of a header",
                  "e.g. name: X-Rehearsal");
  } else {
    out.header = check->TakeHeaderName(absl::StrCat(field, ".name"), spec.name(), "");
  }
  out.value = spec.value();
  if (out.value.size() > kMaxValue || absl::c_any_of(out.value, [](unsigned char c) {
        return (c < 0x20 && c != '\t') || c == 0x7f;
      })) {
    check->Report(absl::StrCat(field, ".value"), "",
                  "expected at most 1024 bytes without control characters");
  }
  return out;
}

}  // namespace

FaultsPolicy CompileFaults(const model::v1::Faults& spec, const std::string& field,
                           Checker* check) {
  FaultsPolicy out;
  if (!spec.has_delay() && !spec.has_abort()) {
    check->Report(field, "", "is empty; expected delay or abort",
                  "e.g. faults: {delay: {duration: 2s, percent: \"10\"}}");
  }
  if (spec.has_delay()) {
    const std::string duration = absl::StrCat(field, ".delay.duration");
    if (spec.delay().duration().empty()) {
      check->Report(duration, "", "is missing: how long?", "e.g. duration: 2s");
    }
    out.delay.duration =
        check->TakeDuration(duration, spec.delay().duration(), std::chrono::milliseconds(1));
    if (out.delay.duration > kMaxDelay) {
      check->Report(duration, spec.delay().duration(), "expected at most 1h");
    }
    out.delay.per_ten_thousand =
        TakePercent(absl::StrCat(field, ".delay.percent"), spec.delay().percent(), check);
    out.delay.match = CompileMatch(spec.delay().has_header(), spec.delay().header(),
                                   absl::StrCat(field, ".delay.header"), check);
  }
  if (spec.has_abort()) {
    const std::string status = absl::StrCat(field, ".abort.status");
    if (!spec.abort().has_status()) {
      check->Report(status, "", "is missing; expected 400 to 599", "e.g. status: 503");
    }
    // Only what fails: a made-up success would be believed.
    out.abort.status = static_cast<int>(
        check->TakeNumber(status, spec.abort().has_status(), spec.abort().status(), 503, 400, 599));
    out.abort.per_ten_thousand =
        TakePercent(absl::StrCat(field, ".abort.percent"), spec.abort().percent(), check);
    out.abort.match = CompileMatch(spec.abort().has_header(), spec.abort().header(),
                                   absl::StrCat(field, ".abort.header"), check);
  }
  return out;
}

}  // namespace tollgate::control
