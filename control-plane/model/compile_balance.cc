// How callers of a service choose between its endpoints.
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/policy/balancing.h"
#include "common/policy/words.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

constexpr std::pair<const char*, Balance> kPolicies[] = {
    {"peak-ewma", Balance::kPeakEwma},        {"least-request", Balance::kLeastRequest},
    {"round-robin", Balance::kRoundRobin},    {"random", Balance::kRandom},
    {"ring-hash", Balance::kRingHash},        {"maglev", Balance::kMaglev},
    {"load-weighted", Balance::kLoadWeighted}};

Balance TakePolicy(const std::string& policy, Checker* check) {
  std::vector<std::string> words;
  for (const auto& [word, balance] : kPolicies) words.push_back(word);
  return kPolicies[check->TakeWord("balance.policy", policy, words, 0)].second;
}

HashKeyPolicy TakeHash(const std::string& text, Balance balance, Checker* check) {
  constexpr absl::string_view kField = "balance.hash";
  constexpr absl::string_view kExpected = "expected consumer, header NAME or path-parameter NAME";
  using Kind = HashKeyPolicy::Kind;
  if (!IsHashing(balance)) {
    if (!text.empty()) {
      check->Report(kField, text, "only ring-hash and maglev hash anything",
                    "Leave it out, or choose one of these policies");
    }
    return {};
  }
  absl::string_view name = text;
  if (text == "consumer") return {Kind::kConsumer, ""};
  if (absl::ConsumePrefix(&name, "header ")) {
    auto header = ParseHeaderName(name);
    if (check->Check(kField, text, header.status())) return {Kind::kHeader, *header};
  } else if (absl::ConsumePrefix(&name, "path-parameter ")) {
    if (words::CheckWord(name).ok()) {
      return {Kind::kPathParameter, std::string(name)};
    }
    check->Report(kField, text, "expected the name of a parameter, as in {name} of a route");
  } else {
    check->Report(kField, text, absl::StrCat(text.empty() ? "is missing; " : "", kExpected));
  }
  return {};
}

uint32_t TakePermille(absl::string_view field, absl::string_view text, uint32_t fallback,
                      uint32_t most, Checker* check) {
  if (text.empty()) return fallback;
  auto parsed = ParsePermille(text, most);
  return check->Check(field, text, parsed.status()) ? *parsed : fallback;
}

// Reports a setting that `balance` does not read.
void BelongsTo(absl::string_view field, bool present, bool belongs, absl::string_view whose,
               Checker* check) {
  if (present && !belongs) {
    check->Report(field, "", absl::StrCat("only ", whose, " reads this"),
                  "Leave it out, or choose another policy");
  }
}

}  // namespace

void CompileBalance(const model::v1::Balance& spec, Checker* check, UpstreamPolicy* upstream) {
  const Balance balance = upstream->balance = TakePolicy(spec.policy(), check);
  BalancingPolicy& out = upstream->balancing;
  out.hash = TakeHash(spec.hash(), balance, check);

  BelongsTo("balance.ring_points", spec.has_ring_points(), balance == Balance::kRingHash,
            "ring-hash", check);
  out.ring_points = check->TakeNumber("balance.ring_points", spec.has_ring_points(),
                                      spec.ring_points(), out.ring_points, 1, kMaxRingPoints);
  BelongsTo("balance.table_size", spec.has_table_size(), balance == Balance::kMaglev, "maglev",
            check);
  out.table_size = check->TakeNumber("balance.table_size", spec.has_table_size(), spec.table_size(),
                                     out.table_size, 2, kMaxTableSize);
  if (!IsPrime(out.table_size)) {
    check->Report("balance.table_size", absl::StrCat(out.table_size), "expected a prime",
                  "E.g. 65537, or 655373 for some thousand endpoints");
  }
  BelongsTo("balance.bias", !spec.bias().empty(), balance == Balance::kLeastRequest,
            "least-request", check);
  out.bias_permille =
      TakePermille("balance.bias", spec.bias(), out.bias_permille, kMaxBiasPermille, check);
  BelongsTo("balance.slow_start", !spec.slow_start().empty(), !IsHashing(balance),
            "a policy without hash", check);
  out.slow_start = check->TakeDuration("balance.slow_start", spec.slow_start(), out.slow_start);
  out.panic_threshold = check->TakeNumber("balance.panic_threshold", spec.has_panic_threshold(),
                                          spec.panic_threshold(), out.panic_threshold, 0, 100);
  out.overprovisioning = check->TakeNumber("balance.overprovisioning", spec.has_overprovisioning(),
                                           spec.overprovisioning(), out.overprovisioning,
                                           kMinOverprovisioning, kMaxOverprovisioning);
  out.zones.ignore =
      check->TakeWord("balance.zones", spec.zones(), {"prefer-local", "ignore"}, 0) == 1;
  if (spec.zones() == "prefer-local" && IsHashing(balance)) {
    check->Report("balance.zones", spec.zones(),
                  "under ring-hash and maglev the hash chooses, whatever the zone",
                  "Leave it out, or choose a policy without hash");
  }

  BelongsTo("balance.load_reports", spec.has_load_reports(), balance == Balance::kLoadWeighted,
            "load-weighted", check);
  const model::v1::LoadReports& reports = spec.load_reports();
  LoadReportPolicy& load = out.load_reports;
  load.blackout =
      check->TakeDuration("balance.load_reports.blackout", reports.blackout(), load.blackout);
  load.expiry = check->TakeDuration("balance.load_reports.expiry", reports.expiry(), load.expiry);
  load.update = check->TakeDuration("balance.load_reports.update", reports.update(), load.update);
  load.error_penalty_permille =
      TakePermille("balance.load_reports.error_penalty", reports.error_penalty(),
                   load.error_penalty_permille, kMaxErrorPenaltyPermille, check);
}

}  // namespace tollgate::control
