// The sidecar's ADS client: subscribes to everything, stages what comes, hands a whole policy to
// the sink when its Epoch closes it, and answers. Acknowledged means: in force in every worker.
// What is refused changes nothing. All state lives on the executor; destroy it after the executor
// stopped.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "proxy/control/control_client.h"
#include "proxy/control/executor.h"
#include "proxy/control/last_known_good.h"
#include "proxy/control/policy_sink.h"
#include "proxy/control/revocation_book.h"
#include "proxy/control/staging.h"
#include "proxy/control/transport.h"

namespace tollgate::proxy {

class AdsClient {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;
  struct Options {
    NodeOptions node;
    ActiveSet active;
    Revocations revocations;
    LastKnownGood* last_known_good = nullptr;  // may be null
    // The outcome of each cut, for the agent. Executor. May be null.
    std::function<void(const agent::v1::ApplyStatus&)> on_outcome;
    uint64_t seed = 0;  // of the jitter
  };
  // `transport`, `sink` and `clock` outlive it; the sink's late answers need only the executor.
  AdsClient(Options options, AdsTransport* transport, PolicySink* sink,
            std::shared_ptr<Executor> executor, const Clock* clock);
  AdsClient(const AdsClient&) = delete;
  AdsClient& operator=(const AdsClient&) = delete;

  void Start();                          // any thread, once
  ControlClient::Status status() const;  // any thread

 private:
  // A cut that the sink is adopting.
  struct Adoption {
    uint64_t stream;  // on which to answer
    std::string nonce;
    std::shared_ptr<const ActiveSet> set;
    config::v1::Epoch epoch;
  };
  // A Revocation response that is being applied.
  struct Denial {
    uint64_t stream;
    std::string nonce;
    int waiting = 2;  // for the sink, and for the disk
    std::vector<ResourceError> errors;
    std::map<std::string, std::string> versions;
  };

  void Connect();
  void Reconnect();
  Request Subscription(ResourceType type, bool first) const;
  void OnOpen(uint64_t stream);
  void OnMessage(uint64_t stream, Response response);
  void OnClosed(uint64_t stream, const absl::Status& why);
  void OnCutResponse(const Response& response, ResourceType type);
  void OnEpoch(const Response& response);
  void OnAdopted(std::vector<ResourceError> errors);
  void OnRevocation(const Response& response);
  void OnDenied(const std::shared_ptr<Denial>& denial, const absl::Status& status);
  void Keep(bool revocations_changed);
  void OnKept(const config::v1::Epoch& epoch);
  void Forget();
  void SaveRevocations();
  void Report(const config::v1::Epoch& epoch, const std::vector<ResourceError>& errors);
  // Acknowledges, or refuses when there are errors; drops the answer if that stream has ended.
  void Answer(uint64_t stream, ResourceType type, const std::string& nonce,
              const std::vector<ResourceError>& errors);

  Options options_;
  AdsTransport* const transport_;
  PolicySink* const sink_;
  const std::shared_ptr<Executor> executor_;
  const Clock* const clock_;

  // Executor only.
  Staging staging_;
  RevocationBook book_;
  std::map<std::string, std::string> durable_revocations_;  // name -> version: what may be listed
  Backoff backoff_;
  std::unique_ptr<AdsTransport::Stream> stream_;
  uint64_t stream_number_ = 0;  // tells late events of an older stream
  MonoTime opened_{};
  std::optional<Adoption> adoption_;
  config::v1::Epoch kept_;         // of the policy that a restart would load
  std::deque<Response> deferred_;  // came while a cut is being adopted
  bool reconnect_ = false;         // once the adoption is over

  mutable std::mutex mutex_;
  ControlClient::Status status_;
};

}  // namespace tollgate::proxy
