// Host names -> addresses, without blocking a loop. Process-wide: one Resolver, subscriptions on
// any loop. A name is looked up when first asked for and again in the background; while lookups
// fail, the last good answer stands.
//
// getaddrinfo(3) on a thread of its own, rather than c-ares: it obeys nsswitch.conf, /etc/hosts and
// gai.conf as every other program of the host does, and needs no descriptors and timers of a
// foreign library in our loops. Lookups are rare (one in 30 s and name), so their speed does not
// matter; its one drawback, that a lookup cannot be cancelled, is met in the destructor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/address.h"
#include "common/base/clock.h"
#include "proxy/event/loop.h"

namespace tollgate::proxy {

class Resolver {
 public:
  // Sorted, without duplicates. IPv4 only if the name has any, else IPv6: a name with both
  // ("localhost" above all) must not become two endpoints of one server.
  using Addresses = std::vector<Address>;
  // Blocks; called on the resolver's thread. Order and duplicates do not matter.
  using Lookup = std::function<absl::StatusOr<Addresses>(const Address& name)>;

  struct Options {
    Duration refresh = std::chrono::seconds(30);   // +-10 %, so that a fleet spreads its queries
    Duration retry_min = std::chrono::seconds(1);  // after a failure; doubles up to `refresh`
    Duration abandon_after = std::chrono::seconds(1);
    Lookup lookup;  // empty: SystemLookup
    uint64_t seed = 1;
  };

  // `clock` is the clock of the loops that subscribe, and outlives the resolver.
  Resolver(const Clock& clock, Options options);
  // Subscriptions are gone by now. Waits `abandon_after` for a lookup in flight, then leaves its
  // thread to end by itself: it touches nothing of ours any more.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Called on the subscriber's loop: once with the first answer or the first error, then whenever
  // the answer changes; an error is never delivered after an answer. May destroy the subscription.
  using OnChange = absl::AnyInvocable<void(const absl::StatusOr<Addresses>&)>;

  // One subscriber's interest; belongs to its loop's thread and is destroyed before its loop. After
  // its destruction the callback is not called again.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };

  // On the loop's thread. The first call of `on_change` is never made inside Subscribe. An address
  // that is no name is answered with itself.
  std::unique_ptr<Subscription> Subscribe(Loop& loop, const Address& name, OnChange on_change);

  // getaddrinfo(3). Errors name the host and say why.
  static absl::StatusOr<Addresses> SystemLookup(const Address& name);

 private:
  class State;
  class Subscriber;
  std::shared_ptr<State> state_;  // shared with the thread, which may be left behind
};

}  // namespace tollgate::proxy
