// Chooses one of a cluster's endpoints: first a priority, then a zone of it, then an endpoint by
// the balancing policy. Pure: no sockets, time and randomness are handed in. One per cluster of a
// worker; holds nothing that was learned (EndpointStats and EndpointHealth do), so a push may
// replace it. One thread.
//
// The computations are Envoy's, with the sum of weights in place of the number of hosts:
//  - A priority's health is its healthy part times the overprovisioning factor, 1 at the most. Each
//    priority takes what the ones before it leave, up to its health; if all together are below 1,
//    their shares are scaled up.
//  - In that case a priority whose healthy part is below the panic threshold panics: health does
//    not count in it any more. If all do, they share by their weights.
//  - Zones: of the requests of a caller whose zone has l of the callers and u of the healthy
//    endpoints, all stay in the zone if u >= l, else u / l of them; the others go where u exceeds
//    l, in proportion to the excess. So every zone receives what its endpoints can carry. In panic
//    zones do not count, and under a hash they never do.
//  - An endpoint that this worker avoids is as good as ejected in what a priority and a zone can
//    carry: it is found out sooner than it is ejected. It does not count towards panic.
// Where this finds nothing that stands well (StandingOf), other zones and priorities follow, then
// endpoints that are avoided, then ejected ones: better a doubtful endpoint than none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/policy/policy.h"
#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class LoadBalancer {
 public:
  struct Endpoint {
    EndpointStats* stats = nullptr;
    const EndpointHealth* health = nullptr;  // null: healthy
    uint32_t weight = 1;
    std::string zone = {};  // "": not said
    uint32_t priority = 0;
    const std::string* name = nullptr;  // its address; never null where policies hash
  };
  struct Request {
    MonoTime now;
    Random& random;
    absl::Span<const EndpointStats* const> exclude = {};  // never picked
    // Of what the policy hashes; none: the request does not have it, and goes anywhere, by weight.
    std::optional<uint64_t> hash = {};
  };

  // `verdicts` (null: nobody is ejected) and `tables` (null: its own) outlive it.
  LoadBalancer(Balance balance, const BalancingPolicy& policy, const OutlierDetector* verdicts,
               HashTables* tables);
  LoadBalancer(const LoadBalancer&) = delete;
  LoadBalancer& operator=(const LoadBalancer&) = delete;

  // What they point to outlives the next call.
  void SetEndpoints(const std::vector<Endpoint>& endpoints);

  // The index of an endpoint; nullopt: there is none but those that are excluded.
  std::optional<uint32_t> Pick(const Request& request);

 private:
  // The endpoints of one zone in one priority, or of all zones.
  struct Group {
    std::string zone;
    std::unique_ptr<Balancer> balancer;
    double total = 0;    // weights
    double healthy = 0;  // of these, not ejected
    double sound = 0;    // and, where the policy heeds it, not avoided
    double up_to = 0;    // running sum: its part of what does not stay in the local zone
  };
  struct Level {
    std::vector<Group> groups;
    bool panic = false;
    double up_to = 1;  // running sum of shares
    int local = -1;    // group of the sidecar's zone, if zones count
    double stay = 0;   // probability that a request stays there
  };

  bool ZonesCount(const std::vector<Endpoint>& endpoints) const;
  void Refresh(MonoTime now);
  void RampFrom(MonoTime since);
  void ShareLevels();
  void ShareZones(Level& level) const;
  // The part of all callers that are in `zone`, for a service that is in these zones.
  double CallersIn(const std::string& zone, const Level& level) const;
  const Level& ChooseLevel(const PickContext& context) const;
  static const Group& ChooseGroup(const Level& level, Random& random);
  static const EndpointSlot* PickInLevel(const Level& level, const Group* but,
                                         PickContext& context);
  const EndpointSlot* PickAnywhere(const Level& first_level, const Group& first_group,
                                   PickContext& context) const;

  const Balance balance_;
  const BalancingPolicy policy_;
  const OutlierDetector* const verdicts_;
  HashTables* const tables_;
  std::vector<Level> levels_;  // by priority
  uint64_t generation_ = 0;    // of the verdicts, as of the last Refresh
  MonoTime refresh_at_{};      // when an ejection ends, or avoidance is looked at again
  MonoTime ramping_until_{};   // some endpoint is in slow start until then
};

}  // namespace tollgate::proxy
