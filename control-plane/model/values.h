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

namespace tollgate::control {

// "250ms", "5s", "1m", "1h"; above zero, whole numbers, at most 24h.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);
// "64KiB", "1MiB", "1GiB", or plain bytes; at most 1 TiB.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);
// "10/second;100/minute", "1000/hour", "5/10s": one to eight windows of different lengths, counts
// from 1 to 10^9, periods of at most a day ("day" is a period too). In the order written.
absl::StatusOr<std::vector<WindowPolicy>> ParseLimit(absl::string_view text);

struct MatchValue {
  std::string method;  // "": every method
  std::string path;    // a template that common/policy/path.h accepts, canonical
};
// "POST /payments/{id}", "ANY /x/**".
absl::StatusOr<MatchValue> ParseMatch(absl::string_view text);
// "/", "/v1": canonical, no template, no trailing slash but for the root.
absl::Status CheckBasePath(absl::string_view text);

// RFC 3339 section 5.6: "2026-09-01T00:00:00Z", "2026-09-01T02:00:00+02:00"; no fractions.
absl::StatusOr<WallTime> ParseDate(absl::string_view text);

// A host of a request: "pay.example.com", lower case, no port; an IPv4 address, "[::1]", or "*".
absl::Status CheckHost(absl::string_view text);

// A header that a policy may read or set: a token (RFC 9110 section 5.1), lower-cased. Refused:
// hop-by-hop ones (section 7.6.1), those that frame a message, and those that Tollgate writes.
absl::StatusOr<std::string> ParseHeaderName(absl::string_view text);
// No control character but tab, no space at the ends (RFC 9110 section 5.5).
absl::Status CheckHeaderValue(absl::string_view text);

// Names of documents, versions, routes, keys: [a-z0-9]([-a-z0-9.]*[a-z0-9])?, at most 63.
absl::Status CheckName(absl::string_view text);
// What others name: a node, a claim, an identity. Printable, no spaces, at most 255 bytes.
absl::Status CheckIdentifier(absl::string_view text);
// "payments.read", "https://x/scope": what RFC 6749 section 3.3 allows in a scope, at most 255.
absl::Status CheckPermission(absl::string_view text);

}  // namespace tollgate::control
