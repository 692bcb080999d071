// A balancing policy: picks an endpoint of one zone of one priority (load_balancer.h chooses
// between those). Pure: no sockets, time and randomness are handed in. A balancer belongs
// to one cluster of one worker; what is learned lives in the EndpointStats, which the cluster keeps
// by address, so a balancer may be replaced at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/policy/policy.h"
#include "proxy/upstream/endpoint_stats.h"
#include "proxy/upstream/outlier_detection.h"

namespace tollgate::proxy {

class HashTables;

// One endpoint as the cluster lists it.
struct EndpointSlot {
  EndpointStats* stats = nullptr;          // this worker's; never null
  const EndpointHealth* health = nullptr;  // the process's verdict; null: healthy
  uint32_t weight = 1;                     // 0: takes no load
  uint32_t index = 0;                      // in the cluster's list
  const std::string* name = nullptr;       // its address; never null where policies hash
};

// How much a slot may be picked; more is better.
enum class Standing : uint8_t {
  kExcluded,  // this request has tried it, or it takes no load at all
  kEjected,   // taken out: it is not healthy
  kAvoided,   // it keeps failing here, and is spared for a moment (EndpointStats)
  kHealthy,
};

struct PickContext {
  MonoTime now;
  Random& random;
  // Endpoints that must not be picked: those that this request has already tried.
  absl::Span<const EndpointStats* const> exclude = {};
  // Of what the policy hashes.
  uint64_t hash = 0;
  // Nothing below this is picked.
  Standing least = Standing::kEjected;
  bool panic = false;     // health does not count
  Duration slow_start{};  // how long an endpoint ramps up; zero: no endpoint is ramping up
};

// The only place where health and avoidance enter a pick.
Standing StandingOf(const EndpointSlot& slot, const PickContext& context);

// What a slot in slow start may have of its share: grows linearly from a tenth to 1.
double RampOf(const EndpointSlot& slot, const PickContext& context);

class Balancer {
 public:
  virtual ~Balancer() = default;

  // The endpoints to choose from, in any order. What the slots point to outlives the next call.
  void SetEndpoints(std::vector<EndpointSlot> slots) {
    slots_ = std::move(slots);
    OnEndpoints();
  }
  absl::Span<const EndpointSlot> slots() const { return slots_; }

  // One of slots(), of a standing of at least context.least. Null: there is none.
  virtual const EndpointSlot* Pick(const PickContext& context) = 0;

 protected:
  virtual void OnEndpoints() {}

 private:
  std::vector<EndpointSlot> slots_;
};

// `tables` may be null (every balancer then builds its own) and outlives the balancer.
std::unique_ptr<Balancer> MakeBalancer(Balance kind, const BalancingPolicy& policy = {},
                                       HashTables* tables = nullptr);

}  // namespace tollgate::proxy
