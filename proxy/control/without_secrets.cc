#include "proxy/control/without_secrets.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"

namespace tollgate::proxy {
namespace {

// One random symmetric key for each algorithm, as long as the longest hash.
std::string RandomJwks(const google::protobuf::RepeatedPtrField<std::string>& algorithms) {
  std::vector<std::string> keys;
  for (const std::string& algorithm : algorithms) {
    keys.push_back(absl::StrCat(R"({"kty":"oct","use":"sig","alg":")", algorithm, R"(","kid":")",
                                algorithm, R"(","k":")", Base64UrlEncode(RandomBytes(64)),
                                R"("})"));
  }
  return absl::StrCat(R"({"keys":[)", absl::StrJoin(keys, ","), "]}");
}

}  // namespace

ActiveSet WithoutSecrets(const ActiveSet& set, bool* complete) {
  ActiveSet out = set;
  auto& secrets = out.types[Index(ResourceType::kSecret)];
  bool changed = !secrets.empty();
  secrets.clear();
  auto& shards = out.types[Index(ResourceType::kConsumerShard)];
  for (auto it = shards.begin(); it != shards.end();) {
    config::v1::ConsumerShard shard;
    if (!shard.ParseFromString(*it->second.bytes)) {
      changed = true;
      it = shards.erase(it);
      continue;
    }
    bool has_keys = false;
    for (config::v1::Consumer& consumer : *shard.mutable_consumers()) {
      has_keys |= consumer.api_keys_size() > 0;
      consumer.clear_api_keys();
    }
    if (has_keys) {
      changed = true;
      it->second = {"", std::make_shared<const std::string>(shard.SerializeAsString())};
    }
    ++it;
  }
  *complete = !changed;
  return out;
}

void AddStandIns(config::v1::Bundle* bundle) {
  std::set<std::string> present;
  for (const config::v1::Secret& secret : bundle->secrets()) present.insert(secret.name());
  for (const config::v1::PolicySet& policies : bundle->policy_sets()) {
    for (const config::v1::Issuer& issuer : policies.issuers()) {
      if (issuer.jwks_secret().empty() || !present.insert(issuer.jwks_secret()).second) continue;
      config::v1::Secret* secret = bundle->add_secrets();
      secret->set_name(issuer.jwks_secret());
      secret->set_value(RandomJwks(issuer.algorithms()));
    }
  }
}

}  // namespace tollgate::proxy
