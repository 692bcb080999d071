// A private (or symmetric) JWK that signs compact JWS: demo tokens of tollgatectl, tests,
// benchmarks. Immutable, thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/algorithm.h"

namespace tollgate {

class SigningKey {
 public:
  struct State;  // opaque

  // One JWK, or a set of which `kid` names the key (may be empty when there is only one). An RSA or
  // oct key without alg signs RS256 or HS256 unless `alg` says otherwise; an alg that does not fit
  // the key is refused.
  static absl::StatusOr<SigningKey> Parse(absl::string_view jwk, absl::string_view kid = "",
                                          absl::string_view alg = "");
  // A fresh key; RSA has 2048 bits, oct the size of the hash.
  static absl::StatusOr<SigningKey> Generate(JwsAlgorithm alg, absl::string_view kid);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  JwsAlgorithm alg() const;
  const std::string& kid() const;  // "": none
  // header {"alg":...,"kid":...,"typ":typ} (typ left out when empty) and payload, signed.
  absl::StatusOr<std::string> Sign(absl::string_view payload, absl::string_view typ = "JWT") const;
  // The same under a header that the caller wrote, as it is.
  absl::StatusOr<std::string> SignWithHeader(absl::string_view header,
                                             absl::string_view payload) const;
  // As JWK. The public one of a symmetric key is an error.
  absl::StatusOr<std::string> PublicJwk() const;
  std::string PrivateJwk() const;

 private:
  explicit SigningKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tollgate
