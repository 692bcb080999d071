// Faults on purpose: so that teams see what their services make of a dependency that is slow or
// fails. Policies with faults reach this only where the process was started to allow them
// (common/policy/fault_check.h).
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proxy/filter/context.h"
#include "proxy/filter/steps.h"

namespace tollgate::proxy {
namespace {

// A field that is there several times matches with any of its values.
bool Matches(const FaultMatchPolicy& match, const HeaderMap& headers) {
  if (match.header.empty()) return true;
  return absl::c_any_of(headers, [&match](const HeaderMap::Field& field) {
    return field.name == match.header && (match.value.empty() || field.value == match.value);
  });
}

template <typename Fault>
bool Meets(const Fault& fault, RequestContext& c) {
  return fault.per_ten_thousand > 0 && Matches(fault.match, c.head.headers) &&
         c.services->random.Below(10'000) < fault.per_ten_thousand;
}

LocalReply Aborted(int status) {
  return {.status = status,
          .reason = "fault_abort",
          .detail = "This error was made on purpose: the route injects faults."};
}

// The delay takes all the time that the request had.
LocalReply OutOfTime() {
  return {.status = 504,
          .reason = "fault_delay",
          .detail = "The time ran out in a delay made on purpose: the route injects faults."};
}

std::string Share(uint32_t per_ten_thousand, const FaultMatchPolicy& match) {
  std::string text = absl::StrCat(per_ten_thousand / 100.0, " % of requests");
  if (!match.header.empty()) absl::StrAppend(&text, " with ", match.header);
  if (!match.value.empty()) absl::StrAppend(&text, ": ", match.value);
  return text;
}

class FaultStep final : public Filter {
 public:
  const char* name() const override { return "fault"; }
  uint8_t phases() const override { return kRequestHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    const FaultsPolicy& faults = c.route->policy->faults;
    if (!faults.any()) return kContinue;
    // Both are drawn, each for itself; a request that meets both is first delayed, then refused.
    const bool delayed = Meets(faults.delay, c);
    const bool aborted = Meets(faults.abort, c);
    c.fault = delayed ? (aborted ? "delay,abort" : "delay") : (aborted ? "abort" : "");
    if (!delayed) return aborted ? StepResult(Aborted(faults.abort.status)) : kContinue;
    return Delay(c, aborted);
  }

  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    const FaultsPolicy& faults = c.route->policy->faults;
    if (faults.delay.per_ten_thousand > 0) {
      demands.push_back(absl::StrCat(
          "on purpose delays ", Share(faults.delay.per_ten_thousand, faults.delay.match), " by ",
          absl::FormatDuration(absl::FromChrono(faults.delay.duration))));
    }
    if (faults.abort.per_ten_thousand > 0) {
      demands.push_back(absl::StrCat("on purpose answers ",
                                     Share(faults.abort.per_ten_thousand, faults.abort.match),
                                     " with ", faults.abort.status));
    }
    return kContinue;
  }

 private:
  // Waits on the loop's timer, at most until the request's deadline.
  static StepResult Delay(RequestContext& c, bool aborted) {
    const RoutePolicy& route = *c.route->policy;
    const Duration left = std::min(c.deadline, c.mono + route.timeout) - c.services->clock.Mono();
    Await await;
    await.start = [](Resume) { return nullptr; };
    if (route.faults.delay.duration >= left) {
      c.fault = "delay";  // whatever was to come after it
      await.deadline = std::max(left, Duration::zero());
      await.on_deadline = OutOfTime();
    } else {
      await.deadline = route.faults.delay.duration;
      await.continue_on_deadline = !aborted;
      if (aborted) await.on_deadline = Aborted(route.faults.abort.status);
    }
    return await;
  }
};

}  // namespace

std::unique_ptr<const Filter> MakeFaultStep() { return std::make_unique<FaultStep>(); }

}  // namespace tollgate::proxy
