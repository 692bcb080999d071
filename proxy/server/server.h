// The data plane of one process: workers, listening sockets, and the adoption of policies. A policy
// is compiled on a thread of its own, sockets of new listeners are bound before anything changes,
// then every worker swaps one pointer; a policy that cannot be applied changes nothing. Made by
// main.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/policy/policy.h"
#include "proxy/control/explainer.h"
#include "proxy/control/policy_sink.h"
#include "proxy/health/health_checker.h"
#include "proxy/limit/limit_top.h"
#include "proxy/net/listener.h"
#include "proxy/server/worker.h"

namespace tollgate::proxy {

class Server final : public PolicySink, public Explainer {
 public:
  struct Options {
    uint32_t workers = 1;
    size_t budget_bytes = size_t{256} << 20;  // of buffers, all workers together
    LimitTableOptions limits;                 // memory of limit counters
    AccessLogWriter* log = nullptr;           // outlives the server
    std::function<void(absl::string_view key_id)> on_unknown_key;
    bool allow_faults = false;  // else a policy with faults is refused
  };
  static absl::StatusOr<std::unique_ptr<Server>> Create(Options options, const Clock& clock,
                                                        Metrics& metrics);
  ~Server() override;

  // PolicySink. Any thread, one Adopt at a time.
  void Adopt(std::shared_ptr<const Policy> policy,
             std::function<void(std::vector<ResourceError>)> done) override;
  void Deny(Denials denials, std::function<void()> done) override;

  // Explainer, on the compiler thread. Any thread.
  void Explain(agent::v1::Explain question,
               std::function<void(agent::v1::Explanation)> done) override;

  // What is being served; null before the first policy. Any thread.
  std::shared_ptr<const Policy> policy() const;
  // Where a listener is bound, for tests and readiness; port 0 resolved.
  std::map<std::string, Address> bound() const;
  uint64_t adopted() const { return adopted_.load(); }
  LimitTable& limits() { return limits_; }
  // What is known about the upstreams, as JSON. Any thread.
  std::string UpstreamsJson() const;
  // Totals, and the keys that are nearest to their limits. Each call looks at a part of the table
  // more: with a million keys, what it says of one may be some calls old. Any thread but workers'.
  agent::v1::LimitUsage LimitUsageNow();
  uint64_t log_dropped() const { return options_.log == nullptr ? 0 : options_.log->dropped(); }

  // Accepting ends and connections finish. Returns when all of them know and are counted. Not on a
  // worker's thread.
  void Drain(Direction direction);
  uint32_t connections(Direction direction) const;
  void CloseAll();

 private:
  struct BoundListener {
    Address configured;
    Address bound;
    Direction direction = Direction::kInbound;
    uint32_t max_connections = 0;
    bool full = false;                   // stopped accepting at max_connections
    std::unique_ptr<Acceptor> acceptor;  // touched on the accepting loop only; may be null
  };
  Server(Options options, const Clock& clock);
  absl::Status Init(Metrics& metrics);
  void RunCompiler();
  void Compile(std::shared_ptr<const Policy> policy,
               std::function<void(std::vector<ResourceError>)> done);
  absl::StatusOr<ListeningSocket> SocketFor(const ListenerPolicy& listener, const Policy& policy);
  void OnAccept(const std::string& listener, AcceptedConnection connection);
  void ConnectionClosed(const std::string& listener);
  void ResumeIfRoom(const std::string& name, BoundListener& listener);
  void SyncListeners(const Policy& policy, std::map<std::string, ListeningSocket> fresh);
  static bool Leaves(const std::string& name, const BoundListener& listener, const Policy& policy);
  void StopLeaving(const Policy& policy);
  void Enqueue(std::function<void()> job, bool first = false);
  void DenyOldest();

  const Options options_;
  const Clock& clock_;
  LimitTable limits_;
  std::mutex limit_top_mutex_;
  LimitTop limit_top_;  // guarded by limit_top_mutex_
  SharedClusters clusters_;
  std::unique_ptr<Resolver> resolver_;
  ProcessServices services_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<HealthChecker> health_;  // on the first worker's loop

  // Compiler thread.
  std::mutex jobs_mutex_;
  std::condition_variable jobs_wake_;
  std::deque<std::function<void()>> jobs_;
  struct PendingDenials {
    Denials denials;
    std::function<void()> done;
  };
  std::deque<PendingDenials> denials_;  // in the order of the calls, whatever that of the jobs
  bool stopping_ = false;
  std::thread compiler_;
  std::shared_ptr<const Snapshot> current_;  // compiler thread only
  // Of current_'s upstreams, so that they are there when workers ask. Compiler thread only.
  std::vector<HashTables::Handle> hash_tables_;
  std::set<std::string> denied_keys_;  // compiler thread only
  uint64_t denied_revision_ = 0;

  mutable std::mutex mutex_;
  std::shared_ptr<const Policy> policy_;            // guarded by mutex_
  std::map<std::string, BoundListener> listeners_;  // guarded by mutex_
  // By listener, all workers. Apart from it: they outlive one that a push removes and a rollback
  // brings back.
  std::map<std::string, uint32_t> connections_;  // guarded by mutex_
  bool draining_[2] = {};                        // guarded by mutex_
  bool closed_ = false;                          // guarded by mutex_; workers are going
  std::atomic<uint64_t> adopted_{0};
};

}  // namespace tollgate::proxy
