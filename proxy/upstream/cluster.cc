#include "proxy/upstream/cluster.h"

#include <algorithm>
#include <utility>

namespace tollgate::proxy {

namespace {

// How soon room is found that another worker's connections made.
constexpr Duration kLookForRoom = std::chrono::milliseconds(10);

}  // namespace

Cluster::Cluster(UpstreamContext& context, const UpstreamPolicy& policy,
                 std::shared_ptr<ClusterShared> shared, HashTables* tables)
    : context_(context),
      policy_(policy),
      shared_(std::move(shared)),
      tables_(tables),
      wait_([this] { ServeWaiting(); }),
      serve_([this] { ServeWaiting(); }) {
  MakeBalancer();
  SyncNames();
  SetEndpoints();
}

Cluster::~Cluster() = default;

void Cluster::Update(const UpstreamPolicy& policy) {
  if (policy == policy_) return;
  const bool balances_otherwise =
      policy.balance != policy_.balance || policy.balancing != policy_.balancing;
  policy_ = policy;
  if (balances_otherwise) MakeBalancer();
  SyncNames();
  SetEndpoints();
}

void Cluster::MakeBalancer() {
  balancer_ = std::make_unique<LoadBalancer>(policy_.balance, policy_.balancing,
                                             &shared_->outliers(), tables_);
}

bool Cluster::AcquireConnection() {
  if (shared_->AcquireConnection()) return true;
  for (const auto& pool : endpoints_) {
    if (pool->CloseOneIdle()) return shared_->AcquireConnection();
  }
  return false;
}

void Cluster::ServeWaiting() {
  bool waiting = false;
  for (const auto* pools : {&endpoints_, &leaving_}) {
    for (const auto& pool : *pools) {
      pool->ServeWaiting();
      waiting = waiting || pool->waiting_ != nullptr;
    }
  }
  if (waiting) context_.loop.ArmAfter(wait_, kLookForRoom);
}

void Cluster::AwaitRoom() {
  if (!wait_.armed()) context_.loop.ArmAfter(wait_, kLookForRoom);
}

void Cluster::RoomMade() {
  if (wait_.armed()) context_.loop.Defer(serve_);
}

// Subscribes to the host names among the endpoints, and to no others.
void Cluster::SyncNames() {
  std::map<Address, Name> names;
  for (const EndpointPolicy& endpoint : policy_.endpoints) {
    if (endpoint.address.kind() != Address::Kind::kName || context_.resolver == nullptr) continue;
    const Address& name = endpoint.address;
    if (const auto known = names_.find(name); known != names_.end()) {
      names.insert(names_.extract(known));
      continue;
    }
    names[name].subscription = context_.resolver->Subscribe(
        context_.loop, name, [this, name](const absl::StatusOr<Resolver::Addresses>& answer) {
          const auto found = names_.find(name);
          // An error comes only before the first answer: there is no endpoint yet.
          if (found == names_.end() || !answer.ok()) return;
          found->second.addresses = *answer;
          // Who is behind a name when it is first asked has been there before.
          const bool first = !std::exchange(found->second.answered, true);
          SetEndpoints(first ? absl::MakeConstSpan(*answer) : absl::Span<const Address>());
        });
  }
  names_ = std::move(names);
}

// Keeps the pool of each address that stays, with what it knows; the others drain.
void Cluster::SetEndpoints(absl::Span<const Address> warm) {
  std::vector<std::pair<Address, const EndpointPolicy*>> wanted;
  const auto want = [&](const Address& address, const EndpointPolicy& endpoint) {
    for (const auto& [known, unused] : wanted) {
      if (known == address) return;
    }
    wanted.emplace_back(address, &endpoint);
  };
  for (const EndpointPolicy& endpoint : policy_.endpoints) {
    if (endpoint.address.kind() != Address::Kind::kName) {
      want(endpoint.address, endpoint);
    } else if (const auto name = names_.find(endpoint.address); name != names_.end()) {
      for (const Address& address : name->second.addresses) want(address, endpoint);
    }
  }
  std::vector<Address> members;
  for (const auto& [address, endpoint] : wanted) members.push_back(address);
  shared_->outliers().Update(policy_.outlier_detection, members, context_.loop.now(), warm);

  std::vector<std::unique_ptr<EndpointPool>> before = std::move(endpoints_);
  endpoints_.clear();
  std::vector<LoadBalancer::Endpoint> balanced;
  for (const auto& [address, endpoint] : wanted) {
    const auto known = std::find_if(before.begin(), before.end(), [&a = address](const auto& pool) {
      return pool != nullptr && pool->address() == a;
    });
    endpoints_.push_back(known != before.end()
                             ? std::move(*known)
                             : std::make_unique<EndpointPool>(*this, context_, address));
    EndpointPool& pool = *endpoints_.back();
    pool.health_ = shared_->outliers().Find(address);
    balanced.push_back({&pool.stats_, pool.health_.get(), endpoint->weight, endpoint->zone,
                        endpoint->priority, &pool.name_});
  }
  balancer_->SetEndpoints(balanced);
  for (auto& pool : before) {
    if (pool == nullptr) continue;
    leaving_.push_back(std::move(pool));
    leaving_.back()->Drain();
  }
  EndpointLeft();
}

EndpointPool* Cluster::Pick(const Attempt::Avoid& avoid, std::optional<uint64_t> hash) {
  const EndpointStats* excluded[8];
  size_t count = 0;
  if (!avoid.tried.empty()) {
    for (size_t i = 0; i < endpoints_.size() && count < std::size(excluded); ++i) {
      EndpointPool* const pool = endpoints_[i].get();
      if (absl::c_linear_search(avoid.tried, pool)) excluded[count++] = &pool->stats_;
    }
  }
  LoadBalancer::Request request{context_.loop.now(), context_.random,
                                absl::MakeConstSpan(excluded, count), hash};
  std::optional<uint32_t> picked = balancer_->Pick(request);
  if (!picked && count > 0 && !avoid.strictly) {
    request.exclude = {};
    picked = balancer_->Pick(request);
  }
  return picked ? endpoints_[*picked].get() : nullptr;
}

void Cluster::Drain() {
  names_.clear();
  for (auto& pool : endpoints_) {
    pool->Drain();
    leaving_.push_back(std::move(pool));
  }
  endpoints_.clear();
  balancer_->SetEndpoints({});
  EndpointLeft();
}

void Cluster::EndpointLeft() {
  std::erase_if(leaving_, [](const auto& pool) { return pool->drained(); });
}

bool Cluster::drained() const {
  return endpoints_.empty() && users_ == 0 &&
         std::all_of(leaving_.begin(), leaving_.end(), [](const auto& p) { return p->drained(); });
}

void ClusterSet::Update(const std::map<std::string, UpstreamPolicy>& upstreams) {
  std::erase_if(leaving_, [](const auto& cluster) { return cluster->drained(); });
  for (auto it = clusters_.begin(); it != clusters_.end();) {
    const auto found = upstreams.find(it->first);
    // Another protocol is another meaning: the old pool drains, a new one is made.
    if (found == upstreams.end() || found->second.protocol != it->second->policy().protocol) {
      it->second->Drain();
      leaving_.push_back(std::move(it->second));
      clusters_.erase(it++);
    } else {
      it->second->Update(found->second);
      shared_.Get(found->second);
      ++it;
    }
  }
  for (const auto& [name, policy] : upstreams) {
    std::unique_ptr<Cluster>& cluster = clusters_[name];
    if (cluster == nullptr) {
      cluster =
          std::make_unique<Cluster>(context_, policy, shared_.Get(policy), &shared_.hash_tables());
    }
  }
}

Cluster* ClusterSet::Find(absl::string_view name) {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? nullptr : found->second.get();
}

void ClusterSet::DrainAll() {
  for (auto& [name, cluster] : clusters_) {
    cluster->Drain();
    leaving_.push_back(std::move(cluster));
  }
  clusters_.clear();
}

}  // namespace tollgate::proxy
