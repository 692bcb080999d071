// One worker: a thread, its loop, its connections, and its own copy of everything that the request
// path touches. Made and destroyed by Server; every other method posts to the loop, so that any
// thread may call it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/random.h"
#include "proxy/auth/deny_list.h"
#include "proxy/net/listener.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/stream/server_connection.h"
#include "proxy/stream/worker_context.h"

namespace tollgate::proxy {

// What workers share; all of it thread-safe, and outliving them.
struct ProcessServices {
  const Clock& clock;
  LimitTable& limits;
  SharedClusters& clusters;
  Resolver& resolver;
  AccessLogWriter* log = nullptr;  // null: no access log
  std::function<void(absl::string_view key_id)> on_unknown_key;
  // Frees a snapshot where it delays nobody.
  std::function<void(std::shared_ptr<const Snapshot>)> retire;
  // A connection of this listener has ended.
  std::function<void(const std::string& listener)> on_connection_closed;
};

class Worker final : private ConnectionOwner {
 public:
  // `index` seeds its random numbers. Starts the thread.
  static absl::StatusOr<std::unique_ptr<Worker>> Start(ProcessServices& services, uint32_t index,
                                                       size_t budget_bytes);
  // Stops the loop and joins; connections are closed.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Loop& loop() { return *loop_; }
  WorkerMetrics& metrics() { return metrics_; }

  // `done` runs on this worker's thread once it serves `snapshot`.
  void Adopt(std::shared_ptr<const Snapshot> snapshot, std::function<void()> done);
  // The same for what is denied; open streams that it concerns have ended then.
  void SetDenied(std::shared_ptr<const DenyList> denied, std::function<void()> done);
  void AddConnection(const std::string& listener, AcceptedConnection connection);
  // Connections of this direction, also those that come yet, finish what they have and close.
  void Drain(Direction direction, std::function<void()> done);
  // Closes what is left.
  void CloseAll();

  // Connections that it has or is about to get.
  uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  uint32_t load(Direction direction) const {
    return by_direction_[static_cast<int>(direction)].load(std::memory_order_relaxed);
  }

 private:
  Worker(ProcessServices& services, uint32_t index, size_t budget_bytes,
         std::unique_ptr<Loop> loop);
  void OnConnectionClosed(ServerConnection& connection) override;
  void DoAdopt(std::shared_ptr<const Snapshot> snapshot);
  void DoAdd(const std::string& listener, AcceptedConnection connection);
  void EndRevoked();

  ProcessServices& services_;
  std::unique_ptr<Loop> loop_;
  BufferPool buffers_;
  Random random_;
  std::vector<char> scratch_;
  UpstreamContext upstream_;
  ClusterSet clusters_;
  TokenVerifier tokens_;
  StepServices steps_;
  AccessLog log_;
  WorkerMetrics metrics_;
  SnapshotPin::Retire retire_;
  WorkerContext context_;
  absl::flat_hash_map<std::string, std::shared_ptr<ListenerState>> listeners_;
  absl::flat_hash_map<ServerConnection*, std::unique_ptr<ServerConnection>> connections_;
  std::atomic<uint32_t> load_{0};
  std::atomic<uint32_t> by_direction_[2] = {};
  bool draining_[2] = {};
  std::thread thread_;
};

}  // namespace tollgate::proxy
