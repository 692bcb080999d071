#include <algorithm>
#include <utility>

#include "proxy/net/socket.h"
#include "proxy/upstream/cluster.h"
#include "proxy/upstream/load_report.h"

namespace tollgate::proxy {
namespace {

// A connection that has been idle this long may be closing at this moment: a request that must not
// run twice takes a fresh one (RFC 9110 section 9.2.2 leaves no other way to be sure).
constexpr Duration kFreshFor = std::chrono::seconds(5);

}  // namespace

EndpointPool::EndpointPool(Cluster& cluster, UpstreamContext& context, Address address)
    : cluster_(cluster),
      context_(context),
      address_(std::move(address)),
      name_(address_.ToString()) {}

EndpointPool::~EndpointPool() {
  for (size_t i = 0; i < connections_.size(); ++i) cluster_.shared().ReleaseConnection();
}

void EndpointPool::AttemptStarted() {
  ++attempts_;
  stats_.Started(now());
}

void EndpointPool::AttemptEnded() {
  --attempts_;
  stats_.Ended();
}

void EndpointPool::ReportOutlier(bool error) {
  if (health_ != nullptr) cluster_.shared().outliers().Report(*health_, error, now());
}

void EndpointPool::TakeLoadReport(HeaderMap& fields) {
  const UpstreamPolicy& policy = cluster_.policy();
  if (policy.balance != Balance::kLoadWeighted) return;
  const std::optional<LoadReport> report = proxy::TakeLoadReport(fields);
  if (!report.has_value()) return;
  stats_.reported_weight().OnReport(*report, policy.balancing.load_reports, now());
}

void EndpointPool::Lease(Attempt& attempt) {
  const Duration fresh_for =
      IsSafe(attempt.permit_->request().method) ? Duration::max() : kFreshFor;
  while (!attempt.fresh_ && !idle_.empty()) {
    ClientConnection* connection = idle_.back();
    if (now() - connection->idle_since() > fresh_for) {
      connection->Drain();  // the others are older still; this makes room under the cap
      continue;
    }
    idle_.pop_back();
    if (!connection->can_lease()) continue;
    attempt.OnConnection(*connection, /*reused=*/true);
    return;
  }
  if (cluster_.AcquireConnection()) {
    Connect(attempt);
    return;
  }
  cluster_.shared().CountOverflow(ClusterShared::Breaker::kConnections);
  if (!cluster_.shared().AcquirePending()) {
    attempt.Fail(AttemptFailure::Kind::kOverflow, "pending_overflow");
    return;
  }
  attempt.waiting_ = true;
  attempt.queue_prev = waiting_last_;
  attempt.queue_next = nullptr;
  (waiting_last_ != nullptr ? waiting_last_->queue_next : waiting_) = &attempt;
  waiting_last_ = &attempt;
  cluster_.AwaitRoom();
}

void EndpointPool::CancelWait(Attempt& attempt) {
  attempt.waiting_ = false;
  if (attempt.connecting_ != nullptr) {
    std::exchange(attempt.connecting_, nullptr)->set_waiting(nullptr);
    return;
  }
  (attempt.queue_prev != nullptr ? attempt.queue_prev->queue_next : waiting_) = attempt.queue_next;
  (attempt.queue_next != nullptr ? attempt.queue_next->queue_prev : waiting_last_) =
      attempt.queue_prev;
  cluster_.shared().ReleasePending();
}

// Holds a place under the connection cap already.
void EndpointPool::Connect(Attempt& attempt) {
  absl::StatusOr<ConnectingSocket> connecting = tollgate::proxy::Connect(address_);
  if (!connecting.ok()) {
    cluster_.shared().ReleaseConnection();
    if (absl::IsResourceExhausted(connecting.status())) {
      attempt.Fail(AttemptFailure::Kind::kOverflow, "no_descriptor");
    } else {
      attempt.Fail(AttemptFailure::Kind::kConnectFailed, "connect_failed");
    }
    return;
  }
  connections_.push_back(std::make_unique<ClientConnection>(
      *this, context_, connecting->fd.release(), !connecting->in_progress));
  ClientConnection& connection = *connections_.back();
  if (connection.open()) {
    attempt.OnConnection(connection, /*reused=*/false);
    return;
  }
  connection.set_waiting(&attempt);
  attempt.connecting_ = &connection;
  attempt.waiting_ = true;
}

void EndpointPool::ServeWaiting() {
  while (waiting_ != nullptr) {
    if (idle_.empty() && !cluster_.AcquireConnection()) return;
    Attempt& attempt = *waiting_;
    CancelWait(attempt);
    if (idle_.empty()) {
      Connect(attempt);
    } else {
      Lease(attempt);
    }
  }
}

void EndpointPool::OnIdle(ClientConnection& connection) {
  if (draining_) {
    connection.Drain();
    return;
  }
  idle_.push_back(&connection);
  ServeWaiting();
  // Others wait for room under the cap, here or in another worker: they have it.
  if (cluster_.shared().pending() > 0) CloseOneIdle();
}

bool EndpointPool::CloseOneIdle() {
  if (idle_.empty()) return false;
  idle_.front()->Drain();
  return true;
}

void EndpointPool::OnClosed(ClientConnection& connection) {
  std::erase(idle_, &connection);
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const auto& c) { return c.get() == &connection; });
  if (found != connections_.end()) {
    context_.Bury(std::move(*found));
    std::swap(*found, connections_.back());
    connections_.pop_back();
    cluster_.shared().ReleaseConnection();
  }
  cluster_.RoomMade();
}

void EndpointPool::Drain() {
  draining_ = true;
  // Closing takes a connection out of the list: walk a copy.
  std::vector<ClientConnection*> connections;
  for (const auto& c : connections_) connections.push_back(c.get());
  for (ClientConnection* c : connections) c->Drain();
}

}  // namespace tollgate::proxy
