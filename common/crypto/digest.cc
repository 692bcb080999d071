#include "common/crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "common/crypto/openssl_must.h"

namespace tollgate {
namespace {

const char* HashName(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha256:
      return "SHA256";
    case HashAlgorithm::kSha384:
      return "SHA384";
    case HashAlgorithm::kSha512:
      return "SHA512";
  }
  return "";
}

}  // namespace

Digest256 Sha256(absl::string_view data) { return Sha256Hasher().Hash(data); }

Digest256 HmacSha256(absl::string_view key, absl::string_view data) {
  Digest256 out;
  HmacKey(HashAlgorithm::kSha256, key).Compute(data, out.data());
  return out;
}

bool ConstantTimeEqual(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string RandomBytes(size_t n) {
  std::string out(n, '\0');
  OpensslMust(RAND_bytes(reinterpret_cast<uint8_t*>(out.data()), static_cast<int>(n)) == 1,
              "RAND_bytes");
  return out;
}

struct Sha256Hasher::State {
  EVP_MD* md = nullptr;  // fetched once: looking an algorithm up costs more than a short hash
  EVP_MD_CTX* context = nullptr;
  ~State() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(md);
  }
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  state_->md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  state_->context = EVP_MD_CTX_new();
  OpensslMust(state_->md != nullptr && state_->context != nullptr, "SHA256");
}
Sha256Hasher::~Sha256Hasher() = default;

Digest256 Sha256Hasher::Hash(absl::string_view data) {
  Digest256 out;
  OpensslMust(EVP_DigestInit_ex2(state_->context, state_->md, nullptr) == 1 &&
                  EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1 &&
                  EVP_DigestFinal_ex(state_->context, out.data(), nullptr) == 1,
              "SHA256");
  return out;
}

// A context into which the key has been absorbed, and which is only ever copied from.
struct HmacKey::State {
  EVP_MAC_CTX* keyed = nullptr;
  ~State() { EVP_MAC_CTX_free(keyed); }
};

HmacKey::HmacKey(HashAlgorithm hash, absl::string_view key)
    : hash_(hash), state_(std::make_unique<State>()) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  OpensslMust(mac != nullptr, "HMAC");
  state_->keyed = EVP_MAC_CTX_new(mac);
  EVP_MAC_free(mac);  // the context holds its own reference
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(HashName(hash)), 0),
      OSSL_PARAM_construct_end()};
  // A null pointer would mean "no key"; an empty key is a key.
  const auto* bytes = reinterpret_cast<const uint8_t*>(key.empty() ? "" : key.data());
  OpensslMust(
      state_->keyed != nullptr && EVP_MAC_init(state_->keyed, bytes, key.size(), params) == 1,
      "HMAC key");
}
HmacKey::HmacKey(HmacKey&&) noexcept = default;
HmacKey& HmacKey::operator=(HmacKey&&) noexcept = default;
HmacKey::~HmacKey() = default;

void HmacKey::Compute(absl::string_view data, uint8_t* out) const {
  EVP_MAC_CTX* context = EVP_MAC_CTX_dup(state_->keyed);
  size_t size = 0;
  OpensslMust(
      context != nullptr &&
          EVP_MAC_update(context, reinterpret_cast<const uint8_t*>(data.data()), data.size()) ==
              1 &&
          EVP_MAC_final(context, out, &size, HashSize(hash_)) == 1 && size == HashSize(hash_),
      "HMAC");
  EVP_MAC_CTX_free(context);
}

}  // namespace tollgate
