#include "common/crypto/secret.h"

#include <openssl/crypto.h>

namespace tollgate {

void SecureWipe(void* data, size_t size) {
  if (size > 0) OPENSSL_cleanse(data, size);
}

void SecretBytes::Wipe() {
  SecureWipe(bytes_.data(), bytes_.size());
  bytes_.clear();
}

}  // namespace tollgate
