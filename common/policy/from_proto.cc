#include "common/policy/from_proto.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/policy/convert.h"

namespace tollgate {
namespace internal {
namespace {

// Every resource of one kind. The bundle's own unknown fields are looked at by FromBundle.
template <typename Resources, typename Name>
void CheckUnknownIn(const Resources& resources, absl::string_view type, Name name, Errors& errors) {
  for (int i = 0; i < resources.size(); ++i) {
    errors.Enter(type, name(resources[i]), i);
    CheckUnknownFields(resources[i], At(), errors);
  }
}

void CheckAllUnknown(const config::v1::Bundle& bundle, Errors& errors) {
  errors.Enter("Bundle", "bundle", 0);
  const auto& unknown = bundle.GetReflection()->GetUnknownFields(bundle);
  for (int i = 0; i < unknown.field_count(); ++i) {
    errors.Add(Code::kUnknownField, At(),
               absl::StrCat("field number ", unknown.field(i).number(),
                            " of Bundle is not known to schema ", kSchema));
  }
  errors.Enter("Epoch", "epoch", 0);
  CheckUnknownFields(bundle.epoch(), At(), errors);
  const auto name = [](const auto& resource) { return resource.name(); };
  CheckUnknownIn(bundle.upstreams(), "Upstream", name, errors);
  CheckUnknownIn(
      bundle.endpoints(), "Endpoints", [](const auto& e) { return e.upstream(); }, errors);
  CheckUnknownIn(bundle.secrets(), "Secret", name, errors);
  CheckUnknownIn(bundle.consumer_shards(), "ConsumerShard", name, errors);
  CheckUnknownIn(bundle.policy_sets(), "PolicySet", name, errors);
  CheckUnknownIn(bundle.route_tables(), "RouteTable", name, errors);
  CheckUnknownIn(bundle.listeners(), "Listener", name, errors);
  CheckUnknownIn(bundle.revocations(), "Revocation", name, errors);
}

}  // namespace

void ConvertEpoch(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  const At root;
  const config::v1::Epoch& epoch = bundle.epoch();
  errors.Enter("Epoch", "epoch", 0);
  if (!bundle.has_epoch()) {
    errors.Add(Code::kMissing, root, "a bundle has an epoch");
    return;
  }
  CheckIdentifier(epoch.incarnation(), root["incarnation"], errors);
  if (epoch.schema() == 0) {
    errors.Add(Code::kMissing, root["schema"], "is not set");
  } else if (epoch.schema() > kSchema) {
    errors.Add(Code::kUnsupportedSchema, root["schema"],
               absl::StrCat(epoch.schema(), "; this build understands schemas up to ", kSchema));
  }
  policy.epoch = {epoch.incarnation(), epoch.revision(), epoch.release(), epoch.schema()};
}

void ConvertSecrets(const config::v1::Bundle& bundle, Policy& policy, Errors& errors) {
  constexpr size_t kMaxSecretBytes = 512 * 1024;
  const At root;
  for (int i = 0; i < bundle.secrets_size(); ++i) {
    const config::v1::Secret& secret = bundle.secrets(i);
    const bool unique = EnterResource("Secret", secret.name(), i, policy.secrets, "name", errors);
    const At value = root["value"];
    if (secret.value().empty()) {
      errors.Add(Code::kMissing, value, "is empty");
    } else if (secret.value().size() > kMaxSecretBytes) {  // its size may be told, not its bytes
      errors.Add(Code::kOutOfRange, value,
                 absl::StrCat(secret.value().size(), " bytes; at most ", kMaxSecretBytes));
    }
    if (unique) policy.secrets.emplace(secret.name(), secret.value());
  }
}

void CheckRevocations(const config::v1::Bundle& bundle, Errors& errors) {
  std::set<std::string> names;
  const At root;
  for (int i = 0; i < bundle.revocations_size(); ++i) {
    const config::v1::Revocation& revocation = bundle.revocations(i);
    EnterResource("Revocation", revocation.name(), i, names, "name", errors);
    names.insert(revocation.name());
    for (int k = 0; k < revocation.key_ids_size(); ++k) {
      CheckIdentifier(revocation.key_ids(k), root("key_ids", k), errors);
    }
    ConvertTokenDenials(revocation, errors);
  }
}

}  // namespace internal

PolicyOrErrors FromBundle(const config::v1::Bundle& bundle) {
  PolicyOrErrors result;
  internal::Errors errors;
  internal::CheckAllUnknown(bundle, errors);
  internal::ConvertEpoch(bundle, result.policy, errors);
  internal::ConvertSecrets(bundle, result.policy, errors);
  internal::ConvertUpstreams(bundle, result.policy, errors);
  internal::ConvertPolicySets(bundle, result.policy, errors);
  internal::ConvertConsumers(bundle, result.policy, errors);
  internal::ConvertRouteTables(bundle, result.policy, errors);
  internal::ConvertListeners(bundle, result.policy, errors);
  internal::CheckRevocations(bundle, errors);
  result.errors = errors.Take();
  return result;
}

std::string ToString(const ResourceError& error) {
  return absl::StrCat(absl::StripPrefix(error.type_url, kTypePrefix), " ", error.name, ": ",
                      error.field_path, error.field_path.empty() ? "" : ": ", error.message, " (",
                      error.code, ")");
}

}  // namespace tollgate
