// The operators' HTTP endpoint: readiness, liveness, metrics, configuration, log level, drain. On a
// thread and loop of its own, so that it answers while the workers are busy or stuck. It has no
// authentication, so it listens on a Unix socket or on loopback only, and refuses what a browser on
// this machine could be tricked into sending. Made and owned by main.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/address.h"
#include "common/base/clock.h"

namespace tollgate::proxy {

// What the endpoint does, injected. All are called on the admin thread and must neither block nor
// wait for a worker. A path whose action is null does not exist.
struct AdminActions {
  std::function<std::vector<std::string>()> not_ready;  // reasons; none: ready
  std::function<std::vector<std::string>()> notes;  // what to know although it is ready
  std::function<std::string()> metrics;                 // Prometheus text
  std::function<std::string()> config;                  // effective configuration: JSON, redacted
  std::function<std::string()> stats;                   // JSON
  std::function<std::string()> upstreams;               // JSON: endpoints and their health
  std::function<absl::Status(absl::string_view level)> set_log_level;
  std::function<absl::Status()> drain;
};

class AdminServer {
 public:
  struct Options {
    uint32_t max_connections = 32;                // more wait in the kernel's backlog
    Duration timeout = std::chrono::seconds(10);  // idle, or from request to written response
  };

  // Listens and starts the thread; a Unix socket gets mode 0660. `clock` outlives the server.
  // Errors: InvalidArgument when other machines could reach the address; what Listen says.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const Address& address,
                                                            AdminActions actions,
                                                            const Clock& clock, Options options);
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const Address& address,
                                                            AdminActions actions,
                                                            const Clock& clock) {
    return Start(address, std::move(actions), clock, Options());
  }
  // Closes every connection and joins the thread.
  virtual ~AdminServer() = default;

  // As bound: port 0 resolved.
  virtual const Address& address() const = 0;
};

}  // namespace tollgate::proxy
