// The sidecar's side of the control plane, assembled: channel, control thread, ADS client, agent
// client. Owned by the server assembly; its threads are gRPC's and one of its own, never a worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "proxy/control/explainer.h"
#include "proxy/control/last_known_good.h"
#include "proxy/control/policy_sink.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::proxy {

// Who this sidecar is.
struct NodeOptions {
  std::string id;       // unique in the environment
  std::string service;  // beside which it stands
  std::string environment = "default";
  std::string address;    // where it listens for its service; "": the control plane derives it
  std::string version;    // of the program
  std::string zone = {};  // where it runs; "": not said
};

class ControlClient {
 public:
  struct Options {
    NodeOptions node;
    std::string
        address;  // of the control plane: "unix:/run/tollgate/control.sock", "127.0.0.1:18000"
    // What is being served already (LastKnownGood::Loaded), so that it is not sent again.
    ActiveSet active;
    Revocations revocations;
    // May be null: nothing is kept. Outlives the client.
    LastKnownGood* last_known_good = nullptr;
    // Numbers for the control plane, every `usage_interval`; `adopted` is filled in here. Control
    // thread.
    std::function<agent::v1::Usage()> usage;
    // Who is near a limit, or over it: likewise.
    std::function<agent::v1::LimitUsage()> limits;
    Duration usage_interval = std::chrono::seconds(5);
    // Answers the control plane's questions. Outlives the client; null: none is answered.
    Explainer* explainer = nullptr;
  };
  struct Status {
    bool connected = false;
    std::string incarnation;  // of what is served; all zero and empty: nothing adopted yet
    uint64_t serving_revision = 0;
    uint64_t serving_release = 0;
    uint64_t adopted = 0;  // cuts since start
    uint64_t refused = 0;
    std::vector<ResourceError> errors;        // of the newest cut, when it was refused
    std::string last_error;                   // why the stream ended last
    std::shared_ptr<const ActiveSet> active;  // what is served, as it came
  };

  // InvalidArgument: the address is not one that plaintext may go to (loopback, Unix socket).
  // `sink` and `clock` outlive the result.
  static absl::StatusOr<std::unique_ptr<ControlClient>> Create(Options options, PolicySink* sink,
                                                               const Clock* clock);
  ~ControlClient();  // ends the streams; no callback comes afterwards
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  // An API key id was presented that is not known here. Any thread; cheap, bounded: what does not
  // fit is dropped.
  void ReportUnknownKey(absl::string_view key_id);
  Status status() const;  // any thread

 private:
  struct Impl;
  explicit ControlClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tollgate::proxy
