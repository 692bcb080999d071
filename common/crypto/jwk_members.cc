#include "common/crypto/jwk_members.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/encoding.h"
#include "common/crypto/jwk.h"

namespace tollgate {
namespace {

using simdjson::dom::object;

absl::StatusOr<std::optional<std::string>> OptionalString(const object& jwk,
                                                          absl::string_view name) {
  const auto member = JsonMember(jwk, name);
  if (!member) return std::optional<std::string>();
  const auto text = JsonString(*member);
  if (!text) return absl::InvalidArgumentError(absl::StrCat(name, " is not a string"));
  return std::optional<std::string>(std::string(*text));
}

absl::Status ReadKeyOps(const object& jwk, JwkHead* head) {
  const auto member = JsonMember(jwk, "key_ops");
  if (!member) return absl::OkStatus();
  simdjson::dom::array array;
  if (member->get(array) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("key_ops is not an array of strings");
  }
  head->key_ops.emplace();
  for (const simdjson::dom::element item : array) {
    const auto text = JsonString(item);
    if (!text) return absl::InvalidArgumentError("key_ops is not an array of strings");
    std::string op(*text);
    if (std::find(head->key_ops->begin(), head->key_ops->end(), op) != head->key_ops->end()) {
      // RFC 7517 section 4.3.
      return absl::InvalidArgumentError(absl::StrCat("key_ops lists '", op, "' twice"));
    }
    head->key_ops->push_back(std::move(op));
  }
  return absl::OkStatus();
}

KeyType TypeOf(absl::string_view kty, absl::string_view crv) {
  if (kty == "oct") return KeyType::kOct;
  if (kty == "RSA") return KeyType::kRsa;
  if (kty == "EC" && crv == "P-256") return KeyType::kP256;
  if (kty == "EC" && crv == "P-384") return KeyType::kP384;
  if (kty == "OKP" && crv == "Ed25519") return KeyType::kEd25519;
  return KeyType::kUnsupported;
}

}  // namespace

absl::StatusOr<JwkHead> ReadJwkHead(const object& jwk) {
  JwkHead head;
  std::optional<std::string> kty, crv;
  ASSIGN_OR_RETURN(kty, OptionalString(jwk, "kty"));
  if (!kty) return absl::InvalidArgumentError("kty is missing");
  const bool curve = *kty == "EC" || *kty == "OKP";
  if (curve) {
    ASSIGN_OR_RETURN(crv, OptionalString(jwk, "crv"));
    if (!crv) return absl::InvalidArgumentError(absl::StrCat("kty ", *kty, " without crv"));
  }
  head.type = TypeOf(*kty, crv.value_or(""));
  head.type_text = curve ? absl::StrCat("crv ", *crv) : absl::StrCat("kty ", *kty);
  ASSIGN_OR_RETURN(head.kid, OptionalString(jwk, "kid"));
  ASSIGN_OR_RETURN(head.alg, OptionalString(jwk, "alg"));
  ASSIGN_OR_RETURN(head.use, OptionalString(jwk, "use"));
  RETURN_IF_ERROR(ReadKeyOps(jwk, &head));
  head.is_public_type = curve || *kty == "RSA";
  if (*kty != "oct") {
    // RFC 7518 sections 6.2.2 and 6.3.2. An unknown kty may call its secret anything; `k` is oct's.
    for (const absl::string_view name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
      if (JsonMember(jwk, name)) head.has_private = true;
    }
  }
  return head;
}

absl::StatusOr<std::string> JwkBytes(const object& jwk, absl::string_view name) {
  const auto member = JsonMember(jwk, name);
  if (!member) return absl::InvalidArgumentError(absl::StrCat(name, " is missing"));
  const auto text = JsonString(*member);
  std::optional<std::string> bytes;
  if (text) bytes = Base64UrlDecode(*text);
  if (!bytes || bytes->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is not base64url without padding (RFC 7515 section 2)"));
  }
  return *std::move(bytes);
}

absl::Span<const JwsAlgorithm> AlgorithmsOf(KeyType type) {
  static constexpr JwsAlgorithm kOct[] = {JwsAlgorithm::kHs256, JwsAlgorithm::kHs384,
                                          JwsAlgorithm::kHs512};
  static constexpr JwsAlgorithm kRsa[] = {JwsAlgorithm::kRs256, JwsAlgorithm::kPs256};
  static constexpr JwsAlgorithm kEs256[] = {JwsAlgorithm::kEs256};
  static constexpr JwsAlgorithm kEs384[] = {JwsAlgorithm::kEs384};
  static constexpr JwsAlgorithm kEdDsa[] = {JwsAlgorithm::kEdDsa};
  switch (type) {
    case KeyType::kOct:
      return kOct;
    case KeyType::kRsa:
      return kRsa;
    case KeyType::kP256:
      return kEs256;
    case KeyType::kP384:
      return kEs384;
    case KeyType::kEd25519:
      return kEdDsa;
    case KeyType::kUnsupported:
      break;
  }
  return {};
}

bool Fits(KeyType type, JwsAlgorithm alg) {
  const auto fitting = AlgorithmsOf(type);
  return std::find(fitting.begin(), fitting.end(), alg) != fitting.end();
}

absl::StatusOr<simdjson::dom::element> ParseJwkJson(StrictJson* parser, absl::string_view json) {
  if (json.size() > kMaxJwkSetBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("JWK set has ", json.size(), " bytes; at most ", kMaxJwkSetBytes));
  }
  simdjson::dom::element root;
  switch (parser->Parse(json, &root)) {
    case JsonError::kNone:
      return root;
    case JsonError::kDuplicateName:
      return absl::InvalidArgumentError("JWK set: a name occurs twice in one JSON object");
    case JsonError::kInvalid:
      break;
  }
  return absl::InvalidArgumentError("JWK set: not valid JSON");
}

absl::StatusOr<std::vector<object>> JwkObjects(const simdjson::dom::element& root, bool set_only) {
  std::vector<object> objects;
  object top;
  const bool is_object = root.get(top) == simdjson::SUCCESS;
  const auto keys = is_object ? JsonMember(top, "keys") : std::nullopt;
  simdjson::dom::array array;
  if (!keys) {
    if (is_object && !set_only) return std::vector<object>{top};
    return absl::InvalidArgumentError(
        "JWK set: expected a JSON object with a member \"keys\" (RFC 7517 section 5)");
  }
  if (keys->get(array) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("JWK set: \"keys\" is not an array");
  }
  if (array.size() > kMaxJwkSetKeys) {
    return absl::InvalidArgumentError(
        absl::StrCat("JWK set has ", array.size(), " keys; at most ", kMaxJwkSetKeys));
  }
  for (const simdjson::dom::element item : array) {
    object jwk;
    if (item.get(jwk) != simdjson::SUCCESS) {
      return absl::InvalidArgumentError(
          absl::StrCat("JWK set: keys[", objects.size(), "] is not an object"));
    }
    objects.push_back(jwk);
  }
  return objects;
}

}  // namespace tollgate
