// Where a hub takes resources from. Release_source.h is the real one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "control-plane/push/resource_set.h"

namespace tollgate::control {

// A sidecar, as it introduced itself in its first request.
struct NodeInfo {
  std::string id;
  std::string service;
  std::string environment = "default";
  std::string address;    // "": not said
  uint32_t schema = 0;    // the language level that it understands
  std::string version;    // of its program; "": not said
  std::string zone = {};  // where it runs; "": not said
  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};

class ResourceSource {
 public:
  struct Answer {
    // What the sidecar shall hold now. An error (NotFound: no such service) leaves it with what it
    // has, and is shown in the fleet.
    absl::StatusOr<std::shared_ptr<const ResourceSet>> set;
    uint64_t release = 0;  // that this is said of; 0: its environment has none yet
  };

  virtual ~ResourceSource() = default;
  // May take long: called on the hub's own thread only.
  virtual Answer Resources(const NodeInfo& node) = 0;
  // `changed` is called, on any thread, whenever Resources may answer differently. Called once,
  // before anything else; null ends it, and after that call has returned none comes.
  virtual void OnChange(std::function<void()> changed) = 0;
};

}  // namespace tollgate::control
