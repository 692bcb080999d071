// Issuers and consumers: who may call. Plans are in convert_plan.cc.
#include <set>

#include "absl/strings/str_cat.h"
#include "common/crypto/jwk.h"
#include "common/policy/convert.h"

namespace tollgate::internal {
namespace {

constexpr EnumValue<TokenProfile> kProfiles[] = {
    {config::v1::PROFILE_JWT, TokenProfile::kJwt},
    {config::v1::PROFILE_RFC9068, TokenProfile::kRfc9068}};
// The issuer's JWK set: inline, or in a secret when a key is symmetric. Compiled once here, so that
// no request meets a key that does not compile.
void ConvertKeys(const config::v1::Issuer& from, const At& at, const Policy& policy,
                 IssuerPolicy& to, Errors& errors) {
  auto algorithms = ParseJwsAlgorithms(to.algorithms);
  if (!algorithms.ok()) {
    errors.Add(to.algorithms.empty() ? Code::kMissing : Code::kInvalid, at["algorithms"],
               std::string(algorithms.status().message()));
  }
  const bool in_secret = !from.jwks_secret().empty();
  const At place = at[in_secret ? "jwks_secret" : "jwks"];
  if (in_secret && !from.jwks().empty()) {
    errors.Add(Code::kConflict, place, "stands beside jwks; expected one of the two");
    return;
  }
  if (in_secret) {
    const auto secret = policy.secrets.find(from.jwks_secret());
    if (!CheckReference(secret != policy.secrets.end(), "a Secret", from.jwks_secret(), place,
                        errors)) {
      return;
    }
    to.jwks = secret->second;
  } else if (from.jwks().empty()) {
    errors.Add(Code::kMissing, place, "is empty, and so is jwks_secret; expected one of the two");
    return;
  } else {
    to.jwks = from.jwks();
  }
  if (!algorithms.ok()) return;
  if (auto set = JwkSet::Parse(to.jwks, *algorithms); !set.ok()) {
    errors.Add(Code::kInvalid, place, std::string(set.status().message()));
    return;
  }
  auto info = InspectJwkSet(to.jwks);
  if (!info.ok()) {
    errors.Add(Code::kInvalid, place, std::string(info.status().message()));
  } else if (info->has_private) {
    errors.Add(Code::kInvalid, place, "has a private key; expected public keys");
  } else if (info->has_symmetric && !in_secret) {
    errors.Add(Code::kInvalid, place, "has a symmetric key; expected it in a Secret (jwks_secret)");
  }
}

IssuerPolicy ConvertIssuer(const config::v1::Issuer& from, const At& at, const Policy& policy,
                           Errors& errors) {
  IssuerPolicy to;
  to.name = from.name();
  to.issuer = from.issuer();
  CheckIdentifier(from.issuer(), at["issuer"], errors);
  to.audiences.assign(from.audiences().begin(), from.audiences().end());
  if (to.audiences.empty()) {
    errors.Add(Code::kMissing, at["audiences"], "is empty; a token for anybody is for nobody");
  }
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < from.audiences_size(); ++i) {
    const At place = at("audiences", i);
    if (CheckIdentifier(from.audiences(i), place, errors)) {
      CheckDistinct(from.audiences(i), seen, place, errors);
    }
  }
  to.algorithms.assign(from.algorithms().begin(), from.algorithms().end());
  ConvertKeys(from, at, policy, to, errors);
  to.profile = CheckEnum(from.profile(), kProfiles, at["profile"], errors);
  to.consumer_claim = from.consumer_claim();
  CheckIdentifier(from.consumer_claim(), at["consumer_claim"], errors);
  to.permissions_claim = from.permissions_claim();
  CheckIdentifier(from.permissions_claim(), at["permissions_claim"], errors);
  CheckRange(from.leeway_seconds(), 0, 60, at["leeway_seconds"], errors);
  to.leeway = std::chrono::seconds(from.leeway_seconds());
  return to;
}

// What must be unique over all consumers of all shards.
struct Identities {
  absl::flat_hash_set<std::string> tokens;
  absl::flat_hash_set<std::string> keys;
};

void ConvertTokens(const config::v1::Consumer& from, const At& at, const Policy& policy,
                   Identities& identities, ConsumerPolicy& to, Errors& errors) {
  for (int i = 0; i < from.tokens_size(); ++i) {
    const config::v1::TokenIdentity& token = from.tokens(i);
    const At place = at("tokens", i);
    CheckReference(policy.issuers.contains(token.issuer()), "an Issuer", token.issuer(),
                   place["issuer"], errors);
    if (token.value().empty()) {
      errors.Add(Code::kMissing, place["value"], "is empty");
    } else if (!identities.tokens.insert(absl::StrCat(token.issuer(), " ", token.value())).second) {
      errors.Add(Code::kDuplicate, place,
                 absl::StrCat("the identity (", token.issuer(), ", ", token.value(),
                              ") belongs to a consumer already"));
    }
    to.tokens.push_back({token.issuer(), token.value()});
  }
}

void ConvertApiKeys(const config::v1::Consumer& from, const At& at, const Policy& policy,
                    Identities& identities, ConsumerPolicy& to, Errors& errors) {
  constexpr size_t kHashBytes = 32;  // SHA-256
  for (int i = 0; i < from.api_keys_size(); ++i) {
    const config::v1::ApiKey& key = from.api_keys(i);
    const At place = at("api_keys", i);
    if (CheckIdentifier(key.id(), place["id"], errors)) {
      CheckDistinct(key.id(), identities.keys, place["id"], errors);
    }
    if (key.hash().size() != kHashBytes) {
      errors.Add(key.hash().empty() ? Code::kMissing : Code::kInvalid, place["hash"],
                 absl::StrCat("has ", key.hash().size(), " bytes; expected ", kHashBytes));
    }
    CheckIdentifier(key.name(), place["name"], errors);
    CheckReference(policy.secrets.contains(key.pepper()), "a Secret", key.pepper(), place["pepper"],
                   errors);
    to.api_keys.push_back({key.id(), key.hash(), key.name(),
                           CheckDate(key.not_after(), place["not_after"], errors), key.pepper()});
  }
}

ConsumerPolicy ConvertConsumer(const config::v1::Consumer& from, const At& at, const Policy& policy,
                               Identities& identities, Errors& errors) {
  ConsumerPolicy to;
  to.name = from.name();
  to.plan = from.plan();
  if (!from.plan().empty()) {
    const auto plan = policy.plans.find(from.plan());
    if (CheckReference(plan != policy.plans.end(), "a Plan", from.plan(), at["plan"], errors) &&
        !plan->second.needs_caller()) {
      errors.Add(Code::kConflict, at["plan"],
                 absl::StrCat("plan ", from.plan(),
                              " does not count by who calls; expected consumer, key or a claim "
                              "among what it counts by"));
    }
  }
  to.grants.assign(from.grants().begin(), from.grants().end());
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < from.grants_size(); ++i) {
    const At place = at("grants", i);
    if (CheckPermission(from.grants(i), place, errors)) {
      CheckDistinct(from.grants(i), seen, place, errors);
    }
  }
  ConvertTokens(from, at, policy, identities, to, errors);
  ConvertApiKeys(from, at, policy, identities, to, errors);
  return to;
}

// Puts `value` into `map` under its name; an empty or repeated name is an error at `at`.
template <typename T>
void Put(std::map<std::string, T>& map, T value, const At& at, Errors& errors) {
  if (!CheckIdentifier(value.name, at, errors)) return;
  std::string name = value.name;
  if (!map.try_emplace(name, std::move(value)).second) {
    errors.Add(Code::kDuplicate, at, absl::StrCat("\"", name, "\" exists already"));
  }
}

}  // namespace

void ConvertPolicySets(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  std::set<std::string> names;
  const At root;
  for (int i = 0; i < bundle.policy_sets_size(); ++i) {
    const config::v1::PolicySet& set = bundle.policy_sets(i);
    EnterResource("PolicySet", set.name(), i, names, "name", errors);
    names.insert(set.name());
    for (int k = 0; k < set.issuers_size(); ++k) {
      const At at = root("issuers", k);
      Put(policy.issuers, ConvertIssuer(set.issuers(k), at, policy, errors), at["name"], errors);
    }
    for (int k = 0; k < set.plans_size(); ++k) {
      const At at = root("plans", k);
      Put(policy.plans, ConvertPlan(set.plans(k), at, errors), at["name"], errors);
    }
  }
}

void ConvertConsumers(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  std::set<std::string> names;
  Identities identities;
  const At root;
  for (int i = 0; i < bundle.consumer_shards_size(); ++i) {
    const config::v1::ConsumerShard& shard = bundle.consumer_shards(i);
    EnterResource("ConsumerShard", shard.name(), i, names, "name", errors);
    names.insert(shard.name());
    for (int k = 0; k < shard.consumers_size(); ++k) {
      const At at = root("consumers", k);
      Put(policy.consumers, ConvertConsumer(shard.consumers(k), at, policy, identities, errors),
          at["name"], errors);
    }
  }
}

}  // namespace tollgate::internal
