// The little languages in which operators write values. Strict: one spelling, no spaces, no signs.
// An error says what was expected; the caller adds field and value. Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/policy/policy.h"
#include "common/policy/words.h"

namespace tollgate::control {

// "250ms", "5s", "1m", "1h"; above zero, whole numbers, at most 24h.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);
// "64KiB", "1MiB", "1GiB", or plain bytes; at most 1 TiB.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);
// "10/second;100/minute", "1000/hour", "5/10s": one to eight windows of different lengths, counts
// from 1 to 10^9, periods of at most a day ("day" is a period too). In the order written.
absl::StatusOr<std::vector<WindowPolicy>> ParseLimit(absl::string_view text);

// "1", "0.5", "1.25": at most three decimals, at most `most`; in thousandths.
absl::StatusOr<uint32_t> ParsePermille(absl::string_view text, uint32_t most);

struct MatchValue {
  std::string method;  // "": every method
  std::string path;    // a template that common/policy/path.h accepts, canonical
};
// "POST /payments/{id}", "ANY /x/**".
absl::StatusOr<MatchValue> ParseMatch(absl::string_view text);
// RFC 3339 section 5.6: "2026-09-01T00:00:00Z", "2026-09-01T02:00:00+02:00"; no fractions.
absl::StatusOr<WallTime> ParseDate(absl::string_view text);

// The rules that sidecars check again: common/policy/words.h.
using words::CheckBasePath;
using words::CheckHeaderValue;
using words::CheckHost;
using words::CheckIdentifier;
using words::CheckName;
using words::CheckPermission;

// A header as operators write it, in lower case: what words::CheckHeaderName allows.
absl::StatusOr<std::string> ParseHeaderName(absl::string_view text);

}  // namespace tollgate::control
