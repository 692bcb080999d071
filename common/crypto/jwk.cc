#include "common/crypto/jwk.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "common/crypto/jwk_members.h"
#include "common/crypto/pkey.h"

namespace tollgate {

// For a public key: a context ready to verify, which is only ever copied from.
struct VerificationKey::Material {
  std::variant<HmacKey, MdContextPtr> key;
};

namespace {

using simdjson::dom::object;
using Material = VerificationKey::Material;

HashAlgorithm HmacHash(JwsAlgorithm alg) {
  switch (alg) {
    case JwsAlgorithm::kHs384:
      return HashAlgorithm::kSha384;
    case JwsAlgorithm::kHs512:
      return HashAlgorithm::kSha512;
    default:
      return HashAlgorithm::kSha256;
  }
}

// "": the key may verify. Otherwise why it is of no use here.
absl::StatusOr<std::string> WhyLeftOut(const JwkHead& head) {
  if (head.use && *head.use != "sig") return absl::StrCat("use is '", *head.use, "', not sig");
  if (head.key_ops) {
    const auto& ops = *head.key_ops;
    const auto has = [&ops](absl::string_view op) {
      return std::find(ops.begin(), ops.end(), op) != ops.end();
    };
    if (!has("verify")) {
      if (head.use && !has("sign")) {
        return absl::InvalidArgumentError("use and key_ops contradict (RFC 7517 section 4.3)");
      }
      return std::string("key_ops lacks verify");
    }
  }
  if (head.type == KeyType::kUnsupported) {
    return absl::StrCat(head.type_text, " is not supported");
  }
  return std::string();
}

struct AlgorithmChoice {
  std::optional<JwsAlgorithm> alg;
  std::string left_out;
};

// The one algorithm of a key: its alg, or the only one that fits both its type and the issuer's
// list.
absl::StatusOr<AlgorithmChoice> ChooseAlgorithm(const JwkHead& head,
                                                absl::Span<const JwsAlgorithm> allowed) {
  std::vector<JwsAlgorithm> fitting;
  if (head.alg) {
    const std::optional<JwsAlgorithm> alg = ParseJwsAlgorithm(*head.alg);
    if (!alg) return AlgorithmChoice{{}, absl::StrCat("alg '", *head.alg, "' is not supported")};
    if (!Fits(head.type, *alg)) {
      return absl::InvalidArgumentError(
          absl::StrCat("alg '", *head.alg, "' does not fit ", head.type_text));
    }
    fitting = {*alg};
  } else {
    const auto all = AlgorithmsOf(head.type);
    fitting.assign(all.begin(), all.end());
  }
  std::vector<JwsAlgorithm> usable;
  for (const JwsAlgorithm alg : fitting) {
    if (std::find(allowed.begin(), allowed.end(), alg) != allowed.end()) usable.push_back(alg);
  }
  if (usable.empty()) {
    return AlgorithmChoice{
        {},
        absl::StrCat(head.alg ? absl::StrCat("alg '", *head.alg, "'") : head.type_text,
                     " is for none of the issuer's algorithms")};
  }
  if (usable.size() > 1) {
    const auto name = [](std::string* out, JwsAlgorithm a) { absl::StrAppend(out, ToString(a)); };
    return absl::InvalidArgumentError(absl::StrCat(
        "has no alg, and the issuer allows ", absl::StrJoin(usable, " and ", name), " for ",
        head.type_text, "; add alg to the key, or leave one of them in the issuer's algorithms"));
  }
  return AlgorithmChoice{usable[0], ""};
}

absl::StatusOr<std::unique_ptr<const Material>> MakeMaterial(const object& jwk, const JwkHead& head,
                                                             JwsAlgorithm alg) {
  if (head.type == KeyType::kOct) {
    std::string k;
    ASSIGN_OR_RETURN(k, JwkBytes(jwk, "k"));
    const size_t least = HashSize(HmacHash(alg));  // RFC 7518 section 3.2
    if (k.size() < least) {
      return absl::InvalidArgumentError(
          absl::StrCat("k has ", k.size(), " bytes; ", ToString(alg), " needs at least ", least));
    }
    return std::unique_ptr<const Material>(new Material{HmacKey(HmacHash(alg), k)});
  }
  PkeyPtr key;
  ASSIGN_OR_RETURN(key, PkeyFromJwk(jwk, head.type, /*with_private=*/false));
  MdContextPtr ready;
  ASSIGN_OR_RETURN(ready, VerifyContext(key.get(), alg));  // holds its own reference to the key
  return std::unique_ptr<const Material>(new Material{std::move(ready)});
}

absl::Status CannotTellApart(const VerificationKey& key) {
  return absl::InvalidArgumentError(
      absl::StrCat("two keys for ", ToString(key.alg()), " have ",
                   key.kid() ? absl::StrCat("the kid '", *key.kid(), "'") : std::string("no kid"),
                   "; give each key its own kid"));
}

}  // namespace

VerificationKey::VerificationKey(std::optional<std::string> kid, JwsAlgorithm alg,
                                 std::unique_ptr<const Material> material)
    : kid_(std::move(kid)), alg_(alg), material_(std::move(material)) {}
VerificationKey::VerificationKey(VerificationKey&&) noexcept = default;
VerificationKey& VerificationKey::operator=(VerificationKey&&) noexcept = default;
VerificationKey::~VerificationKey() = default;

bool VerificationKey::Verify(absl::string_view input, absl::string_view signature) const {
  if (const auto* hmac = std::get_if<HmacKey>(&material_->key)) {
    uint8_t expected[64];
    hmac->Compute(input, expected);
    return ConstantTimeEqual(signature, absl::string_view(reinterpret_cast<const char*>(expected),
                                                          HashSize(hmac->hash())));
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(signature.data());
  size_t size = signature.size();
  uint8_t der[kMaxEcdsaDer];
  if (alg_ == JwsAlgorithm::kEs256 || alg_ == JwsAlgorithm::kEs384) {
    if (size != 2 * EcdsaHalf(alg_)) return false;
    size = EcdsaRawToDer(signature, der);
    bytes = der;
  }
  const MdContextPtr context(EVP_MD_CTX_new());
  const bool ok =
      context != nullptr &&
      EVP_MD_CTX_copy_ex(context.get(), std::get<MdContextPtr>(material_->key).get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes, size, reinterpret_cast<const uint8_t*>(input.data()),
                       input.size()) == 1;
  if (!ok) ERR_clear_error();
  return ok;
}

absl::StatusOr<JwkSet> JwkSet::Parse(absl::string_view json,
                                     absl::Span<const JwsAlgorithm> allowed) {
  StrictJson parser;
  simdjson::dom::element root;
  ASSIGN_OR_RETURN(root, ParseJwkJson(&parser, json));
  std::vector<object> objects;
  ASSIGN_OR_RETURN(objects, JwkObjects(root, /*set_only=*/true));
  JwkSet set;
  bool has_public = false, has_symmetric = false;
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::string where = absl::StrCat("keys[", i, "]");
    const auto annotate = [&where](const absl::Status& s) { return Annotate(s, where); };
    absl::StatusOr<JwkHead> head = ReadJwkHead(objects[i]);
    if (!head.ok()) return annotate(head.status());
    if (head->has_private) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": holds a private key; give only the public members, and replace that key"));
    }
    has_public |= head->is_public_type;
    has_symmetric |= head->type == KeyType::kOct;
    const absl::StatusOr<std::string> left_out = WhyLeftOut(*head);
    if (!left_out.ok()) return annotate(left_out.status());
    AlgorithmChoice choice{{}, *left_out};
    if (left_out->empty()) {
      absl::StatusOr<AlgorithmChoice> chosen = ChooseAlgorithm(*head, allowed);
      if (!chosen.ok()) return annotate(chosen.status());
      choice = *std::move(chosen);
    }
    if (!choice.alg) {
      set.left_out_.push_back(absl::StrCat(where, ": ", choice.left_out));
      continue;
    }
    auto material = MakeMaterial(objects[i], *head, *choice.alg);
    if (!material.ok()) return annotate(material.status());
    for (const VerificationKey& other : set.keys_) {
      if (other.kid() == head->kid && other.alg() == *choice.alg) return CannotTellApart(other);
    }
    set.keys_.emplace_back(std::move(head->kid), *choice.alg, *std::move(material));
  }
  if (has_public && has_symmetric) {
    return absl::InvalidArgumentError(
        "JWK set mixes symmetric (oct) and public keys; make two issuers of it");
  }
  if (set.keys_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "JWK set has no key that can verify a token",
        set.left_out_.empty() ? "" : "; left out: ", absl::StrJoin(set.left_out_, "; ")));
  }
  set.digest_ = Sha256(json);
  return set;
}

JwkSet::Match JwkSet::Find(const std::optional<absl::string_view>& kid, JwsAlgorithm alg) const {
  Match match;
  size_t candidates = 0;
  for (const VerificationKey& key : keys_) {
    if (kid && (!key.kid() || *key.kid() != *kid)) continue;
    if (key.alg() != alg) {
      match.other_alg = true;
      continue;
    }
    match.key = &key;
    ++candidates;
  }
  if (candidates == 1) return match;
  // None; or several, none of which the token names.
  return {.key = nullptr, .other_alg = candidates == 0 && match.other_alg};
}

absl::StatusOr<JwkSetInfo> InspectJwkSet(absl::string_view json) {
  StrictJson parser;
  simdjson::dom::element root;
  ASSIGN_OR_RETURN(root, ParseJwkJson(&parser, json));
  std::vector<object> objects;
  ASSIGN_OR_RETURN(objects, JwkObjects(root, /*set_only=*/false));
  JwkSetInfo info{.keys = objects.size()};
  for (size_t i = 0; i < objects.size(); ++i) {
    const absl::StatusOr<JwkHead> head = ReadJwkHead(objects[i]);
    if (!head.ok()) return Annotate(head.status(), absl::StrCat("keys[", i, "]"));
    info.has_symmetric |= head->type == KeyType::kOct;
    info.has_private |= head->has_private;
  }
  return info;
}

}  // namespace tollgate
