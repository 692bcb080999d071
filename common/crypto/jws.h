// JSON Web Signature, compact serialization (RFC 7515 sections 5.2 and 7.1). Strict: what is not
// exactly a JWS is refused, each for a reason of its own. The header's jwk, jku, x5u and x5c are
// ignored: keys come from policy only.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/strings/string_view.h"
#include "common/crypto/jwk.h"

namespace tollgate {

inline constexpr size_t kMaxJwsBytes = 8192;

enum class JwsFailure {
  kNone,  // no failure
  kTooLong,
  kJsonSerialization,
  kSegments,       // not three
  kBase64,         // a segment is not strict base64url
  kHeader,         // not a JSON object, or a member of the wrong type
  kDuplicateName,  // twice the same name in one JSON object, in header or payload
  kAlgorithmNone,  // "none", however spelled
  kAlgorithmUnknown,
  kCritical,         // crit: we understand no extension
  kDetachedPayload,  // empty payload
  kKeyNotFound,
  kAlgorithmMismatch,  // the key of this kid is for another algorithm
  kSignature,
};
// A short stable word for logs and metrics: "algorithm-none".
absl::string_view ToString(JwsFailure failure);

// Views into the token and the parser, valid until its next Parse.
struct Jws {
  JwsAlgorithm alg = JwsAlgorithm::kHs256;
  std::optional<absl::string_view> kid;
  std::optional<absl::string_view> typ;
  absl::string_view signing_input;
  absl::string_view payload;  // decoded; JwsParser::kPadding readable bytes follow
  absl::string_view signature;
};

// Owns the buffers that parsing needs; reused from token to token. One thread.
class JwsParser {
 public:
  static constexpr size_t kPadding = 64;
  JwsParser();
  ~JwsParser();
  JwsParser(const JwsParser&) = delete;
  JwsParser& operator=(const JwsParser&) = delete;
  // Does not look at the signature's value, nor into the payload.
  JwsFailure Parse(absl::string_view token, Jws* jws);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// kNone when `keys` has the key that the header means and the signature is its.
JwsFailure VerifyJws(const Jws& jws, const JwkSet& keys);

}  // namespace tollgate
