// The resources that a sidecar holds, exactly as they came from the wire, and the revocations.
// Values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/policy/from_proto.h"
#include "common/policy/resource_type.h"
#include "common/policy/token_denial.h"
#include "tollgate/agent/v1/agent.pb.h"
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

agent::v1::ResourceError ToProto(const ResourceError& error);

// A Revocation that was applied here, as the control plane listed it.
struct HeldRevocation {
  std::string version;
  uint64_t revision = 0;
  std::vector<std::string> key_ids;
  std::vector<TokenDenial> tokens = {};
  std::string incarnation = {};  // of the store that denies these tokens; "": it did not say
  friend bool operator==(const HeldRevocation&, const HeldRevocation&) = default;
};

// A token that was denied by one life of the store, and is no longer listed.
struct LingeringToken {
  DeniedToken token;
  std::string incarnation;
  friend auto operator<=>(const LingeringToken&, const LingeringToken&) = default;
};
struct Lingering {
  uint64_t revision = 0;  // of the Revocation that listed it last
  WallTime until = kNoEnd;
  friend bool operator==(const Lingering&, const Lingering&) = default;
};

// Everything that is denied here.
struct Revocations {
  std::map<std::string, HeldRevocation> listed;  // by resource name
  // API key ids that no Revocation lists any more -> the revision that a kept policy must have
  // before they may be forgotten: an older one could still hold the key. kForever: of another life
  // of the store.
  std::map<std::string, uint64_t> lingering;
  // The life of the store that the revisions of `lingering` are of; "": not known.
  std::string incarnation = {};
  std::map<LingeringToken, Lingering> lingering_tokens = {};
  friend bool operator==(const Revocations&, const Revocations&) = default;
};
inline constexpr uint64_t kForever = UINT64_MAX;

// Every id, and every token, that is denied, for PolicySink::Deny.
std::vector<std::string> KeyIds(const Revocations& revocations);
std::vector<TokenDenial> DeniedTokens(const Revocations& revocations);

}  // namespace tollgate::proxy
