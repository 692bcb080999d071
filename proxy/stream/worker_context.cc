#include "proxy/stream/worker_context.h"

#include "proxy/stream/server_connection.h"
#include "proxy/stream/stream.h"

namespace tollgate::proxy {

WorkerContext::WorkerContext(Loop& l, BufferPool& b, UpstreamContext& u, ClusterSet& c,
                             StepServices& s, AccessLog& a, WorkerMetrics& m)
    : loop(l),
      buffers(b),
      upstream(u),
      clusters(c),
      services(s),
      log(a),
      metrics(m),
      sweep_([this] { Sweep(); }),
      log_flush_([this] {
        log.Flush();
        metrics.buffer_bytes.value.store(static_cast<int64_t>(buffers.in_use()),
                                         std::memory_order_relaxed);
      }) {}

WorkerContext::~WorkerContext() = default;

std::unique_ptr<Stream> WorkerContext::TakeStream() {
  if (free_.empty()) return std::make_unique<Stream>(*this);
  std::unique_ptr<Stream> stream = std::move(free_.back());
  free_.pop_back();
  return stream;
}

void WorkerContext::Recycle(std::unique_ptr<Stream> stream) {
  ended_.push_back(std::move(stream));
  loop.Defer(sweep_);
}

void WorkerContext::Bury(std::unique_ptr<ServerConnection> connection) {
  closed_.push_back(std::move(connection));
  loop.Defer(sweep_);
}

void WorkerContext::Sweep() {
  for (auto& stream : ended_) {
    if (free_.size() < kMaxFree) free_.push_back(std::move(stream));
  }
  ended_.clear();
  closed_.clear();
}

}  // namespace tollgate::proxy
