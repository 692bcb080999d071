#include "common/crypto/pkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/jwk.h"

namespace tollgate {
namespace {

using simdjson::dom::object;

struct FreeBn {
  void operator()(BIGNUM* n) const { BN_clear_free(n); }
};
using BnPtr = std::unique_ptr<BIGNUM, FreeBn>;
struct FreeBuilder {
  void operator()(OSSL_PARAM_BLD* b) const { OSSL_PARAM_BLD_free(b); }
};

const uint8_t* Bytes(absl::string_view s) { return reinterpret_cast<const uint8_t*>(s.data()); }

BnPtr ToBn(absl::string_view bytes) {
  return BnPtr(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

absl::Status Failed(absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(what);
}

// Collects parameters, then makes the key. Keeps what it was given alive until then.
class Builder {
 public:
  Builder() : builder_(OSSL_PARAM_BLD_new()) {}
  bool Number(const char* name, absl::string_view bytes) {
    numbers_.push_back(ToBn(bytes));
    return numbers_.back() != nullptr && builder_ != nullptr &&
           OSSL_PARAM_BLD_push_BN(builder_.get(), name, numbers_.back().get()) == 1;
  }
  bool Octets(const char* name, const std::string& bytes) {
    return OSSL_PARAM_BLD_push_octet_string(builder_.get(), name, bytes.data(), bytes.size()) == 1;
  }
  bool Text(const char* name, const char* text) {
    return builder_ != nullptr &&
           OSSL_PARAM_BLD_push_utf8_string(builder_.get(), name, text, 0) == 1;
  }
  PkeyPtr Make(const char* type, bool with_private) {
    OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder_.get());
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
    EVP_PKEY* key = nullptr;
    if (params != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context) == 1) {
      EVP_PKEY_fromdata(context, &key, with_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        params);
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return PkeyPtr(key);
  }

 private:
  std::unique_ptr<OSSL_PARAM_BLD, FreeBuilder> builder_;
  std::vector<BnPtr> numbers_;
};

// The fingerprint of keys from a flawed generator that can be factored (CVE-2017-15361, "ROCA";
// Nemec et al. 2017, section 3): modulo every small prime, such a modulus is a power of 65537.
// Another modulus is so with probability 2^-27.
bool HasRocaFingerprint(const BIGNUM* modulus) {
  for (const unsigned prime :
       {3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
        73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167}) {
    const BN_ULONG residue = BN_mod_word(modulus, prime);
    bool is_power = false;
    unsigned power = 1;
    do {
      power = power * (65537 % prime) % prime;
      is_power = is_power || power == residue;
    } while (power != 1);
    if (!is_power) return false;
  }
  return true;
}

absl::StatusOr<PkeyPtr> RsaFromJwk(const object& jwk, bool with_private) {
  std::string n, e;
  ASSIGN_OR_RETURN(n, JwkBytes(jwk, "n"));
  ASSIGN_OR_RETURN(e, JwkBytes(jwk, "e"));
  if (n[0] == 0 || e[0] == 0) {
    return absl::InvalidArgumentError(
        "n or e begins with a zero byte; expected the fewest bytes (RFC 7518 section 2)");
  }
  const BnPtr modulus = ToBn(n);
  const int bits = modulus == nullptr ? 0 : BN_num_bits(modulus.get());
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return absl::InvalidArgumentError(
        absl::StrCat("RSA key has ", bits, " bits; expected ", kMinRsaBits, " to ", kMaxRsaBits));
  }
  // e = 1 makes every message its own signature; a large e only costs.
  const bool odd = (e.back() & 1) != 0;
  if (!odd || e.size() > 8 || (e.size() == 1 && e[0] == 1) || (n.back() & 1) == 0) {
    return absl::InvalidArgumentError("RSA n or e is not valid; expected odd numbers, e from 3");
  }
  if (HasRocaFingerprint(modulus.get())) {
    return absl::InvalidArgumentError(
        "RSA key comes from a flawed generator (CVE-2017-15361); replace it");
  }
  Builder builder;
  bool ok = builder.Number(OSSL_PKEY_PARAM_RSA_N, n) && builder.Number(OSSL_PKEY_PARAM_RSA_E, e);
  if (with_private) {
    static constexpr struct {
      absl::string_view member;
      const char* param;
    } kPrivate[] = {
        {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    const bool has_factors = JsonMember(jwk, "p").has_value();  // then all of them are required
    for (const auto& entry : kPrivate) {
      if (entry.member != "d" && !has_factors) continue;
      std::string bytes;
      ASSIGN_OR_RETURN(bytes, JwkBytes(jwk, entry.member));
      ok = ok && builder.Number(entry.param, bytes);
    }
  }
  PkeyPtr key = ok ? builder.Make("RSA", with_private) : nullptr;
  if (key == nullptr) return Failed("RSA key is not valid");
  return key;
}

absl::StatusOr<PkeyPtr> EcFromJwk(const object& jwk, KeyType type, bool with_private) {
  const size_t half = type == KeyType::kP256 ? 32 : 48;
  std::string x, y, d;
  ASSIGN_OR_RETURN(x, JwkBytes(jwk, "x"));
  ASSIGN_OR_RETURN(y, JwkBytes(jwk, "y"));
  if (with_private) {
    ASSIGN_OR_RETURN(d, JwkBytes(jwk, "d"));
  }
  if (x.size() != half || y.size() != half || (with_private && d.size() != half)) {
    return absl::InvalidArgumentError(
        absl::StrCat("x, y and d have ", half, " bytes each on this curve (RFC 7518 section 6.2)"));
  }
  const std::string point = absl::StrCat("\x04", x, y);  // uncompressed
  Builder builder;
  const bool ok = builder.Text(OSSL_PKEY_PARAM_GROUP_NAME, half == 32 ? "P-256" : "P-384") &&
                  builder.Octets(OSSL_PKEY_PARAM_PUB_KEY, point) &&
                  (!with_private || builder.Number(OSSL_PKEY_PARAM_PRIV_KEY, d));
  PkeyPtr key = ok ? builder.Make("EC", with_private) : nullptr;
  if (key == nullptr) return Failed("x, y are not a point on the curve");
  EVP_PKEY_CTX* check = EVP_PKEY_CTX_new(key.get(), nullptr);
  const bool valid = check != nullptr && EVP_PKEY_public_check(check) == 1 &&
                     (!with_private || EVP_PKEY_pairwise_check(check) == 1);
  EVP_PKEY_CTX_free(check);
  if (!valid) return Failed("x, y are not a point on the curve, or not that of d");
  return key;
}

absl::StatusOr<PkeyPtr> Ed25519FromJwk(const object& jwk, bool with_private) {
  std::string x, d;
  ASSIGN_OR_RETURN(x, JwkBytes(jwk, "x"));
  if (with_private) {
    ASSIGN_OR_RETURN(d, JwkBytes(jwk, "d"));
  }
  if (x.size() != 32 || (with_private && d.size() != 32)) {
    return absl::InvalidArgumentError("x and d have 32 bytes for Ed25519 (RFC 8037 section 2)");
  }
  PkeyPtr key(with_private
                  ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(d), d.size())
                  : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(x), x.size()));
  if (key == nullptr) return Failed("Ed25519 key is not valid");
  uint8_t derived[32];
  size_t size = sizeof(derived);
  if (EVP_PKEY_get_raw_public_key(key.get(), derived, &size) != 1 ||
      std::memcmp(derived, x.data(), 32) != 0) {
    return Failed("x is not the public key of d");
  }
  return key;
}

absl::StatusOr<std::string> NumberOf(const EVP_PKEY& key, const char* param, size_t size) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(&key, param, &raw) != 1) {
    ERR_clear_error();
    return absl::InternalError(absl::StrCat("key has no ", param));
  }
  const BnPtr number(raw);
  std::string out(size == 0 ? BN_num_bytes(raw) : size, '\0');
  if (BN_bn2binpad(raw, reinterpret_cast<uint8_t*>(out.data()), static_cast<int>(out.size())) < 0) {
    return absl::InternalError(absl::StrCat(param, " is too large"));
  }
  return out;
}

}  // namespace

absl::StatusOr<PkeyPtr> PkeyFromJwk(const object& jwk, KeyType type, bool with_private) {
  switch (type) {
    case KeyType::kRsa:
      return RsaFromJwk(jwk, with_private);
    case KeyType::kP256:
    case KeyType::kP384:
      return EcFromJwk(jwk, type, with_private);
    case KeyType::kEd25519:
      return Ed25519FromJwk(jwk, with_private);
    case KeyType::kOct:
    case KeyType::kUnsupported:
      break;
  }
  return absl::InvalidArgumentError("not a public-key type");
}

absl::StatusOr<PkeyPtr> GeneratePkey(KeyType type) {
  EVP_PKEY* key = nullptr;
  switch (type) {
    case KeyType::kRsa:
      key = EVP_RSA_gen(kMinRsaBits);
      break;
    case KeyType::kP256:
      key = EVP_EC_gen("P-256");
      break;
    case KeyType::kP384:
      key = EVP_EC_gen("P-384");
      break;
    case KeyType::kEd25519:
      key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
      break;
    case KeyType::kOct:
    case KeyType::kUnsupported:
      break;
  }
  if (key == nullptr) return Failed("cannot make such a key");
  return PkeyPtr(key);
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> PkeyMembers(const EVP_PKEY& key,
                                                                             KeyType type) {
  std::vector<std::pair<std::string, std::string>> members;
  if (type == KeyType::kEd25519) {
    uint8_t x[32], d[32];
    size_t size = 32;
    if (EVP_PKEY_get_raw_public_key(&key, x, &size) != 1 ||
        EVP_PKEY_get_raw_private_key(&key, d, &size) != 1) {
      return Failed("cannot read the Ed25519 key");
    }
    members.emplace_back("x", std::string(reinterpret_cast<char*>(x), 32));
    members.emplace_back("d", std::string(reinterpret_cast<char*>(d), 32));
    return members;
  }
  struct Member {
    const char* name;
    const char* param;
  };
  static constexpr Member kRsa[] = {
      {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
      {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
      {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
      {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
  static constexpr Member kEc[] = {{"x", OSSL_PKEY_PARAM_EC_PUB_X},
                                   {"y", OSSL_PKEY_PARAM_EC_PUB_Y},
                                   {"d", OSSL_PKEY_PARAM_PRIV_KEY}};
  const bool rsa = type == KeyType::kRsa;
  const size_t size = rsa ? 0 : type == KeyType::kP256 ? 32 : 48;
  for (const Member& m : rsa ? absl::Span<const Member>(kRsa) : absl::Span<const Member>(kEc)) {
    std::string bytes;
    ASSIGN_OR_RETURN(bytes, NumberOf(key, m.param, size));
    members.emplace_back(m.name, std::move(bytes));
  }
  return members;
}

}  // namespace tollgate
