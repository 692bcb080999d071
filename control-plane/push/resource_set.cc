#include "control-plane/push/resource_set.h"

#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace tollgate::control {
namespace {

// Tag of DeltaDiscoveryResponse.resources: field 2, length-delimited.
constexpr char kEntryTag = (2 << 3) | 2;

std::string EncodeEntry(const NamedResource& resource) {
  envoy::service::discovery::v3::Resource message;
  message.set_version(resource.version);
  message.set_name(resource.name);
  message.mutable_resource()->set_type_url(resource.type_url);
  message.mutable_resource()->set_value(resource.bytes);
  std::string entry(1, kEntryTag);
  for (size_t n = message.ByteSizeLong();; n >>= 7) {  // varint
    if (n < 0x80) {
      entry.push_back(static_cast<char>(n));
      break;
    }
    entry.push_back(static_cast<char>((n & 0x7f) | 0x80));
  }
  message.AppendToString(&entry);
  return entry;
}

}  // namespace

ResourcePtr ResourcePool::Intern(const NamedResource& resource) {
  const std::lock_guard lock(mutex_);
  std::weak_ptr<const Resource>& slot =
      live_[Key(absl::StrCat(resource.type_url, " ", resource.name), resource.version)];
  ResourcePtr shared = slot.lock();
  if (shared != nullptr) return shared;
  shared = std::make_shared<const Resource>(
      Resource{resource.name, resource.version, EncodeEntry(resource)});
  slot = shared;
  if (live_.size() >= sweep_at_) {
    std::erase_if(live_, [](const auto& item) { return item.second.expired(); });
    sweep_at_ = std::max<size_t>(1024, live_.size() * 2);
  }
  return shared;
}

size_t ResourcePool::size() const {
  const std::lock_guard lock(mutex_);
  return live_.size();
}

std::shared_ptr<const ResourceSet> MakeResourceSet(const std::vector<NamedResource>& resources,
                                                   const CutIdentity& identity, uint32_t schema,
                                                   ResourcePool* pool) {
  auto set = std::make_shared<ResourceSet>();
  set->identity = identity;
  set->schema = schema;
  for (const NamedResource& resource : resources) {
    const std::optional<ResourceType> type = ParseTypeUrl(resource.type_url);
    if (!type.has_value()) continue;  // Serialize makes no other
    ResourcePtr shared = pool->Intern(resource);
    if (*type == ResourceType::kEpoch) {
      set->epoch = std::move(shared);
    } else if (*type == ResourceType::kRevocation) {
      set->revocations.push_back(std::move(shared));
    } else {
      set->types[Index(*type)].push_back(std::move(shared));
    }
  }
  return set;
}

}  // namespace tollgate::control
