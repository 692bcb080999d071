// What is said on the connection of a probe, and what the answer is worth: HTTP/1.1 or gRPC, sans
// I/O. A type of its own that can carry no request of a client. One thread.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"
#include "common/policy/policy.h"
#include "proxy/net/write_queue.h"

namespace tollgate::proxy {

class ProbeExchange {
 public:
  virtual ~ProbeExchange() = default;

  // Puts what is to be sent now on the queue.
  virtual void Write(WriteQueue& out) = 0;
  virtual void Feed(absl::string_view bytes) = 0;
  virtual bool done() const = 0;
  // When done: nullptr: healthy; else a stable word why not.
  virtual const char* failure() const = 0;
};

// `authority` is used where the policy names no host. Null for TCP: to connect is enough.
std::unique_ptr<ProbeExchange> MakeProbeExchange(const HealthCheckPolicy& policy,
                                                 absl::string_view authority);

}  // namespace tollgate::proxy
