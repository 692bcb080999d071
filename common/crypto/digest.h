// Hashes, message authentication and random bytes, over OpenSSL 3.0 EVP. Functions are thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace tollgate {

using Digest256 = std::array<uint8_t, 32>;

Digest256 Sha256(absl::string_view data);
Digest256 HmacSha256(absl::string_view key, absl::string_view data);

inline absl::string_view AsBytes(const Digest256& d) {
  return absl::string_view(reinterpret_cast<const char*>(d.data()), d.size());
}

// Takes as long for equal as for different contents; different sizes are told apart at once.
bool ConstantTimeEqual(absl::string_view a, absl::string_view b);

// `n` bytes for keys, nonces and identifiers. The process ends when the system gives none: there is
// no safe way to go on.
std::string RandomBytes(size_t n);

// SHA-256 that keeps its context: for hot paths. One thread.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;
  Digest256 Hash(absl::string_view data);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

enum class HashAlgorithm { kSha256, kSha384, kSha512 };
constexpr size_t HashSize(HashAlgorithm a) {
  return a == HashAlgorithm::kSha256 ? 32 : a == HashAlgorithm::kSha384 ? 48 : 64;
}

// HMAC (RFC 2104) under one key, prepared once. Immutable, thread-safe.
class HmacKey {
 public:
  HmacKey(HashAlgorithm hash, absl::string_view key);
  HmacKey(HmacKey&&) noexcept;
  HmacKey& operator=(HmacKey&&) noexcept;
  ~HmacKey();
  // Writes HashSize(hash) bytes to `out`.
  void Compute(absl::string_view data, uint8_t* out) const;
  HashAlgorithm hash() const { return hash_; }

 private:
  struct State;
  HashAlgorithm hash_;
  std::unique_ptr<State> state_;
};

}  // namespace tollgate
