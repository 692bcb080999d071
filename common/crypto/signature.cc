// The half of pkey.h that signs and verifies.
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <cstring>

#include "common/crypto/pkey.h"

namespace tollgate {
namespace {

const char* HashOf(JwsAlgorithm alg) {
  switch (alg) {
    case JwsAlgorithm::kRs256:
    case JwsAlgorithm::kPs256:
    case JwsAlgorithm::kEs256:
      return "SHA256";
    case JwsAlgorithm::kEs384:
      return "SHA384";
    default:
      return nullptr;  // Ed25519 hashes by itself
  }
}

using Init = int (*)(EVP_MD_CTX*, EVP_PKEY_CTX**, const char*, OSSL_LIB_CTX*, const char*,
                     EVP_PKEY*, const OSSL_PARAM*);

absl::StatusOr<MdContextPtr> Prepare(Init init, EVP_PKEY* key, JwsAlgorithm alg) {
  MdContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;  // owned by context
  bool ok = context != nullptr &&
            init(context.get(), &settings, HashOf(alg), nullptr, nullptr, key, nullptr) == 1;
  if (ok && alg == JwsAlgorithm::kPs256) {
    // RFC 7518 section 3.5: MGF1 with the same hash, salt as long as the hash.
    ok = EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  if (!ok) {
    ERR_clear_error();
    return absl::InvalidArgumentError("key does not serve this algorithm");
  }
  return context;
}

// One INTEGER: no leading zeros, but one where the top bit would mean a sign.
uint8_t* WriteInteger(absl::string_view half, uint8_t* out) {
  while (half.size() > 1 && half[0] == 0) half.remove_prefix(1);
  const bool sign = (static_cast<uint8_t>(half[0]) & 0x80) != 0;
  *out++ = 0x02;
  *out++ = static_cast<uint8_t>(half.size() + (sign ? 1 : 0));
  if (sign) *out++ = 0;
  std::memcpy(out, half.data(), half.size());
  return out + half.size();
}

}  // namespace

absl::StatusOr<MdContextPtr> VerifyContext(EVP_PKEY* key, JwsAlgorithm alg) {
  return Prepare(&EVP_DigestVerifyInit_ex, key, alg);
}

absl::StatusOr<MdContextPtr> SignContext(EVP_PKEY* key, JwsAlgorithm alg) {
  return Prepare(&EVP_DigestSignInit_ex, key, alg);
}

size_t EcdsaRawToDer(absl::string_view raw, uint8_t out[kMaxEcdsaDer]) {
  uint8_t* end = WriteInteger(raw.substr(0, raw.size() / 2), out + 2);
  end = WriteInteger(raw.substr(raw.size() / 2), end);
  out[0] = 0x30;
  out[1] = static_cast<uint8_t>(end - out - 2);  // at most 102: the short form of a length
  return end - out;
}

std::string EcdsaDerToRaw(absl::string_view der, size_t half) {
  const auto* in = reinterpret_cast<const uint8_t*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size()));
  if (signature == nullptr) return "";
  std::string raw(2 * half, '\0');
  auto* out = reinterpret_cast<uint8_t*>(raw.data());
  const int size = static_cast<int>(half);
  const bool ok = BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, size) == size &&
                  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + half, size) == size;
  ECDSA_SIG_free(signature);
  return ok ? raw : "";
}

}  // namespace tollgate
