// How an upstream is balanced.
#include "absl/strings/str_cat.h"
#include "common/policy/balancing.h"
#include "common/policy/convert.h"

namespace tollgate::internal {
namespace {

using Kind = HashKeyPolicy::Kind;

HashKeyPolicy ConvertHashKey(const config::v1::HashKey& from, const At& at, Errors& errors) {
  using config::v1::HashKey;
  switch (from.kind_case()) {
    case HashKey::kConsumer:
      if (!from.consumer()) {
        errors.Add(Code::kInvalid, at["consumer"], "is false; expected true, or another kind");
      }
      return {Kind::kConsumer, ""};
    case HashKey::kHeader:
      CheckHeaderName(from.header(), at["header"], errors);
      return {Kind::kHeader, from.header()};
    case HashKey::kPathParameter:
      CheckWord(from.path_parameter(), at["path_parameter"], errors);
      return {Kind::kPathParameter, from.path_parameter()};
    case HashKey::KIND_NOT_SET:
      break;
  }
  errors.Add(Code::kMissing, at, "says nothing to hash");
  return {};
}

ZonePolicy ConvertZones(const config::v1::ZoneRouting& from, const At& at, Errors& errors) {
  ZonePolicy to;
  to.ignore = from.ignore();
  to.local = from.local();
  if (!from.local().empty()) CheckIdentifier(from.local(), at["local"], errors);
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < from.callers_size(); ++i) {
    const At place = at("callers", i);
    const At zone = place["zone"];
    if (CheckIdentifier(from.callers(i).zone(), zone, errors)) {
      CheckDistinct(from.callers(i).zone(), seen, zone, errors);
    }
    CheckRange(from.callers(i).weight(), 1, 1'000'000'000, place["weight"], errors);
    to.callers.push_back({from.callers(i).zone(), from.callers(i).weight()});
  }
  return to;
}

LoadReportPolicy ConvertLoadReports(const config::v1::LoadReports& from, const At& at,
                                    Errors& errors) {
  LoadReportPolicy to;
  to.blackout = CheckMillis(from.blackout_ms(), 0, kDayMs, at["blackout_ms"], errors);
  to.expiry = CheckMillis(from.expiry_ms(), 1, kDayMs, at["expiry_ms"], errors);
  to.update = CheckMillis(from.update_ms(), 1, kDayMs, at["update_ms"], errors);
  to.error_penalty_permille = from.error_penalty_permille();
  CheckRange(from.error_penalty_permille(), 0, kMaxErrorPenaltyPermille,
             at["error_penalty_permille"], errors);
  return to;
}

}  // namespace

BalancingPolicy ConvertBalancing(const config::v1::Balancing& from, Balance balance, const At& at,
                                 Errors& errors) {
  BalancingPolicy to;
  const At hash = at["hash"];
  if (from.has_hash()) {
    to.hash = ConvertHashKey(from.hash(), hash, errors);
    if (!IsHashing(balance)) {
      errors.Add(Code::kConflict, hash, "only ring hash and Maglev hash anything");
    }
  } else if (IsHashing(balance)) {
    errors.Add(Code::kMissing, hash, "ring hash and Maglev need something to hash");
  }
  to.ring_points = from.ring_points();
  CheckRange(from.ring_points(), 1, kMaxRingPoints, at["ring_points"], errors);
  to.table_size = from.table_size();
  const At table_size = at["table_size"];
  if (CheckRange(from.table_size(), 2, kMaxTableSize, table_size, errors) &&
      !IsPrime(from.table_size())) {
    errors.Add(Code::kInvalid, table_size, absl::StrCat(from.table_size(), "; expected a prime"));
  }
  to.bias_permille = from.bias_permille();
  CheckRange(from.bias_permille(), 0, kMaxBiasPermille, at["bias_permille"], errors);
  const At slow_start = at["slow_start_ms"];
  to.slow_start = CheckMillis(from.slow_start_ms(), 0, kDayMs, slow_start, errors);
  if (IsHashing(balance) && from.slow_start_ms() > 0) {
    errors.Add(Code::kConflict, slow_start, "a hash leaves no choice that could be ramped up");
  }
  to.panic_threshold = from.panic_threshold_percent();
  CheckRange(from.panic_threshold_percent(), 0, 100, at["panic_threshold_percent"], errors);
  to.overprovisioning = from.overprovisioning_percent();
  CheckRange(from.overprovisioning_percent(), kMinOverprovisioning, kMaxOverprovisioning,
             at["overprovisioning_percent"], errors);
  if (from.has_zones()) to.zones = ConvertZones(from.zones(), at["zones"], errors);
  if (from.has_load_reports()) {
    const At reports = at["load_reports"];
    to.load_reports = ConvertLoadReports(from.load_reports(), reports, errors);
    if (balance != Balance::kLoadWeighted) {
      errors.Add(Code::kConflict, reports, "only load weighted reads load reports");
    }
  }
  return to;
}

}  // namespace tollgate::internal
