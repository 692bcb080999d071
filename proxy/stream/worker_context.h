// What connections and streams use of their worker. One a worker; its thread only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/event/loop.h"
#include "proxy/filter/context.h"
#include "proxy/net/buffer.h"
#include "proxy/observe/access_log.h"
#include "proxy/observe/metrics.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/upstream/cluster.h"

namespace tollgate::proxy {

class ServerConnection;
class Stream;

// A worker's hold on a snapshot: taken once at adoption; the streams that run on it are counted
// without atomics. When the last stream of a snapshot that was replaced ends, `retire` sends it to
// the thread that frees it (freeing 100,000 routes must not happen here).
class SnapshotPin {
 public:
  using Retire = absl::AnyInvocable<void(std::shared_ptr<const Snapshot>)>;
  SnapshotPin(std::shared_ptr<const Snapshot> snapshot, Retire* retire)
      : snapshot_(std::move(snapshot)), retire_(retire) {}

  const Snapshot& operator*() const { return *snapshot_; }
  const Snapshot* operator->() const { return snapshot_.get(); }
  void AddStream() { ++holds_; }
  void RemoveStream() { Drop(); }
  // The worker has a newer one.
  void Replaced() { Drop(); }

 private:
  void Drop() {
    if (--holds_ > 0) return;
    (*retire_)(std::move(snapshot_));
    delete this;
  }
  std::shared_ptr<const Snapshot> snapshot_;
  Retire* retire_;
  uint32_t holds_ = 1;  // the worker's own
};

struct WorkerContext {
  WorkerContext(Loop& l, BufferPool& b, UpstreamContext& u, ClusterSet& c, StepServices& s,
                AccessLog& a, WorkerMetrics& m);
  ~WorkerContext();

  Loop& loop;
  BufferPool& buffers;
  UpstreamContext& upstream;
  ClusterSet& clusters;
  StepServices& services;
  AccessLog& log;
  WorkerMetrics& metrics;
  SnapshotPin* snapshot = nullptr;  // null: never had a policy

  // Streams are reused; one that ended inside its own call stack comes back at the end of the
  // iteration.
  std::unique_ptr<Stream> TakeStream();
  void Recycle(std::unique_ptr<Stream> stream);
  // A line was written: it is handed over soon, also by a worker that then falls quiet.
  void LogWritten() {
    if (!log_flush_.armed()) loop.ArmAfter(log_flush_, kLogDelay);
  }
  // A connection closes inside its own call stack as well.
  void Bury(std::unique_ptr<ServerConnection> connection);

 private:
  static constexpr size_t kMaxFree = 256;
  static constexpr Duration kLogDelay = std::chrono::milliseconds(20);
  void Sweep();
  std::vector<std::unique_ptr<Stream>> free_;
  std::vector<std::unique_ptr<Stream>> ended_;
  std::vector<std::unique_ptr<ServerConnection>> closed_;
  Deferred sweep_;
  Timer log_flush_;
};

}  // namespace tollgate::proxy
