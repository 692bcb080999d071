// The sidecar's second stream: tells what it applied, how it is used and which keys it does not
// know; answers questions. Nothing here is needed for serving. State lives on the executor; destroy
// it after the executor stopped.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "proxy/control/control_client.h"
#include "proxy/control/executor.h"
#include "proxy/control/explainer.h"
#include "proxy/control/transport.h"

namespace tollgate::proxy {

class AgentClient {
 public:
  struct Options {
    NodeOptions node;
    std::function<agent::v1::Usage()> usage;        // executor
    std::function<agent::v1::LimitUsage()> limits;  // executor
    Duration usage_interval = std::chrono::seconds(5);
    Explainer* explainer = nullptr;  // outlives the client; null: it cannot be asked
    uint64_t seed = 0;
  };
  // `transport` and `clock` outlive it.
  AgentClient(Options options, AgentTransport* transport, std::shared_ptr<Executor> executor,
              const Clock* clock);
  AgentClient(const AgentClient&) = delete;
  AgentClient& operator=(const AgentClient&) = delete;

  void Start();                                            // any thread, once
  void ReportApply(const agent::v1::ApplyStatus& status);  // executor
  // Any thread, never waits: what does not fit, or comes while another thread is here, is dropped.
  void ReportUnknownKey(absl::string_view key_id);

  static constexpr size_t kMaxUnknownKeys = 64;  // in one usage interval
  static constexpr size_t kMaxKeyIdBytes = 64;   // longer ones are no ids of ours: not reported

 private:
  void Reconnect();
  void Connect();
  void OnClosed(uint64_t stream);
  void OnQuestion(uint64_t stream, const agent::v1::Question& question);
  void Answer(uint64_t stream, uint64_t question, agent::v1::Explanation explanation);
  void Tick(uint64_t stream);

  const Options options_;
  AgentTransport* const transport_;
  const std::shared_ptr<Executor> executor_;
  const Clock* const clock_;

  // Executor only.
  Backoff backoff_;
  std::unique_ptr<AgentTransport::Stream> stream_;
  uint64_t stream_number_ = 0;
  MonoTime opened_{};
  std::optional<agent::v1::ApplyStatus> last_apply_;  // said again after a reconnect

  std::mutex mutex_;
  std::set<std::string> unknown_keys_;
};

}  // namespace tollgate::proxy
