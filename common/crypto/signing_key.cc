#include "common/crypto/signing_key.h"

#include <openssl/err.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"
#include "common/crypto/jwk_members.h"
#include "common/crypto/pkey.h"

namespace tollgate {

struct SigningKey::State {
  JwsAlgorithm alg = JwsAlgorithm::kHs256;
  std::string kid;
  std::optional<HmacKey> hmac;
  PkeyPtr pkey;
  std::string public_jwk, private_jwk;
};

namespace {

using simdjson::dom::object;

HashAlgorithm HmacHash(JwsAlgorithm alg) {
  return alg == JwsAlgorithm::kHs512   ? HashAlgorithm::kSha512
         : alg == JwsAlgorithm::kHs384 ? HashAlgorithm::kSha384
                                       : HashAlgorithm::kSha256;
}

KeyType TypeFor(JwsAlgorithm alg) {
  for (const KeyType type : {KeyType::kOct, KeyType::kRsa, KeyType::kP256, KeyType::kP384}) {
    if (Fits(type, alg)) return type;
  }
  return KeyType::kEd25519;
}

void AppendMember(absl::string_view name, absl::string_view value, std::string* json) {
  *json += *json == "{" ? "" : ",";
  AppendJsonString(name, json);
  *json += ':';
  AppendJsonString(value, json);
}

// The members that make up the key itself, and the few that describe it.
std::string WriteJwk(const object& jwk, const SigningKey::State& state, bool with_private) {
  std::string json = "{";
  for (const absl::string_view name :
       {"kty", "crv", "x", "y", "n", "e", "k", "d", "p", "q", "dp", "dq", "qi"}) {
    const bool is_private = name == "k" || name == "d" || name == "p" || name == "q" ||
                            name == "dp" || name == "dq" || name == "qi";
    if (is_private && !with_private) continue;
    if (const auto member = JsonMember(jwk, name)) {
      AppendMember(name, JsonString(*member).value_or(""), &json);
    }
  }
  AppendMember("alg", ToString(state.alg), &json);
  AppendMember("use", "sig", &json);
  if (!state.kid.empty()) AppendMember("kid", state.kid, &json);
  return json + "}";
}

absl::StatusOr<object> ChooseKey(const std::vector<object>& objects, absl::string_view kid) {
  const object* found = nullptr;
  for (const object& jwk : objects) {
    const auto member = JsonMember(jwk, "kid");
    if (!kid.empty() && (!member || JsonString(*member) != kid)) continue;
    if (found != nullptr) {
      return absl::InvalidArgumentError(
          kid.empty() ? std::string("the set has several keys; name one by its kid")
                      : absl::StrCat("the set has several keys of kid '", kid, "'"));
    }
    found = &jwk;
  }
  if (found == nullptr) {
    return absl::NotFoundError(kid.empty() ? std::string("the set has no key")
                                           : absl::StrCat("no key has the kid '", kid, "'"));
  }
  return *found;
}

absl::StatusOr<JwsAlgorithm> ChooseAlgorithm(const JwkHead& head, absl::string_view wanted) {
  const absl::string_view name = wanted.empty() && head.alg ? *head.alg : wanted;
  if (!wanted.empty() && head.alg && ParseJwsAlgorithm(*head.alg) != ParseJwsAlgorithm(wanted)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key is for ", *head.alg, " only, not for ", wanted));
  }
  const auto fitting = AlgorithmsOf(head.type);
  if (fitting.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(head.type_text, " is not supported"));
  }
  if (name.empty()) return fitting[0];
  const std::optional<JwsAlgorithm> alg = ParseJwsAlgorithm(name);
  if (!alg || !Fits(head.type, *alg)) {
    return absl::InvalidArgumentError(
        absl::StrCat("alg '", name, "' is not supported for ", head.type_text));
  }
  return *alg;
}

}  // namespace

SigningKey::SigningKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

absl::StatusOr<SigningKey> SigningKey::Parse(absl::string_view text, absl::string_view kid,
                                             absl::string_view alg) {
  StrictJson parser;
  simdjson::dom::element root;
  ASSIGN_OR_RETURN(root, ParseJwkJson(&parser, text));
  std::vector<object> objects;
  ASSIGN_OR_RETURN(objects, JwkObjects(root, /*set_only=*/false));
  object jwk;
  ASSIGN_OR_RETURN(jwk, ChooseKey(objects, kid));
  JwkHead head;
  ASSIGN_OR_RETURN(head, ReadJwkHead(jwk));
  auto state = std::make_unique<State>();
  ASSIGN_OR_RETURN(state->alg, ChooseAlgorithm(head, alg));
  state->kid = head.kid.value_or("");
  if (head.use && *head.use != "sig") {
    return absl::InvalidArgumentError(absl::StrCat("the key's use is '", *head.use, "', not sig"));
  }
  if (head.key_ops &&
      std::find(head.key_ops->begin(), head.key_ops->end(), "sign") == head.key_ops->end()) {
    return absl::InvalidArgumentError("the key's key_ops lack sign");
  }
  if (head.type == KeyType::kOct) {
    std::string k;
    ASSIGN_OR_RETURN(k, JwkBytes(jwk, "k"));
    const HashAlgorithm hash = HmacHash(state->alg);
    if (k.size() < HashSize(hash)) {
      return absl::InvalidArgumentError(absl::StrCat("k has ", k.size(), " bytes; ",
                                                     ToString(state->alg), " needs at least ",
                                                     HashSize(hash)));
    }
    state->hmac.emplace(hash, k);
  } else if (!head.has_private) {
    return absl::InvalidArgumentError("a public key cannot sign; give the private JWK (member d)");
  } else {
    ASSIGN_OR_RETURN(state->pkey, PkeyFromJwk(jwk, head.type, /*with_private=*/true));
    state->public_jwk = WriteJwk(jwk, *state, /*with_private=*/false);
  }
  state->private_jwk = WriteJwk(jwk, *state, /*with_private=*/true);
  return SigningKey(std::move(state));
}

absl::StatusOr<SigningKey> SigningKey::Generate(JwsAlgorithm alg, absl::string_view kid) {
  const KeyType type = TypeFor(alg);
  std::vector<std::pair<std::string, std::string>> members;
  if (type == KeyType::kOct) {
    members.emplace_back("k", RandomBytes(HashSize(HmacHash(alg))));
  } else {
    PkeyPtr key;
    ASSIGN_OR_RETURN(key, GeneratePkey(type));
    ASSIGN_OR_RETURN(members, PkeyMembers(*key, type));
  }
  std::string jwk = "{";
  switch (type) {
    case KeyType::kOct:
      AppendMember("kty", "oct", &jwk);
      break;
    case KeyType::kRsa:
      AppendMember("kty", "RSA", &jwk);
      break;
    case KeyType::kEd25519:
      AppendMember("kty", "OKP", &jwk);
      AppendMember("crv", "Ed25519", &jwk);
      break;
    default:
      AppendMember("kty", "EC", &jwk);
      AppendMember("crv", type == KeyType::kP256 ? "P-256" : "P-384", &jwk);
  }
  for (const auto& [name, bytes] : members) AppendMember(name, Base64UrlEncode(bytes), &jwk);
  if (!kid.empty()) AppendMember("kid", kid, &jwk);
  return Parse(jwk + "}", "", ToString(alg));
}

JwsAlgorithm SigningKey::alg() const { return state_->alg; }
const std::string& SigningKey::kid() const { return state_->kid; }
std::string SigningKey::PrivateJwk() const { return state_->private_jwk; }

absl::StatusOr<std::string> SigningKey::PublicJwk() const {
  if (state_->pkey == nullptr) {
    return absl::FailedPreconditionError("a symmetric key has no public half");
  }
  return state_->public_jwk;
}

absl::StatusOr<std::string> SigningKey::Sign(absl::string_view payload,
                                             absl::string_view typ) const {
  std::string header = "{";
  AppendMember("alg", ToString(state_->alg), &header);
  if (!state_->kid.empty()) AppendMember("kid", state_->kid, &header);
  if (!typ.empty()) AppendMember("typ", typ, &header);
  return SignWithHeader(header + "}", payload);
}

absl::StatusOr<std::string> SigningKey::SignWithHeader(absl::string_view header,
                                                       absl::string_view payload) const {
  const std::string input = absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(payload));
  std::string signature;
  if (state_->hmac) {
    signature.resize(HashSize(state_->hmac->hash()));
    state_->hmac->Compute(input, reinterpret_cast<uint8_t*>(signature.data()));
  } else {
    MdContextPtr context;
    ASSIGN_OR_RETURN(context, SignContext(state_->pkey.get(), state_->alg));
    size_t size = EVP_PKEY_get_size(state_->pkey.get());
    signature.resize(size);
    if (EVP_DigestSign(context.get(), reinterpret_cast<uint8_t*>(signature.data()), &size,
                       reinterpret_cast<const uint8_t*>(input.data()), input.size()) != 1) {
      ERR_clear_error();
      return absl::InternalError(absl::StrCat("signing with ", ToString(state_->alg), " failed"));
    }
    signature.resize(size);
    if (state_->alg == JwsAlgorithm::kEs256 || state_->alg == JwsAlgorithm::kEs384) {
      signature = EcdsaDerToRaw(signature, EcdsaHalf(state_->alg));
      if (signature.empty()) return absl::InternalError("ECDSA made no valid signature");
    }
  }
  return absl::StrCat(input, ".", Base64UrlEncode(signature));
}

}  // namespace tollgate
