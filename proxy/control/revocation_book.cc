#include "proxy/control/revocation_book.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tollgate::proxy {

RevocationBook::RevocationBook(Revocations held) : held_(std::move(held)) {
  if (!held_.incarnation.empty()) return;
  for (const std::string& id : KeyIds(held_)) held_.lingering[id] = kForever;
}

void RevocationBook::Unlist(const HeldRevocation& old) {
  for (const std::string& id : old.key_ids) {
    uint64_t& revision = held_.lingering[id];
    revision = std::max(revision, old.revision);
  }
}

RevocationBook::Change RevocationBook::Apply(
    const envoy::service::discovery::v3::DeltaDiscoveryResponse& response) {
  Change change;
  const auto refuse = [&](absl::string_view name, absl::string_view code, std::string message) {
    change.errors.push_back({std::string(TypeUrl(ResourceType::kRevocation)), std::string(name),
                             std::string(code), "", std::move(message)});
  };
  for (const std::string& name : response.removed_resources()) {
    const auto it = held_.listed.find(name);
    if (it == held_.listed.end()) continue;
    Unlist(it->second);
    held_.listed.erase(it);
  }
  for (const auto& resource : response.resources()) {
    config::v1::Revocation message;
    if (resource.name().empty() || resource.version().empty() ||
        resource.resource().type_url() != TypeUrl(ResourceType::kRevocation) ||
        !message.ParseFromString(resource.resource().value())) {
      refuse(resource.name(), "INVALID", "not a Revocation with a name and a version");
      continue;
    }
    // Denying what is understood is safe; saying that all of it was understood is not.
    if (message.GetReflection()->GetUnknownFields(message).field_count() > 0) {
      refuse(resource.name(), "UNKNOWN_FIELD", "applied as far as it is understood");
    }
    change.key_ids.insert(change.key_ids.end(), message.key_ids().begin(), message.key_ids().end());
    HeldRevocation& held = held_.listed[resource.name()];
    Unlist(held);
    held = {resource.version(),
            message.revision(),
            {message.key_ids().begin(), message.key_ids().end()}};
    for (const std::string& id : held.key_ids) {
      const auto it = held_.lingering.find(id);
      if (it != held_.lingering.end() && it->second != kForever) held_.lingering.erase(it);
    }
  }
  return change;
}

bool RevocationBook::Adopted(const config::v1::Epoch& epoch) {
  if (held_.incarnation == epoch.incarnation()) return false;
  if (held_.incarnation.empty()) {
    // Listed and unlisted before any Epoch told in which life of the store.
    for (auto& [id, revision] : held_.lingering) revision = kForever;
  } else {
    for (const std::string& id : KeyIds(held_)) held_.lingering[id] = kForever;
  }
  held_.incarnation = epoch.incarnation();
  return true;
}

bool RevocationBook::Kept(const config::v1::Epoch& epoch) {
  if (epoch.incarnation() != held_.incarnation) return false;
  return std::erase_if(held_.lingering, [&](const auto& item) {
           return item.second != kForever && item.second <= epoch.revision();
         }) > 0;
}

std::map<std::string, std::string> RevocationBook::Versions() const {
  std::map<std::string, std::string> versions;
  for (const auto& [name, held] : held_.listed) versions[name] = held.version;
  return versions;
}

}  // namespace tollgate::proxy
