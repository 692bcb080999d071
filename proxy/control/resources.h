// The resources that a sidecar holds, exactly as they came from the wire, and the revocations.
// Values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/policy/from_proto.h"
#include "common/policy/resource_type.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::proxy {

// One resource; the bytes are shared between sets.
struct HeldResource {
  std::string version;
  std::shared_ptr<const std::string> bytes;  // the serialised message
};

// name -> resource, one map a cut type, and the Epoch that vouches for them.
struct ActiveSet {
  std::array<std::map<std::string, HeldResource>, kCutTypes> types;
  std::string epoch_version;  // "": this set is not what an Epoch closed (kept without secrets)
  std::string epoch_bytes;
};

// name -> version, for SetDigest and initial_resource_versions.
std::map<std::string, std::string> Versions(const std::map<std::string, HeldResource>& held);

// The set as one Bundle. Errors: bytes that do not parse, a message whose own name is not the
// resource's.
struct BundleOrErrors {
  config::v1::Bundle bundle;
  std::vector<ResourceError> errors;
};
BundleOrErrors ToBundle(const ActiveSet& set);

// One Revocation that was applied here.
struct HeldRevocation {
  std::string version;
  uint64_t revision = 0;
  std::string incarnation;  // of the Epoch that was, or was next, active; "": not known yet
  std::vector<std::string> key_ids;
  bool removed = false;  // the control plane no longer sends it
  friend bool operator==(const HeldRevocation&, const HeldRevocation&) = default;
};
using Revocations = std::map<std::string, HeldRevocation>;  // by resource name

}  // namespace tollgate::proxy
