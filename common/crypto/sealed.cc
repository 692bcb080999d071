#include "common/crypto/sealed.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <climits>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"

namespace tollgate {
namespace {

constexpr absl::string_view kHeader("TGSB\x01", 5);
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kOverhead = kHeader.size() + kNonceBytes + kTagBytes;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
};

const uint8_t* Bytes(absl::string_view s) { return reinterpret_cast<const uint8_t*>(s.data()); }

// Runs the cipher over header and associated data (authenticated only), then `in`.
bool Run(EVP_CIPHER_CTX* context, absl::string_view aad, absl::string_view in, char* out) {
  int n = 0;
  return EVP_CipherUpdate(context, nullptr, &n, Bytes(kHeader), kHeader.size()) == 1 &&
         (aad.empty() ||
          EVP_CipherUpdate(context, nullptr, &n, Bytes(aad), static_cast<int>(aad.size())) == 1) &&
         (in.empty() || EVP_CipherUpdate(context, reinterpret_cast<uint8_t*>(out), &n, Bytes(in),
                                         static_cast<int>(in.size())) == 1);
}

absl::Status CheckSizes(const SecretBytes& key, absl::string_view aad, absl::string_view data) {
  if (key.size() != kSealKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("seal key has ", key.size(), " bytes; expected ", kSealKeyBytes));
  }
  if (aad.size() > INT_MAX || data.size() > INT_MAX - kOverhead) {
    return absl::InvalidArgumentError("data to seal or open is larger than 2 GiB");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SecretBytes> ParseSealKey(absl::string_view content) {
  if (content.size() == kSealKeyBytes) return SecretBytes(content);
  const absl::string_view text = absl::StripAsciiWhitespace(content);
  if (std::optional<std::string> raw = HexDecode(text); raw && raw->size() == kSealKeyBytes) {
    SecretBytes key(*raw);
    SecureWipe(raw->data(), raw->size());
    return key;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("seal key: expected 64 hex digits or 32 raw bytes, got ", content.size(),
                   " bytes of something else; make one with `openssl rand -hex 32`"));
}

absl::StatusOr<std::string> Seal(const SecretBytes& key, absl::string_view associated_data,
                                 absl::string_view plaintext) {
  if (absl::Status s = CheckSizes(key, associated_data, plaintext); !s.ok()) return s;
  // A random 96-bit nonce is safe for 2^32 blobs under one key (SP 800-38D section 8.3).
  const std::string nonce = RandomBytes(kNonceBytes);
  std::string blob = absl::StrCat(kHeader, nonce);
  blob.resize(kOverhead + plaintext.size());
  char* out = blob.data() + kHeader.size() + kNonceBytes;
  std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  int n = 0;
  if (context == nullptr ||
      EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key.view()), Bytes(nonce),
                        1) != 1 ||
      !Run(context.get(), associated_data, plaintext, out) ||
      EVP_CipherFinal_ex(context.get(), reinterpret_cast<uint8_t*>(out + plaintext.size()), &n) !=
          1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + plaintext.size()) !=
          1) {
    ERR_clear_error();
    return absl::InternalError("AES-256-GCM encryption failed");
  }
  return blob;
}

absl::StatusOr<std::string> Open(const SecretBytes& key, absl::string_view associated_data,
                                 absl::string_view blob) {
  if (absl::Status s = CheckSizes(key, associated_data, ""); !s.ok()) return s;
  if (blob.size() > INT_MAX || blob.size() < kOverhead || blob.substr(0, 4) != "TGSB") {
    return absl::InvalidArgumentError("not a sealed blob");
  }
  if (blob[4] != kHeader[4]) {
    return absl::InvalidArgumentError(absl::StrCat("sealed blob has version ",
                                                   static_cast<int>(static_cast<uint8_t>(blob[4])),
                                                   "; this build reads version 1"));
  }
  const absl::string_view nonce = blob.substr(kHeader.size(), kNonceBytes);
  const absl::string_view sealed =
      blob.substr(kHeader.size() + kNonceBytes, blob.size() - kOverhead);
  char tag[kTagBytes];
  std::memcpy(tag, blob.data() + blob.size() - kTagBytes, kTagBytes);
  std::string plaintext(sealed.size(), '\0');
  std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  uint8_t none[1];
  int n = 0;
  if (context == nullptr ||
      EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key.view()), Bytes(nonce),
                        0) != 1 ||
      !Run(context.get(), associated_data, sealed, plaintext.data()) ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag) != 1 ||
      EVP_CipherFinal_ex(context.get(), none, &n) != 1) {
    ERR_clear_error();
    SecureWipe(plaintext.data(), plaintext.size());  // it was not authenticated
    return absl::UnauthenticatedError("sealed blob does not open with this key");
  }
  return plaintext;
}

}  // namespace tollgate
