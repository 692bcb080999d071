// What arrives, laid over what is active: changes and removals of one cut, until its Epoch closes
// it. Nothing of it is in force before. One thread.
#pragma once

#include <memory>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/control/resources.h"

namespace tollgate::proxy {

class Staging {
 public:
  // `active` is what is in force, and what was listed to the control plane.
  explicit Staging(std::shared_ptr<const ActiveSet> active);

  // Lays one response of a cut type over the set. Errors: what cannot be a resource of this type.
  // The cut is refused from then on, but goes on until its Epoch: only that tells where the next
  // one begins.
  std::vector<ResourceError> Stage(
      ResourceType type, const envoy::service::discovery::v3::DeltaDiscoveryResponse& response);

  struct Closed {
    std::shared_ptr<const ActiveSet> set;  // null when there are errors
    config::v1::Epoch epoch;
    std::vector<ResourceError> errors;
  };
  // The Epoch has arrived: checks schema, incarnation, revision and digests. Afterwards nothing is
  // staged, whatever the outcome.
  Closed Close(const envoy::service::discovery::v3::DeltaDiscoveryResponse& response);

  // This set is in force now.
  void Activate(std::shared_ptr<const ActiveSet> set);
  const std::shared_ptr<const ActiveSet>& active() const { return active_; }
  const config::v1::Epoch& active_epoch() const { return active_epoch_; }  // default: none yet

 private:
  std::vector<ResourceError> CheckEpoch(const config::v1::Epoch& epoch,
                                        const ActiveSet& staged) const;

  std::shared_ptr<const ActiveSet> active_;
  config::v1::Epoch active_epoch_;
  ActiveSet staged_;
  std::vector<ResourceError> errors_;
};

}  // namespace tollgate::proxy
