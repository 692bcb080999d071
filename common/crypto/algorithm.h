// The signature algorithms that Tollgate accepts in a JWS (RFC 7518 section 3.1, RFC 8037, RFC
// 9864). `none` is not among them. Values; thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tollgate {

enum class JwsAlgorithm { kHs256, kHs384, kHs512, kRs256, kPs256, kEs256, kEs384, kEdDsa };

// EdDSA is Ed25519 here, and may be named either way (RFC 9864).
std::optional<JwsAlgorithm> ParseJwsAlgorithm(absl::string_view name);
absl::string_view ToString(JwsAlgorithm alg);
bool IsSymmetric(JwsAlgorithm alg);

// An issuer's list: not empty, no name twice, all known. The error names the bad entry and what is
// supported.
absl::StatusOr<std::vector<JwsAlgorithm>> ParseJwsAlgorithms(absl::Span<const std::string> names);

}  // namespace tollgate
