#include "proxy/auth/api_key_verifier.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/api_key.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMinPepperBytes = 16;

// No secret hashes to it but with probability 2^-256, and the verdict on an unknown id ignores it
// anyway.
constexpr Digest256 kNoHash = {};

}  // namespace

absl::string_view ToString(ApiKeyFailure failure) {
  switch (failure) {
    case ApiKeyFailure::kNone:
      return "none";
    case ApiKeyFailure::kMalformed:
      return "malformed-key";
    case ApiKeyFailure::kUnknown:
      return "unknown-key";
    case ApiKeyFailure::kRevoked:
      return "revoked-key";
    case ApiKeyFailure::kSecret:
      return "wrong-secret";
    case ApiKeyFailure::kExpired:
      return "expired-key";
  }
  return "";
}

absl::StatusOr<ApiKeyVerifier> ApiKeyVerifier::Compile(const Policy& policy,
                                                       const ConsumerIndex* index) {
  ApiKeyVerifier verifier(index, HmacKey(HashAlgorithm::kSha256, RandomBytes(32)));
  for (const auto& [name, consumer] : policy.consumers) {
    for (const ApiKeyPolicy& key : consumer.api_keys) {
      const auto refuse = [&, consumer_name = absl::string_view(name)](absl::string_view what) {
        return absl::InvalidArgumentError(
            absl::StrCat("consumer '", consumer_name, "': API key '", key.id, "': ", what));
      };
      if (key.hash.size() != kNoHash.size()) {
        return refuse(absl::StrCat("hash has ", key.hash.size(), " bytes; expected 32"));
      }
      const auto pepper = policy.secrets.find(key.pepper);
      if (pepper == policy.secrets.end()) {
        return refuse(absl::StrCat("pepper '", key.pepper, "' is no secret of this policy"));
      }
      if (pepper->second.size() < kMinPepperBytes) {
        return refuse(absl::StrCat("pepper '", key.pepper, "' has ", pepper->second.size(),
                                   " bytes; expected at least ", kMinPepperBytes));
      }
      if (!verifier.peppers_.contains(key.pepper)) {
        verifier.peppers_.emplace(key.pepper, HmacKey(HashAlgorithm::kSha256, pepper->second));
      }
    }
  }
  return verifier;
}

ApiKeyResult ApiKeyVerifier::Check(absl::string_view presented, const DenyList& denied,
                                   WallTime now) const {
  const std::optional<ApiKeyText> text = ParseApiKey(presented);
  if (!text) return {.failure = ApiKeyFailure::kMalformed};
  const ConsumerIndex::Key found = index_->FindByKeyId(text->id);
  const auto pepper = found.key == nullptr ? peppers_.end() : peppers_.find(found.key->pepper);
  const HmacKey& hmac = pepper == peppers_.end() ? dummy_ : pepper->second;
  Digest256 hash;
  hmac.Compute(text->secret, hash.data());
  const bool same = ConstantTimeEqual(
      AsBytes(hash), found.key == nullptr ? AsBytes(kNoHash) : absl::string_view(found.key->hash));

  ApiKeyResult result{.failure = ApiKeyFailure::kNone, .id = text->id};
  if (denied.KeyRevoked(text->id)) {
    result.failure = ApiKeyFailure::kRevoked;
  } else if (found.key == nullptr || pepper == peppers_.end()) {
    result.failure = ApiKeyFailure::kUnknown;
  } else if (!same) {
    result.failure = ApiKeyFailure::kSecret;
  } else if (found.key->not_after && now > *found.key->not_after) {
    result.failure = ApiKeyFailure::kExpired;
  } else {
    result.consumer = found.consumer;
    result.key = found.key;
  }
  return result;
}

}  // namespace tollgate::proxy
