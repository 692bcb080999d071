#include "proxy/control/staging.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;

ResourceError Error(ResourceType type, absl::string_view name, absl::string_view code,
                    absl::string_view field, std::string message) {
  return {std::string(TypeUrl(type)), std::string(name), std::string(code), std::string(field),
          std::move(message)};
}

config::v1::Epoch EpochOf(const ActiveSet& set) {
  config::v1::Epoch epoch;
  if (!set.epoch_bytes.empty()) epoch.ParseFromString(set.epoch_bytes);
  return epoch;
}

}  // namespace

Staging::Staging(std::shared_ptr<const ActiveSet> active) { Activate(std::move(active)); }

void Staging::Activate(std::shared_ptr<const ActiveSet> set) {
  active_ = std::move(set);
  active_epoch_ = EpochOf(*active_);
  staged_ = *active_;
  errors_.clear();
}

std::vector<ResourceError> Staging::Stage(ResourceType type,
                                          const DeltaDiscoveryResponse& response) {
  std::vector<ResourceError> errors;
  auto& staged = staged_.types[Index(type)];
  for (const std::string& name : response.removed_resources()) staged.erase(name);
  std::set<absl::string_view> seen;
  for (const auto& resource : response.resources()) {
    const std::string& name = resource.name();
    if (name.empty()) {
      errors.push_back(Error(type, name, "MISSING", "name", "expected the resource's name"));
    } else if (resource.version().empty()) {
      errors.push_back(Error(type, name, "MISSING", "version", "expected the content hash"));
    } else if (!seen.insert(name).second) {
      errors.push_back(Error(type, name, "DUPLICATE", "name", "twice in one response"));
    } else if (resource.resource().type_url() != TypeUrl(type)) {
      errors.push_back(Error(type, name, "INVALID", "resource.type_url",
                             absl::StrCat("\"", resource.resource().type_url(),
                                          "\"; expected the type of the response")));
    } else {
      staged[name] = {resource.version(),
                      std::make_shared<const std::string>(resource.resource().value())};
    }
  }
  errors_.insert(errors_.end(), errors.begin(), errors.end());
  return errors;
}

Staging::Closed Staging::Close(const DeltaDiscoveryResponse& response) {
  Closed closed;
  closed.errors = std::exchange(errors_, {});
  ActiveSet staged = std::exchange(staged_, *active_);
  const bool is_epoch =
      response.resources_size() == 1 && response.removed_resources().empty() &&
      response.resources(0).name() == kEpochName && !response.resources(0).version().empty() &&
      response.resources(0).resource().type_url() == TypeUrl(ResourceType::kEpoch) &&
      closed.epoch.ParseFromString(response.resources(0).resource().value());
  if (!is_epoch) {
    closed.errors.push_back(Error(ResourceType::kEpoch, kEpochName, "INVALID", "",
                                  "expected exactly one Epoch, named \"epoch\""));
    return closed;
  }
  for (ResourceError& error : CheckEpoch(closed.epoch, staged)) {
    closed.errors.push_back(std::move(error));
  }
  if (!closed.errors.empty()) return closed;
  staged.epoch_version = response.resources(0).version();
  staged.epoch_bytes = response.resources(0).resource().value();
  closed.set = std::make_shared<const ActiveSet>(std::move(staged));
  return closed;
}

std::vector<ResourceError> Staging::CheckEpoch(const config::v1::Epoch& epoch,
                                               const ActiveSet& staged) const {
  std::vector<ResourceError> errors;
  const auto refuse = [&](absl::string_view code, absl::string_view field, std::string message) {
    errors.push_back(Error(ResourceType::kEpoch, kEpochName, code, field, std::move(message)));
  };
  if (epoch.schema() == 0 || epoch.schema() > kSchema) {
    refuse("UNSUPPORTED_SCHEMA", "schema",
           absl::StrCat(epoch.schema(), "; this sidecar understands 1 to ", kSchema));
    return errors;
  }
  if (epoch.incarnation().empty())
    refuse("MISSING", "incarnation", "expected the store's identity");
  if (epoch.revision() == 0) refuse("MISSING", "revision", "expected a number from 1");
  // Within one life of the store revisions only grow: a replica that lags would bring a revoked key
  // back. A restored store says so by another incarnation, and starts wherever it starts.
  if (epoch.incarnation() == active_epoch_.incarnation() &&
      epoch.revision() < active_epoch_.revision()) {
    refuse("LOWER_REVISION", "revision",
           absl::StrCat(epoch.revision(), "; revision ", active_epoch_.revision(),
                        " is active: this control plane lags behind"));
  }
  for (const auto& [url, digest] : epoch.digests()) {
    const std::optional<ResourceType> type = ParseTypeUrl(url);
    // The Revocations that it vouches for are the book's to compare (revocation_book.h): newer ones
    // may have come meanwhile, and are no reason to refuse.
    if (type == ResourceType::kRevocation) continue;
    if (!type.has_value() || !InCut(*type)) {
      refuse("UNKNOWN_VALUE", "digests", absl::StrCat("type \"", url, "\" is not known here"));
    }
  }
  for (size_t i = 0; i < kCutTypes; ++i) {
    const ResourceType type = TypeAt(i);
    // A type without resources may be left out.
    const auto it = epoch.digests().find(std::string(TypeUrl(type)));
    const std::string expected = it == epoch.digests().end() ? SetDigest({}) : it->second;
    if (SetDigest(Versions(staged.types[i])) == expected) continue;
    refuse("DIGEST_MISMATCH", absl::StrCat("digests[", TypeName(type), "]"),
           absl::StrCat("what is staged (", staged.types[i].size(),
                        " resources) is not what the Epoch vouches for"));
  }
  return errors;
}

}  // namespace tollgate::proxy
