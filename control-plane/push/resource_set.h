// What one sidecar shall hold, immutable and ready for the wire: resources are serialised once and
// shared by all streams. Thread-safe because const.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/policy/resource_type.h"
#include "control-plane/translate/translate.h"

namespace tollgate::control {

struct Resource {
  std::string name;
  std::string version;  // content hash
  // One entry of DeltaDiscoveryResponse.resources, with its tag: responses are made by putting
  // entries one after the other.
  std::string entry;
};
using ResourcePtr = std::shared_ptr<const Resource>;
using ResourceList = std::vector<ResourcePtr>;  // by name

struct ResourceSet {
  CutIdentity identity;
  uint32_t schema = 0;  // the language level: a sidecar below it cannot read this
  std::array<ResourceList, kCutTypes> types;
  ResourceList revocations;
  ResourcePtr epoch;
};

// Keeps one copy of each resource that is alive, whatever set it is in. Thread-safe.
class ResourcePool {
 public:
  ResourcePtr Intern(const NamedResource& resource);
  size_t size() const;  // entries, dead ones too until the next sweep

 private:
  using Key = std::pair<std::string, std::string>;  // "type name", version
  mutable std::mutex mutex_;
  std::map<Key, std::weak_ptr<const Resource>> live_;
  size_t sweep_at_ = 1024;
};

// From what Serialize gives (sorted, Epoch last).
std::shared_ptr<const ResourceSet> MakeResourceSet(const std::vector<NamedResource>& resources,
                                                   const CutIdentity& identity, uint32_t schema,
                                                   ResourcePool* pool);

}  // namespace tollgate::control
