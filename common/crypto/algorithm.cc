#include "common/crypto/algorithm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tollgate {

std::optional<JwsAlgorithm> ParseJwsAlgorithm(absl::string_view name) {
  static constexpr struct {
    absl::string_view name;
    JwsAlgorithm alg;
  } kNames[] = {{"HS256", JwsAlgorithm::kHs256},  {"HS384", JwsAlgorithm::kHs384},
                {"HS512", JwsAlgorithm::kHs512},  {"RS256", JwsAlgorithm::kRs256},
                {"PS256", JwsAlgorithm::kPs256},  {"ES256", JwsAlgorithm::kEs256},
                {"ES384", JwsAlgorithm::kEs384},  {"EdDSA", JwsAlgorithm::kEdDsa},
                {"Ed25519", JwsAlgorithm::kEdDsa}};
  for (const auto& entry : kNames) {
    if (entry.name == name) return entry.alg;
  }
  return std::nullopt;
}

absl::string_view ToString(JwsAlgorithm alg) {
  switch (alg) {
    case JwsAlgorithm::kHs256:
      return "HS256";
    case JwsAlgorithm::kHs384:
      return "HS384";
    case JwsAlgorithm::kHs512:
      return "HS512";
    case JwsAlgorithm::kRs256:
      return "RS256";
    case JwsAlgorithm::kPs256:
      return "PS256";
    case JwsAlgorithm::kEs256:
      return "ES256";
    case JwsAlgorithm::kEs384:
      return "ES384";
    case JwsAlgorithm::kEdDsa:
      return "EdDSA";
  }
  return "";
}

bool IsSymmetric(JwsAlgorithm alg) {
  return alg == JwsAlgorithm::kHs256 || alg == JwsAlgorithm::kHs384 || alg == JwsAlgorithm::kHs512;
}

absl::StatusOr<std::vector<JwsAlgorithm>> ParseJwsAlgorithms(absl::Span<const std::string> names) {
  static constexpr absl::string_view kSupported =
      "HS256, HS384, HS512, RS256, PS256, ES256, ES384, EdDSA";
  if (names.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("algorithms is empty; expected at least one of ", kSupported));
  }
  std::vector<JwsAlgorithm> algorithms;
  for (const std::string& name : names) {
    const std::optional<JwsAlgorithm> alg = ParseJwsAlgorithm(name);
    if (!alg) {
      return absl::InvalidArgumentError(
          absl::StrCat("algorithms: '", name, "' is not supported; expected some of ", kSupported));
    }
    if (std::find(algorithms.begin(), algorithms.end(), *alg) != algorithms.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("algorithms: '", name, "' is listed twice; list each algorithm once"));
    }
    algorithms.push_back(*alg);
  }
  return algorithms;
}

}  // namespace tollgate
