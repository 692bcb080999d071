// Public and private keys as OpenSSL's EVP_PKEY: from a JWK's members, freshly made, and back. For
// jwk.cc and signing_key.cc only. An EVP_PKEY is immutable once made and may be shared between
// threads.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/algorithm.h"
#include "common/crypto/jwk_members.h"

namespace tollgate {

struct FreePkey {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, FreePkey>;

struct FreeMdContext {
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};
using MdContextPtr = std::unique_ptr<EVP_MD_CTX, FreeMdContext>;

// Validates as it makes: RSA size and exponent, points on their curve, exact lengths. `type` is
// neither kOct nor kUnsupported.
absl::StatusOr<PkeyPtr> PkeyFromJwk(const simdjson::dom::object& jwk, KeyType type,
                                    bool with_private);

absl::StatusOr<PkeyPtr> GeneratePkey(KeyType type);
// Name and bytes of the JWK members, private ones included.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> PkeyMembers(const EVP_PKEY& key,
                                                                             KeyType type);

// A context ready to verify or sign with `key` under `alg`; copied, or used once.
absl::StatusOr<MdContextPtr> VerifyContext(EVP_PKEY* key, JwsAlgorithm alg);
absl::StatusOr<MdContextPtr> SignContext(EVP_PKEY* key, JwsAlgorithm alg);

// ECDSA signatures: a JWS has r||s, each of the curve's size (RFC 7518 section 3.4); OpenSSL takes
// DER.
constexpr size_t EcdsaHalf(JwsAlgorithm alg) { return alg == JwsAlgorithm::kEs384 ? 48 : 32; }
inline constexpr size_t kMaxEcdsaDer = 2 + 2 * (2 + 49);
// Returns the DER's size. `raw` has an even size of at most 96.
size_t EcdsaRawToDer(absl::string_view raw, uint8_t out[kMaxEcdsaDer]);
// "" when `der` is no signature of this size.
std::string EcdsaDerToRaw(absl::string_view der, size_t half);

}  // namespace tollgate
