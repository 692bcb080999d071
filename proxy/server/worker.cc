#include "proxy/server/worker.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kScratchBytes = 64 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(ProcessServices& services, uint32_t index,
                                                      size_t budget_bytes) {
  ASSIGN_OR_RETURN(std::unique_ptr<Loop> loop, Loop::Create(services.clock));
  std::unique_ptr<Worker> worker(new Worker(services, index, budget_bytes, std::move(loop)));
  worker->thread_ = std::thread([w = worker.get(), index] {
    pthread_setname_np(pthread_self(), absl::StrCat("worker-", index).c_str());
    w->loop_->Run();
  });
  return worker;
}

Worker::Worker(ProcessServices& services, uint32_t index, size_t budget_bytes,
               std::unique_ptr<Loop> loop)
    : services_(services),
      loop_(std::move(loop)),
      buffers_(budget_bytes),
      random_(static_cast<uint64_t>(services.clock.Wall().time_since_epoch().count()) ^
              (uint64_t{index} << 48)),
      scratch_(kScratchBytes),
      upstream_{*loop_, buffers_, random_, &services.resolver, scratch_.data(), scratch_.size()},
      clusters_(upstream_, services.clusters),
      steps_{services.clock, services.limits, tokens_,
             std::make_shared<const DenyList>(), random_,
             [this](absl::string_view id) {
               if (services_.on_unknown_key) services_.on_unknown_key(id);
             }},
      log_(services.log),
      retire_([this](std::shared_ptr<const Snapshot> old) { services_.retire(std::move(old)); }),
      context_(*loop_, buffers_, upstream_, clusters_, steps_, log_, metrics_) {}

Worker::~Worker() {
  loop_->Post([this] {
    while (!connections_.empty()) connections_.begin()->first->CloseNow("shutdown");
    if (context_.snapshot != nullptr) std::exchange(context_.snapshot, nullptr)->Replaced();
    log_.Flush();
    clusters_.DrainAll();
    loop_->Stop();
  });
  if (thread_.joinable()) thread_.join();
}

void Worker::Adopt(std::shared_ptr<const Snapshot> snapshot, std::function<void()> done) {
  loop_->Post([this, snapshot = std::move(snapshot), done = std::move(done)]() mutable {
    DoAdopt(std::move(snapshot));
    done();
  });
}

void Worker::DoAdopt(std::shared_ptr<const Snapshot> snapshot) {
  clusters_.Update(snapshot->policy().upstreams);
  const auto& listeners = snapshot->policy().listeners;
  for (auto& [name, state] : listeners_) {
    const auto found = listeners.find(name);
    if (found != listeners.end()) state->Update(found->second);
  }
  for (const auto& [name, policy] : listeners) {
    std::shared_ptr<ListenerState>& state = listeners_[name];
    if (state == nullptr) state = std::make_shared<ListenerState>(policy);
  }
  SnapshotPin* before = context_.snapshot;
  context_.snapshot = new SnapshotPin(std::move(snapshot), &retire_);
  if (before != nullptr) before->Replaced();
  // A listener that the policy no longer has: its connections end after what they are doing.
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    if (listeners.contains(it->first)) {
      ++it;
      continue;
    }
    for (auto& [raw, connection] : connections_) {
      if (connection->listener().name == it->first) raw->Drain();
    }
    listeners_.erase(it++);
  }
}

void Worker::SetDenied(std::shared_ptr<const DenyList> denied, std::function<void()> done) {
  loop_->Post([this, denied = std::move(denied), done = std::move(done)]() mutable {
    steps_.denied = std::move(denied);
    EndRevoked();
    done();
  });
}

// A connection that ends meanwhile is buried, not freed, and no longer in the map.
void Worker::EndRevoked() {
  if (steps_.denied->empty()) return;
  std::vector<ServerConnection*> all;
  all.reserve(connections_.size());
  for (const auto& [raw, connection] : connections_) all.push_back(raw);
  for (ServerConnection* raw : all) {
    if (connections_.contains(raw)) raw->EndRevoked(*steps_.denied);
  }
}

void Worker::AddConnection(const std::string& listener, AcceptedConnection connection) {
  load_.fetch_add(1, std::memory_order_relaxed);
  loop_->Post([this, listener, connection = std::move(connection)]() mutable {
    DoAdd(listener, std::move(connection));
  });
}

void Worker::DoAdd(const std::string& listener, AcceptedConnection connection) {
  const auto found = listeners_.find(listener);
  if (found == listeners_.end()) {
    load_.fetch_sub(1, std::memory_order_relaxed);
    services_.on_connection_closed(listener);
    return;
  }
  by_direction_[static_cast<int>(found->second->direction)].fetch_add(1,
                                                                      std::memory_order_relaxed);
  auto made = std::make_unique<ServerConnection>(context_, static_cast<ConnectionOwner&>(*this),
                                                 found->second, connection.peer,
                                                 MakePlainTransport(connection.fd.release()));
  ServerConnection* raw = made.get();
  connections_.emplace(raw, std::move(made));
  raw->Start();
  if (draining_[static_cast<int>(raw->listener().direction)]) raw->Drain();
}

void Worker::OnConnectionClosed(ServerConnection& connection) {
  const auto found = connections_.find(&connection);
  load_.fetch_sub(1, std::memory_order_relaxed);
  by_direction_[static_cast<int>(connection.listener().direction)].fetch_sub(
      1, std::memory_order_relaxed);
  services_.on_connection_closed(connection.listener().name);
  context_.Bury(std::move(found->second));
  connections_.erase(found);
}

void Worker::Drain(Direction direction, std::function<void()> done) {
  loop_->Post([this, direction, done = std::move(done)] {
    draining_[static_cast<int>(direction)] = true;
    for (auto& [raw, connection] : connections_) {
      if (raw->listener().direction == direction) raw->Drain();
    }
    done();
  });
}

void Worker::CloseAll() {
  loop_->Post([this] {
    while (!connections_.empty()) connections_.begin()->first->CloseNow("drain_deadline");
  });
}

}  // namespace tollgate::proxy
