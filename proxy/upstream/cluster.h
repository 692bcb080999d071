// One upstream as one worker uses it: its endpoints, each with a pool of connections, and the
// balancer that chooses between them. It outlives policy (the first law): a push updates it in
// place, and only what gives a pool its meaning (protocol; later trust and name) makes a new one.
// What is counted for the process lies in ClusterShared. Worker thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/random.h"
#include "common/policy/policy.h"
#include "proxy/event/loop.h"
#include "proxy/net/buffer.h"
#include "proxy/net/resolver.h"
#include "proxy/upstream/attempt.h"
#include "proxy/upstream/client_connection.h"
#include "proxy/upstream/cluster_shared.h"
#include "proxy/upstream/hash_table.h"
#include "proxy/upstream/load_balancer.h"
#include "proxy/upstream/outlier_detection.h"

namespace tollgate::proxy {

// What all clusters of a worker use.
struct UpstreamContext {
  Loop& loop;
  BufferPool& buffers;
  Random& random;
  Resolver* resolver = nullptr;  // null: host names are not resolved (tests)
  char* scratch = nullptr;       // the worker's read buffer
  size_t scratch_size = 0;

  // A connection closes inside its own call stack: it is freed at the end of the iteration.
  void Bury(std::unique_ptr<ClientConnection> connection) {
    graveyard.push_back(std::move(connection));
    loop.Defer(sweep);
  }
  std::vector<std::unique_ptr<ClientConnection>> graveyard = {};
  Deferred sweep{[this] { graveyard.clear(); }};
};

// The connections to one address.
class EndpointPool {
 public:
  EndpointPool(Cluster& cluster, UpstreamContext& context, Address address);
  ~EndpointPool();
  EndpointPool(const EndpointPool&) = delete;
  EndpointPool& operator=(const EndpointPool&) = delete;

  const Address& address() const { return address_; }
  const std::string& name() const { return name_; }
  Cluster& cluster() { return cluster_; }

  // Gives `attempt` a connection now (OnConnection), or when one is free, or fails it.
  void Lease(Attempt& attempt);
  void CancelWait(Attempt& attempt);

  // From connections.
  void OnIdle(ClientConnection& connection);
  void OnClosed(ClientConnection& connection);

  // The endpoint left the policy: no new requests; what runs goes on.
  void Drain();
  bool drained() const { return draining_ && connections_.empty() && attempts_ == 0; }
  bool draining() const { return draining_; }

  MonoTime now() const { return context_.loop.now(); }
  // For attempts: what they saw.
  void AttemptStarted();
  void AttemptEnded();
  void ReportOutlier(bool error);
  // Reads a load report, where the policy weighs by them, and takes it out of the fields.
  void TakeLoadReport(HeaderMap& fields);

  EndpointStats& stats() { return stats_; }

 private:
  friend class Cluster;
  void Connect(Attempt& attempt);
  void ServeWaiting();
  bool CloseOneIdle();

  Cluster& cluster_;
  UpstreamContext& context_;
  Address address_;
  std::string name_;
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::vector<ClientConnection*> idle_;  // last in, first out: the warmest
  Attempt* waiting_ = nullptr;           // oldest first
  Attempt* waiting_last_ = nullptr;
  bool draining_ = false;
  uint64_t attempts_ = 0;
  EndpointStats stats_;                     // this worker's
  std::shared_ptr<EndpointHealth> health_;  // the process's verdict
};

class Cluster {
 public:
  // `tables` may be null, and outlives the cluster.
  Cluster(UpstreamContext& context, const UpstreamPolicy& policy,
          std::shared_ptr<ClusterShared> shared, HashTables* tables = nullptr);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void Update(const UpstreamPolicy& policy);
  const UpstreamPolicy& policy() const { return policy_; }
  ClusterShared& shared() { return *shared_; }

  // Null: no endpoint at all (or none but those to avoid strictly).
  EndpointPool* Pick(const Attempt::Avoid& avoid, std::optional<uint64_t> hash = {});
  void Drain();
  // Nothing is left that refers to it.
  bool drained() const;
  const std::vector<std::unique_ptr<EndpointPool>>& endpoints() const { return endpoints_; }
  // Streams that hold a pointer to it.
  void AddUser() { ++users_; }
  void RemoveUser() { --users_; }

 private:
  friend class EndpointPool;
  // The cap on connections is the whole upstream's: room that one endpoint makes may be another's,
  // here (RoomMade) or in another worker (looked for from time to time, while attempts wait).
  bool AcquireConnection();
  void AwaitRoom();
  void RoomMade();
  void ServeWaiting();
  // `warm`: addresses that served before we learned of them.
  void SetEndpoints(absl::Span<const Address> warm = {});
  void SyncNames();
  void MakeBalancer();
  void EndpointLeft();

  UpstreamContext& context_;
  UpstreamPolicy policy_;
  std::shared_ptr<ClusterShared> shared_;
  HashTables* const tables_;
  std::vector<std::unique_ptr<EndpointPool>> endpoints_;  // those that may be picked
  std::vector<std::unique_ptr<EndpointPool>> leaving_;
  std::unique_ptr<LoadBalancer> balancer_;
  struct Name {
    std::unique_ptr<Resolver::Subscription> subscription;
    std::vector<Address> addresses;
    bool answered = false;
  };
  std::map<Address, Name> names_;  // host names among the endpoints
  Timer wait_;                     // armed while attempts wait for room
  Deferred serve_;  // room was made: at the end of the iteration, not inside of who made it
  uint64_t users_ = 0;
};

// All clusters of one worker, by name.
class ClusterSet {
 public:
  ClusterSet(UpstreamContext& context, SharedClusters& shared)
      : context_(context), shared_(shared) {}

  // Brings the set to the upstreams of a policy.
  void Update(const std::map<std::string, UpstreamPolicy>& upstreams);
  Cluster* Find(absl::string_view name);
  void DrainAll();

 private:
  UpstreamContext& context_;
  SharedClusters& shared_;
  absl::flat_hash_map<std::string, std::unique_ptr<Cluster>> clusters_;
  std::vector<std::unique_ptr<Cluster>> leaving_;
};

}  // namespace tollgate::proxy
