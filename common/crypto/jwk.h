// JSON Web Keys (RFC 7517, 7518, 8037) that verify signatures. A key set is parsed, validated and
// prepared once, then immutable and thread-safe; it is shared by everything that trusts its issuer.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/crypto/algorithm.h"
#include "common/crypto/digest.h"

namespace tollgate {

inline constexpr size_t kMaxJwkSetBytes = 512 * 1024;
inline constexpr size_t kMaxJwkSetKeys = 32;
inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 8192;  // larger only serves to make verification slow

// One key with its one algorithm (RFC 8725 section 3.1).
class VerificationKey {
 public:
  struct Material;  // the EVP_PKEY or the HMAC state
  VerificationKey(std::optional<std::string> kid, JwsAlgorithm alg,
                  std::unique_ptr<const Material> material);
  VerificationKey(VerificationKey&&) noexcept;
  VerificationKey& operator=(VerificationKey&&) noexcept;
  ~VerificationKey();

  const std::optional<std::string>& kid() const { return kid_; }
  JwsAlgorithm alg() const { return alg_; }
  // Whether `signature` (as in a JWS: raw, r||s for ECDSA) is this key's over `input`.
  bool Verify(absl::string_view input, absl::string_view signature) const;

 private:
  std::optional<std::string> kid_;
  JwsAlgorithm alg_;
  std::unique_ptr<const Material> material_;
};

class JwkSet {
 public:
  // `allowed` is the issuer's algorithm list. A key that cannot serve here (use other than sig,
  // key_ops without verify, an unsupported kty, crv or alg, or an alg that is not allowed) is left
  // out, as RFC 7517 section 5 asks; a set without any key left is refused. Also refused: a key
  // that is malformed or weak, private members, symmetric keys beside public ones, two keys that a
  // token's (kid, alg) cannot tell apart, and a key that names no alg when the list allows several
  // for its type. Messages say keys[i], what, and the remedy.
  static absl::StatusOr<JwkSet> Parse(absl::string_view json,
                                      absl::Span<const JwsAlgorithm> allowed);

  struct Match {
    const VerificationKey* key = nullptr;
    bool other_alg = false;  // there is a key of this kid, for another algorithm
  };
  // The key that a token's header means. Without kid: the only key for `alg`, if there is only one.
  Match Find(const std::optional<absl::string_view>& kid, JwsAlgorithm alg) const;

  // SHA-256 of the text.
  const Digest256& digest() const { return digest_; }
  size_t size() const { return keys_.size(); }
  // Why keys were left out, one line each.
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  std::vector<VerificationKey> keys_;
  std::vector<std::string> left_out_;
  Digest256 digest_{};
};

// What kind of material a JWK set (or one JWK) holds. The control plane refuses `has_private` in an
// Issuer, and keeps a set with `has_symmetric` as a Secret.
struct JwkSetInfo {
  size_t keys = 0;
  bool has_symmetric = false;  // a kty "oct"
  bool has_private = false;    // a private member (d, p, q, ...) of a public-key type
  friend bool operator==(const JwkSetInfo&, const JwkSetInfo&) = default;
};
absl::StatusOr<JwkSetInfo> InspectJwkSet(absl::string_view json);

}  // namespace tollgate
