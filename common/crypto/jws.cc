#include "common/crypto/jws.h"

#include "absl/strings/match.h"
#include "common/crypto/encoding.h"
#include "common/crypto/json.h"

namespace tollgate {
namespace {

static_assert(JwsParser::kPadding >= StrictJson::kPadding);
constexpr size_t kBuffer = Base64UrlDecodedSize(kMaxJwsBytes) + JwsParser::kPadding;

}  // namespace

absl::string_view ToString(JwsFailure failure) {
  switch (failure) {
    case JwsFailure::kNone:
      return "none";
    case JwsFailure::kTooLong:
      return "too-long";
    case JwsFailure::kJsonSerialization:
      return "json-serialization";
    case JwsFailure::kSegments:
      return "segments";
    case JwsFailure::kBase64:
      return "base64";
    case JwsFailure::kHeader:
      return "header";
    case JwsFailure::kDuplicateName:
      return "duplicate-name";
    case JwsFailure::kAlgorithmNone:
      return "algorithm-none";
    case JwsFailure::kAlgorithmUnknown:
      return "algorithm-unknown";
    case JwsFailure::kCritical:
      return "critical-header";
    case JwsFailure::kDetachedPayload:
      return "detached-payload";
    case JwsFailure::kKeyNotFound:
      return "key-not-found";
    case JwsFailure::kAlgorithmMismatch:
      return "algorithm-mismatch";
    case JwsFailure::kSignature:
      return "signature";
  }
  return "";
}

struct JwsParser::State {
  StrictJson json;
  char header[kBuffer] = {};
  char payload[kBuffer] = {};
  char signature[kBuffer] = {};

  JwsFailure ReadHeader(absl::string_view text, Jws* jws);
};

JwsParser::JwsParser() : state_(std::make_unique<State>()) {}
JwsParser::~JwsParser() = default;

JwsFailure JwsParser::State::ReadHeader(absl::string_view text, Jws* jws) {
  simdjson::dom::element root;
  switch (json.ParsePadded(text, &root)) {
    case JsonError::kNone:
      break;
    case JsonError::kDuplicateName:
      return JwsFailure::kDuplicateName;
    case JsonError::kInvalid:
      return JwsFailure::kHeader;
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return JwsFailure::kHeader;
  std::optional<absl::string_view> alg;
  bool critical = false;
  for (const auto member : object) {
    const absl::string_view name(member.key.data(), member.key.size());
    std::optional<absl::string_view>* text_member = nullptr;
    if (name == "alg") text_member = &alg;
    if (name == "kid") text_member = &jws->kid;
    if (name == "typ") text_member = &jws->typ;
    if (name == "crit") critical = true;
    if (text_member == nullptr) continue;
    *text_member = JsonString(member.value);
    if (!*text_member) return JwsFailure::kHeader;
  }
  if (!alg) return JwsFailure::kHeader;
  if (absl::EqualsIgnoreCase(*alg, "none")) return JwsFailure::kAlgorithmNone;
  const std::optional<JwsAlgorithm> known = ParseJwsAlgorithm(*alg);
  if (!known) return JwsFailure::kAlgorithmUnknown;
  jws->alg = *known;
  // RFC 7515 section 4.1.11: whatever it lists we do not understand, and it must not be empty.
  if (critical) return JwsFailure::kCritical;
  return JwsFailure::kNone;
}

JwsFailure JwsParser::Parse(absl::string_view token, Jws* jws) {
  *jws = Jws();
  if (token.size() > kMaxJwsBytes) return JwsFailure::kTooLong;
  if (!token.empty() && token[0] == '{') return JwsFailure::kJsonSerialization;
  const size_t first = token.find('.');
  if (first == absl::string_view::npos) return JwsFailure::kSegments;
  const size_t second = token.find('.', first + 1);
  if (second == absl::string_view::npos || token.find('.', second + 1) != absl::string_view::npos) {
    return JwsFailure::kSegments;
  }
  size_t size = 0;
  if (!Base64UrlDecodeTo(token.substr(0, first), state_->header, &size)) {
    return JwsFailure::kBase64;
  }
  if (const JwsFailure f = state_->ReadHeader({state_->header, size}, jws);
      f != JwsFailure::kNone) {
    return f;
  }
  if (second == first + 1) return JwsFailure::kDetachedPayload;
  if (!Base64UrlDecodeTo(token.substr(first + 1, second - first - 1), state_->payload, &size)) {
    return JwsFailure::kBase64;
  }
  jws->payload = absl::string_view(state_->payload, size);
  if (!Base64UrlDecodeTo(token.substr(second + 1), state_->signature, &size)) {
    return JwsFailure::kBase64;
  }
  jws->signature = absl::string_view(state_->signature, size);
  jws->signing_input = token.substr(0, second);
  return JwsFailure::kNone;
}

JwsFailure VerifyJws(const Jws& jws, const JwkSet& keys) {
  const JwkSet::Match match = keys.Find(jws.kid, jws.alg);
  if (match.key == nullptr) {
    return match.other_alg ? JwsFailure::kAlgorithmMismatch : JwsFailure::kKeyNotFound;
  }
  return match.key->Verify(jws.signing_input, jws.signature) ? JwsFailure::kNone
                                                             : JwsFailure::kSignature;
}

}  // namespace tollgate
