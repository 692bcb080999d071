// The deny list of this sidecar, and when an entry may be forgotten: never before a policy that no
// longer holds the key is kept on disk, else a restart could bring the key back. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/control/resources.h"

namespace tollgate::proxy {

class RevocationBook {
 public:
  // Revisions of an unknown life of the store can be compared with nothing: kept for ever.
  explicit RevocationBook(Revocations held);

  struct Change {
    std::vector<std::string> key_ids;   // to be denied now
    std::vector<ResourceError> errors;  // what was not understood; the rest applies all the same
  };
  Change Apply(const envoy::service::discovery::v3::DeltaDiscoveryResponse& response);

  // A policy of this Epoch is in force: another incarnation than the one before keeps for ever what
  // was revoked in the old one, for a restored store may not know. True: what is held has changed
  // and must be saved before a policy of this Epoch is kept.
  bool Adopted(const config::v1::Epoch& epoch);
  // A policy of this Epoch would be loaded after a restart. True: something was forgotten.
  bool Kept(const config::v1::Epoch& epoch);

  const Revocations& held() const { return held_; }
  std::map<std::string, std::string> Versions() const;  // of what is listed

 private:
  void Unlist(const HeldRevocation& old);

  Revocations held_;
};

}  // namespace tollgate::proxy
