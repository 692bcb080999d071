// The deny list of this sidecar, and when an entry may be forgotten. One thread.
//
// An API key is revoked for ever. Its id may be forgotten once a policy that no longer holds the
// key is kept on disk, never before: else a restart could bring the key back.
//
// A token is denied until an operator lifts that, or until its denial is over. Both look the same
// from here: a Revocation no longer lists it. But so does a store that was restored from before the
// denial, a replica that lags, and a release by which this sidecar no longer takes that issuer's
// tokens, which may yet be refused here. So an unlisted token goes on being denied until a policy
// is in force, and kept, whose Epoch
//   - is of the life of the store that denied the token (another one may never have known it),
//   - is not older than the list that denied it (else the replica may not know it yet), and
//   - vouches, by digest, for exactly the lists that are held now: it was made where and when the
//     token is not denied, for the policy that is in force.
// Without all three it stays denied, at most until the end that it was denied with. After a
// restore, what only the lost part of the store had denied can be lifted by denying it again, at
// least as long, and lifting that: then the new life has known it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/control/resources.h"

namespace tollgate::proxy {

class RevocationBook {
 public:
  // Revisions of an unknown life of the store can be compared with nothing: kept for ever.
  explicit RevocationBook(Revocations held);

  struct Change {
    std::vector<std::string> key_ids;   // to be denied now, beside what held() says of tokens
    std::vector<ResourceError> errors;  // what was not understood; the rest applies all the same
  };
  Change Apply(const envoy::service::discovery::v3::DeltaDiscoveryResponse& response);

  // A policy of this Epoch is in force: another incarnation than the one before keeps for ever the
  // keys that were revoked in the old one, for a restored store may not know. True: what is held
  // has changed and must be saved before a policy of this Epoch is kept.
  bool Adopted(const config::v1::Epoch& epoch);
  // A policy of this Epoch, or a newer one, is in force, and would be loaded after a restart. True:
  // something was forgotten: held() must be saved, and its tokens said to the sink.
  bool Kept(const config::v1::Epoch& epoch, WallTime now);

  const Revocations& held() const { return held_; }
  std::map<std::string, std::string> Versions() const;  // of what is listed

 private:
  void Unlist(const HeldRevocation& old);
  void ForgetListed();

  Revocations held_;
};

}  // namespace tollgate::proxy
