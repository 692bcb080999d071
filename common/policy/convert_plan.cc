// Plans: how much, counted by what.
#include <set>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/policy/convert.h"
#include "common/policy/plan_units.h"

namespace tollgate::internal {
namespace {

constexpr EnumValue<LimitAlgorithm> kAlgorithms[] = {
    {config::v1::ALGORITHM_GCRA, LimitAlgorithm::kGcra},
    {config::v1::ALGORITHM_SLIDING_WINDOW, LimitAlgorithm::kSlidingWindow}};
constexpr EnumValue<LimitKey> kLimitKeys[] = {{config::v1::LIMIT_KEY_CONSUMER, LimitKey::kConsumer},
                                              {config::v1::LIMIT_KEY_KEY, LimitKey::kKey},
                                              {config::v1::LIMIT_KEY_CLAIM, LimitKey::kClaim},
                                              {config::v1::LIMIT_KEY_ADDRESS, LimitKey::kAddress},
                                              {config::v1::LIMIT_KEY_ROUTE, LimitKey::kRoute},
                                              {config::v1::LIMIT_KEY_API, LimitKey::kApi}};
constexpr uint64_t kMaxCount = 1'000'000'000;
constexpr uint64_t kMaxConcurrency = 1'000'000;
constexpr int kMaxWindows = 8;
constexpr int kMaxParts = 4;

// What one algorithm cannot count, though the other can.
void CheckCounts(const config::v1::Plan& from, const At& at, Errors& errors) {
  for (int i = 0; i < from.windows_size(); ++i) {
    const config::v1::Window& window = from.windows(i);
    if (window.count() > kMaxCount) continue;  // said already
    const At parent = at("windows", i);
    const At place = parent["count"];
    const uint64_t most = MaxGcraCount(std::chrono::milliseconds(window.period_ms()));
    if (from.algorithm() == config::v1::ALGORITHM_SLIDING_WINDOW &&
        window.count() > kMaxSlidingCount) {
      errors.Add(Code::kOutOfRange, place,
                 absl::StrCat(window.count(),
                              "; a sliding window keeps 8 bytes a unit: expected at "
                              "most ",
                              kMaxSlidingCount, ", or gcra"));
    } else if (from.algorithm() == config::v1::ALGORITHM_GCRA && window.period_ms() > 0 &&
               window.count() > most) {
      errors.Add(Code::kOutOfRange, place,
                 absl::StrCat(window.count(), " in ", window.period_ms(),
                              " ms; gcra counts whole "
                              "nanoseconds a unit: expected at most ",
                              most, ", or larger units"));
    }
  }
}

void ConvertWindows(const config::v1::Plan& from, const At& at, PlanPolicy& to, Errors& errors) {
  if (from.windows().empty() && from.concurrency() == 0) {
    errors.Add(Code::kMissing, at["windows"],
               "is empty, and so is concurrency; a plan limits something");
  } else if (from.windows_size() > kMaxWindows) {
    errors.Add(Code::kOutOfRange, at["windows"],
               absl::StrCat(from.windows_size(), " windows; expected at most ", kMaxWindows));
  }
  std::set<uint64_t> periods;
  for (int i = 0; i < from.windows_size(); ++i) {
    const config::v1::Window& window = from.windows(i);
    const At place = at("windows", i);
    CheckRange(window.count(), 1, kMaxCount, place["count"], errors);
    const Duration period =
        CheckMillis(window.period_ms(), 1, 31 * kDayMs, place["period_ms"], errors);
    if (!periods.insert(window.period_ms()).second) {
      errors.Add(Code::kDuplicate, place["period_ms"],
                 absl::StrCat(window.period_ms(), " has a window already"));
    }
    to.windows.push_back({window.count(), period});
  }
  // A plan without windows counts nothing that an algorithm could count.
  if (!from.windows().empty() || from.algorithm() != config::v1::ALGORITHM_UNSPECIFIED) {
    to.algorithm = CheckEnum(from.algorithm(), kAlgorithms, at["algorithm"], errors);
    CheckCounts(from, at, errors);
  }
  to.burst = from.burst();
  CheckRange(from.burst(), 0, kMaxCount, at["burst"], errors);
  if (from.burst() != 0 && from.windows().empty()) {
    errors.Add(Code::kConflict, at["burst"], "is set, but the plan has no windows");
  } else if (from.burst() != 0 && from.algorithm() == config::v1::ALGORITHM_SLIDING_WINDOW) {
    errors.Add(Code::kConflict, at["burst"], "is set, but a sliding window has no burst");
  }
}

LimitKeyPart ConvertPart(config::v1::LimitKey per, const std::string& claim, const At& at,
                         Errors& errors) {
  LimitKeyPart part(CheckEnum(per, kLimitKeys, at["per"], errors), claim);
  if (part.kind == LimitKey::kClaim) {
    CheckIdentifier(claim, at["claim"], errors);
  } else if (!claim.empty()) {
    errors.Add(Code::kConflict, at["claim"], "is set, but what is counted by is no claim");
  }
  return part;
}

void ConvertKey(const config::v1::Plan& from, const At& at, PlanPolicy& to, Errors& errors) {
  to.per.clear();
  if (from.parts().empty()) {
    to.per.push_back(ConvertPart(from.per(), from.claim(), at, errors));
    return;
  }
  if (from.per() != config::v1::LIMIT_KEY_UNSPECIFIED || !from.claim().empty()) {
    errors.Add(Code::kConflict, at["per"], "stands beside parts; expected one of the two");
  }
  if (from.parts_size() < 2 || from.parts_size() > kMaxParts) {
    errors.Add(Code::kOutOfRange, at["parts"],
               absl::StrCat(from.parts_size(), " parts; expected 2 to ", kMaxParts));
  }
  for (int i = 0; i < from.parts_size(); ++i) {
    const At place = at("parts", i);
    LimitKeyPart part = ConvertPart(from.parts(i).per(), from.parts(i).claim(), place, errors);
    if (absl::c_linear_search(to.per, part)) {
      errors.Add(Code::kDuplicate, place, "stands here already");
    }
    to.per.push_back(std::move(part));
  }
}

uint32_t ConvertPrefix(uint32_t bits, uint32_t fallback, uint32_t max, const At& at,
                       Errors& errors) {
  if (bits == 0) return fallback;
  CheckRange(bits, 1, max, at, errors);
  return bits;
}

}  // namespace

PlanPolicy ConvertPlan(const config::v1::Plan& from, const At& at, Errors& errors) {
  PlanPolicy to;
  to.name = from.name();
  ConvertWindows(from, at, to, errors);
  ConvertKey(from, at, to, errors);
  to.response_headers = CheckHeaders(from.response_headers(), at, errors);
  to.ipv4_prefix = ConvertPrefix(from.ipv4_prefix(), 32, 32, at["ipv4_prefix"], errors);
  to.ipv6_prefix = ConvertPrefix(from.ipv6_prefix(), 64, 128, at["ipv6_prefix"], errors);
  to.concurrency = from.concurrency();
  CheckRange(from.concurrency(), 0, kMaxConcurrency, at["concurrency"], errors);
  switch (from.headers()) {
    case config::v1::LIMIT_HEADERS_UNSPECIFIED:
      break;
    case config::v1::LIMIT_HEADERS_DRAFT_10:
      to.headers = LimitHeaders::kDraft10;
      break;
    default:
      errors.Add(Code::kUnknownValue, at["headers"],
                 absl::StrCat(static_cast<int>(from.headers()), " is not a value known here"));
  }
  to.shadow = from.shadow();
  to.show_claims = from.show_claims();
  return to;
}

}  // namespace tollgate::internal
