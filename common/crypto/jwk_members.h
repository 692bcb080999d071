// The members of one JWK, read and checked for form. For jwk.cc and signing_key.cc only. Stateless.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/crypto/algorithm.h"
#include "common/crypto/json.h"

namespace tollgate {

enum class KeyType { kOct, kRsa, kP256, kP384, kEd25519, kUnsupported };

struct JwkHead {
  KeyType type = KeyType::kUnsupported;
  std::string type_text;  // "kty RSA", "crv P-521": for messages
  std::optional<std::string> kid, alg, use;
  std::optional<std::vector<std::string>> key_ops;
  bool is_public_type = false;  // kty RSA, EC or OKP
  bool has_private = false;     // and yet a private member
};
absl::StatusOr<JwkHead> ReadJwkHead(const simdjson::dom::object& jwk);

// A required member, base64url-decoded, not empty.
absl::StatusOr<std::string> JwkBytes(const simdjson::dom::object& jwk, absl::string_view name);

// Whether `alg` can be this type's.
bool Fits(KeyType type, JwsAlgorithm alg);
absl::Span<const JwsAlgorithm> AlgorithmsOf(KeyType type);

// The keys of a set, or the one JWK that `root` is.
absl::StatusOr<std::vector<simdjson::dom::object>> JwkObjects(const simdjson::dom::element& root,
                                                              bool set_only);
// Parses within the limits of a key set.
absl::StatusOr<simdjson::dom::element> ParseJwkJson(StrictJson* parser, absl::string_view json);

}  // namespace tollgate
