// The steps of starting a sidecar, each a function, so that main reads as a list: policy from a file,
// or last-known-good and control plane; admin endpoint; gauges.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/file.h"
#include "proxy/control/control_client.h"
#include "proxy/control/last_known_good.h"
#include "proxy/observe/access_log.h"
#include "proxy/observe/admin_server.h"
#include "proxy/observe/metrics.h"
#include "proxy/server/lifecycle.h"
#include "proxy/server/server.h"
#include "tollgate/config/v1/bootstrap.pb.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::proxy {

// A policy file, validated whole; the error lists every problem, a line each.
absl::StatusOr<config::v1::Bundle> ReadPolicyFile(const std::string& path, FileSystem& files,
                                                  bool allow_faults = false);

// What the Revocations of a policy file deny. (A control plane sends them apart from the policy.)
Denials DenialsOf(const config::v1::Bundle& bundle);

// Between whoever brings policies and the server: remembers what was adopted, for the admin endpoint and
// readiness. Thread-safe.
class Serving final : public PolicySink {
 public:
  Serving(Server& server, Readiness& readiness) : server_(server), readiness_(readiness) {}

  void Adopt(std::shared_ptr<const Policy> policy,
             std::function<void(std::vector<ResourceError>)> done) override;
  void Deny(Denials denials, std::function<void()> done) override;

  // Validates, adopts and waits. The error lists every problem.
  absl::Status AdoptNow(const config::v1::Bundle& bundle);

 private:
  Server& server_;
  Readiness& readiness_;
};

// The control client, once there is one: the server is made before it and outlives it.
class ControlHolder {
 public:
  void Set(std::unique_ptr<ControlClient> client);
  void ReportUnknownKey(absl::string_view id) const;
  // Nullopt: this sidecar has no control plane.
  std::optional<ControlClient::Status> status() const;
  // What is served, as it came; empty before the first.
  config::v1::Bundle Bundle() const;

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<ControlClient> client_;
};

// Serves what is kept, if there is something and it is not too old, then connects.
absl::StatusOr<std::unique_ptr<ControlClient>> StartControl(
    const config::v1::Bootstrap& bootstrap, Server& server, Serving& serving, Metrics& metrics,
    Readiness& readiness, FileSystem& files, const Clock& clock,
    std::unique_ptr<LastKnownGood>* kept);

// `file_policy`: what /config shows without a control plane; null with one.
absl::StatusOr<std::unique_ptr<AdminServer>> OpenAdmin(
    const config::v1::Bootstrap& bootstrap, const config::v1::Bundle* file_policy, Server& server,
    Readiness& readiness, Metrics& metrics, const ControlHolder& control, SignalWaiter& signals,
    const Clock& clock);

void RegisterGauges(Metrics& metrics, Server& server, const AccessLogWriter* log,
                    const ControlHolder& control);

}  // namespace tollgate::proxy
