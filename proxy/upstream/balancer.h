// Picks an endpoint for an attempt. Pure: no sockets, time and randomness are handed in. A balancer
// belongs to one cluster of one worker; what it learns lives in the EndpointStats, which the
// cluster keeps by address, so a balancer may be replaced at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/types/span.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/policy/policy.h"
#include "proxy/upstream/endpoint_stats.h"
#include "proxy/upstream/outlier_detection.h"

namespace tollgate::proxy {

// One endpoint as the cluster lists it.
struct EndpointSlot {
  EndpointStats* stats = nullptr;          // this worker's; never null
  const EndpointHealth* health = nullptr;  // the process's verdict; null: healthy
  uint32_t weight = 1;                     // 0: takes no load
};

struct PickContext {
  MonoTime now;
  Random& random;
  // Slots that must not be picked: those that this request has already tried.
  absl::Span<const uint32_t> exclude = {};
};

class Balancer {
 public:
  virtual ~Balancer() = default;
  // Index of a slot: healthy if there is one, else an ejected one (better a doubtful endpoint than
  // none). Nothing when every slot is excluded or weighs 0.
  virtual std::optional<uint32_t> Pick(absl::Span<const EndpointSlot> slots,
                                       const PickContext& context) = 0;
};

std::unique_ptr<Balancer> MakeBalancer(Balance kind);

// How much a slot may be picked.
enum class Standing { kExcluded, kEjected, kHealthy };
Standing StandingOf(absl::Span<const EndpointSlot> slots, uint32_t index,
                    const PickContext& context);

}  // namespace tollgate::proxy
