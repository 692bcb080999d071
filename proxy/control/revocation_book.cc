#include "proxy/control/revocation_book.h"

#include <algorithm>
#include <utility>

namespace tollgate::proxy {
namespace {

// A denial holds a little longer than it says (DenyList), and is not forgotten before.
constexpr Duration kOverlap = std::chrono::hours(1);

}  // namespace

RevocationBook::RevocationBook(Revocations held) : held_(std::move(held)) {
  if (!held_.incarnation.empty()) return;
  for (const std::string& id : KeyIds(held_)) held_.lingering[id] = kForever;
}

void RevocationBook::Unlist(const HeldRevocation& old) {
  for (const std::string& id : old.key_ids) {
    uint64_t& revision = held_.lingering[id];
    revision = std::max(revision, old.revision);
  }
  for (const TokenDenial& denial : old.tokens) {
    const auto [it, is_new] = held_.lingering_tokens.try_emplace(
        {denial.token, old.incarnation}, Lingering{old.revision, denial.until});
    if (is_new) continue;
    it->second.revision = std::max(it->second.revision, old.revision);
    it->second.until = std::max(it->second.until, denial.until);
  }
}

// What is listed does not linger: a token that is listed for at least as long, by whichever life of
// the store, since that one knows of it now, and may lift it.
void RevocationBook::ForgetListed() {
  for (const auto& [name, held] : held_.listed) {
    for (const std::string& id : held.key_ids) {
      const auto it = held_.lingering.find(id);
      if (it != held_.lingering.end() && it->second != kForever) held_.lingering.erase(it);
    }
    for (const TokenDenial& denial : held.tokens) {
      // By token, then by life: those of one token stand together.
      auto it = held_.lingering_tokens.lower_bound({denial.token, ""});
      while (it != held_.lingering_tokens.end() && it->first.token == denial.token) {
        it = it->second.until <= denial.until ? held_.lingering_tokens.erase(it) : std::next(it);
      }
    }
  }
}

RevocationBook::Change RevocationBook::Apply(
    const envoy::service::discovery::v3::DeltaDiscoveryResponse& response) {
  Change change;
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
      change.errors.push_back({std::string(TypeUrl(ResourceType::kRevocation)), resource.name(),
                               "INVALID", "", "not a Revocation with a name and a version"});
      continue;
    }
    const size_t errors_before = change.errors.size();
    change.key_ids.insert(change.key_ids.end(), message.key_ids().begin(), message.key_ids().end());
    HeldRevocation& held = held_.listed[resource.name()];
    Unlist(held);
    held = {resource.version(),
            message.revision(),
            {message.key_ids().begin(), message.key_ids().end()},
            TokenDenialsOf(message, &change.errors),
            // A list that is of no revision could be vouched for by any: then by none.
            message.revision() == 0 ? "" : message.incarnation()};
    // Of a list that was understood in part no version is held: no Epoch vouches for it, and it is
    // asked for again.
    if (change.errors.size() > errors_before) held.version += " in part";
  }
  // At the end, for an entry may have moved from one resource to another.
  ForgetListed();
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

bool RevocationBook::Kept(const config::v1::Epoch& epoch, WallTime now) {
  size_t forgotten = 0;
  if (epoch.incarnation() == held_.incarnation) {
    forgotten += std::erase_if(held_.lingering, [&](const auto& item) {
      return item.second != kForever && item.second <= epoch.revision();
    });
  }
  const auto digest = epoch.digests().find(std::string(TypeUrl(ResourceType::kRevocation)));
  const bool vouched = digest != epoch.digests().end() && digest->second == SetDigest(Versions());
  forgotten += std::erase_if(held_.lingering_tokens, [&](const auto& item) {
    const bool lifted = vouched && item.first.incarnation == epoch.incarnation() &&
                        item.second.revision <= epoch.revision();
    return lifted || (item.second.until != kNoEnd && now >= item.second.until + kOverlap);
  });
  return forgotten > 0;
}

std::map<std::string, std::string> RevocationBook::Versions() const {
  std::map<std::string, std::string> versions;
  for (const auto& [name, held] : held_.listed) versions[name] = held.version;
  return versions;
}

}  // namespace tollgate::proxy
