#include "proxy/server/server.h"

#include <malloc.h>

#include <algorithm>
#include <latch>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "common/policy/fault_check.h"
#include "proxy/server/explain.h"
#include "proxy/upstream/cluster_view.h"

namespace tollgate::proxy {
namespace {

// Counters that are full again give their memory back, also when no new keys come.
constexpr auto kSweepEvery = std::chrono::seconds(1);
constexpr size_t kSweepEntries = 16384;
// Counters that one report about limits looks at, and keys that it names.
constexpr size_t kReportedEntries = 250'000;
constexpr size_t kReportedKeys = 50;

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(Options options, const Clock& clock,
                                                       Metrics& metrics) {
  std::unique_ptr<Server> server(new Server(std::move(options), clock));
  RETURN_IF_ERROR(server->Init(metrics));
  return server;
}

Server::Server(Options options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      limits_(options_.limits),
      limit_top_(limits_, kReportedKeys),
      resolver_(std::make_unique<Resolver>(clock, Resolver::Options{})),
      services_{clock_,
                limits_,
                clusters_,
                *resolver_,
                options_.log,
                options_.on_unknown_key,
                [this](std::shared_ptr<const Snapshot> old) {
                  Enqueue([old = std::move(old)]() mutable { old.reset(); });
                },
                [this](const std::string& listener) { ConnectionClosed(listener); }} {}

absl::Status Server::Init(Metrics& metrics) {
  for (uint32_t i = 0; i < options_.workers; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Worker> worker,
                     Worker::Start(services_, i, options_.budget_bytes / options_.workers));
    metrics.AddWorker(&worker->metrics());
    workers_.push_back(std::move(worker));
  }
  health_ = std::make_unique<HealthChecker>(
      workers_.front()->loop(), clusters_,
      static_cast<uint64_t>(clock_.Wall().time_since_epoch().count()));
  metrics.AddFamilies(
      [this](Exposition* out) { ExposeClusters(clusters_.All(), clock_.Mono(), out); });
  compiler_ = std::thread([this] { RunCompiler(); });
  return absl::OkStatus();
}

Server::~Server() {
  // First whoever hands snapshots to workers.
  {
    std::lock_guard lock(jobs_mutex_);
    stopping_ = true;
  }
  jobs_wake_.notify_all();
  if (compiler_.joinable()) compiler_.join();
  {
    // Acceptors and probes live on the first worker's loop: they go there, before the loop does.
    std::lock_guard lock(mutex_);
    closed_ = true;
    if (health_ != nullptr) {
      workers_.front()->loop().Post([health = std::move(health_)]() mutable { health.reset(); });
    }
    for (auto& [name, listener] : listeners_) {
      workers_.front()->loop().Post([acceptor = std::shared_ptr<Acceptor>(std::move(
                                         listener.acceptor))]() mutable { acceptor.reset(); });
    }
  }
  workers_.clear();
}

void Server::Enqueue(std::function<void()> job, bool first) {
  {
    std::lock_guard lock(jobs_mutex_);
    jobs_.insert(first ? jobs_.begin() : jobs_.end(), std::move(job));
  }
  jobs_wake_.notify_one();
}

void Server::RunCompiler() {
  MonoTime swept = clock_.Mono();
  bool worked = false;
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(jobs_mutex_);
      const bool woken =
          jobs_wake_.wait_for(lock, kSweepEvery, [this] { return stopping_ || !jobs_.empty(); });
      if (woken && jobs_.empty()) return;
      if (woken) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
    }
    if (job) {
      job();
      worked = true;
    } else if (std::exchange(worked, false)) {
      // All is calm again: what pushes took and freed goes back to the kernel. By itself the heap
      // keeps hundreds of megabytes of a large policy that is gone.
      malloc_trim(0);
    }
    // Jobs that keep coming do not keep it from sweeping.
    const MonoTime now = clock_.Mono();
    if (job && now - swept < kSweepEvery) continue;
    limits_.Sweep(now, kSweepEntries);
    swept = now;
  }
}

void Server::Adopt(std::shared_ptr<const Policy> policy,
                   std::function<void(std::vector<ResourceError>)> done) {
  Enqueue([this, policy = std::move(policy), done = std::move(done)]() mutable {
    Compile(std::move(policy), std::move(done));
  });
}

void Server::Compile(std::shared_ptr<const Policy> policy,
                     std::function<void(std::vector<ResourceError>)> done) {
  if (!options_.allow_faults) {
    if (std::vector<ResourceError> refused = RefuseFaults(*policy); !refused.empty()) {
      done(std::move(refused));
      return;
    }
  }
  auto snapshot = Snapshot::Compile(policy, current_.get());
  if (!snapshot.ok()) {
    done({{absl::StrCat(kTypePrefix, "Epoch"), "", "INVALID", "",
           std::string(snapshot.status().message())}});
    return;
  }
  // Sockets first: what cannot be bound refuses the policy while the old one is still whole.
  std::map<std::string, ListeningSocket> fresh;
  std::vector<ResourceError> errors;
  for (const auto& [name, listener] : policy->listeners) {
    {
      std::lock_guard lock(mutex_);
      const auto known = listeners_.find(name);
      if (known != listeners_.end() && known->second.configured == listener.address) continue;
    }
    absl::StatusOr<ListeningSocket> socket = SocketFor(listener, *policy);
    if (socket.ok()) {
      fresh.emplace(name, *std::move(socket));
      continue;
    }
    errors.push_back({absl::StrCat(kTypePrefix, "Listener"), name,
                      absl::IsAlreadyExists(socket.status()) ? "ADDRESS_IN_USE" : "CANNOT_LISTEN",
                      "address", std::string(socket.status().message())});
  }
  if (!errors.empty()) {
    done(std::move(errors));
    return;
  }
  current_ = *snapshot;
  // Here rather than on a worker, which would keep its requests waiting.
  hash_tables_ = clusters_.hash_tables().Prepare(policy->upstreams);
  auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
  auto sockets = std::make_shared<std::map<std::string, ListeningSocket>>(std::move(fresh));
  // From the accepting loop, so that every worker gets what was accepted before it gets the policy.
  workers_.front()->loop().Post([this, policy, snapshot = *snapshot, left, sockets, done] {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    StopLeaving(*policy);
    for (const auto& worker : workers_) {
      worker->Adopt(snapshot, [this, policy, left, sockets, done] {
        if (left->fetch_sub(1) > 1) return;
        // The last worker has it. Only now do new listeners accept.
        std::lock_guard open(mutex_);
        if (closed_) return;
        workers_.front()->loop().Post([this, policy, sockets, done] {
          SyncListeners(*policy, std::move(*sockets));
          HealthChecker* health = nullptr;
          {
            std::lock_guard adopted(mutex_);
            policy_ = policy;
            health = health_.get();
          }
          // It ends on this loop too, if the server ends meanwhile.
          if (health != nullptr) health->Update(policy->upstreams);
          adopted_.fetch_add(1);
          done({});
        });
      });
    }
  });
}

// Whether `policy` takes the listener away, or to another address.
bool Server::Leaves(const std::string& name, const BoundListener& listener, const Policy& policy) {
  const auto wanted = policy.listeners.find(name);
  return wanted == policy.listeners.end() || !(wanted->second.address == listener.configured);
}

// On the accepting loop, under mutex_. Who comes to a listener that leaves waits in the backlog:
// for the listener that takes the socket over, or until it closes.
void Server::StopLeaving(const Policy& policy) {
  for (auto& [name, listener] : listeners_) {
    if (listener.acceptor == nullptr || !Leaves(name, listener, policy)) continue;
    listener.acceptor->Stop();
    listener.full = false;  // or it would be resumed
  }
}

// For a listener that is new or moves: the socket of one that `policy` takes from there (it stays
// open throughout, and so does its backlog), else a fresh one.
absl::StatusOr<ListeningSocket> Server::SocketFor(const ListenerPolicy& listener,
                                                  const Policy& policy) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, other] : listeners_) {
      if (other.acceptor == nullptr || !(other.bound == listener.address)) continue;
      if (draining_[static_cast<int>(other.direction)]) continue;
      if (!Leaves(name, other, policy)) continue;
      return Duplicate(other.acceptor->socket());
    }
  }
  absl::StatusOr<ListeningSocket> socket = Listen(listener.address);
  if (!absl::IsAlreadyExists(socket.status())) return socket;
  std::lock_guard lock(mutex_);
  for (const auto& [name, other] : listeners_) {
    if (!other.bound.Overlaps(listener.address) || !Leaves(name, other, policy)) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        socket.status().message(), ": listener ", name, " gives up ", other.bound.ToString(),
        " only when this is in force; expected the same address, or two releases: one that takes "
        "it from ",
        name, ", then one that listens at ", listener.address.ToString()));
  }
  return socket;
}

// On the accepting loop.
void Server::SyncListeners(const Policy& policy, std::map<std::string, ListeningSocket> fresh) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const auto wanted = policy.listeners.find(it->first);
    if (wanted == policy.listeners.end()) {
      it = listeners_.erase(it);
      continue;
    }
    it->second.max_connections = wanted->second.max_connections;
    ResumeIfRoom(it->first, it->second);
    ++it;
  }
  for (auto& [name, socket] : fresh) {
    const ListenerPolicy& wanted = policy.listeners.at(name);
    BoundListener& listener = listeners_[name];
    listener.configured = wanted.address;
    listener.bound = socket.address;
    listener.direction = wanted.direction;
    listener.max_connections = wanted.max_connections;
    // Nobody is served here any more: the socket closes, and who comes is refused at once.
    if (draining_[static_cast<int>(listener.direction)]) continue;
    spdlog::info("listener {} on {}", name, listener.bound.ToString());
    auto acceptor = Acceptor::Create(workers_.front()->loop(), std::move(socket),
                                     [this, name = name](AcceptedConnection connection) {
                                       OnAccept(name, std::move(connection));
                                     });
    if (!acceptor.ok()) {
      spdlog::error("listener {}: {}", name, std::string(acceptor.status().message()));
      listener.acceptor.reset();
      listener.configured = Address();  // the next policy tries again
      continue;
    }
    listener.acceptor = *std::move(acceptor);
    const auto open = connections_.find(name);
    listener.full = open != connections_.end() && open->second >= listener.max_connections;
    if (listener.full) listener.acceptor->Stop();
  }
}

void Server::OnAccept(const std::string& name, AcceptedConnection connection) {
  {
    std::lock_guard lock(mutex_);
    const auto found = listeners_.find(name);
    if (found == listeners_.end()) return;
    BoundListener& listener = found->second;
    if (++connections_[name] >= listener.max_connections) {
      listener.full = true;
      listener.acceptor->Stop();  // others wait in the backlog until one ends
    }
  }
  const auto least =
      std::min_element(workers_.begin(), workers_.end(),
                       [](const auto& a, const auto& b) { return a->load() < b->load(); });
  (*least)->AddConnection(name, std::move(connection));
}

// Any worker's thread.
void Server::ConnectionClosed(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (--connections_[name] == 0) connections_.erase(name);
  const auto found = listeners_.find(name);
  if (closed_ || found == listeners_.end() || !found->second.full) return;
  workers_.front()->loop().Post([this, name] {
    std::lock_guard again(mutex_);
    const auto still = listeners_.find(name);
    if (still != listeners_.end()) ResumeIfRoom(name, still->second);
  });
}

// On the accepting loop, under mutex_.
void Server::ResumeIfRoom(const std::string& name, BoundListener& listener) {
  const auto open = connections_.find(name);
  if (listener.acceptor == nullptr || !listener.full) return;
  if (open != connections_.end() && open->second >= listener.max_connections) return;
  listener.full = false;
  if (draining_[static_cast<int>(listener.direction)]) return;
  if (const absl::Status status = listener.acceptor->Resume(); !status.ok()) {
    spdlog::error("accept: {}", std::string(status.message()));
  }
}

// Each waits for no policy, but for those before it: the newest decides about tokens.
void Server::Deny(Denials denials, std::function<void()> done) {
  {
    std::lock_guard lock(jobs_mutex_);
    denials_.push_back({std::move(denials), std::move(done)});
  }
  Enqueue([this] { DenyOldest(); }, /*first=*/true);
}

void Server::DenyOldest() {
  std::unique_lock lock(jobs_mutex_);
  auto [denials, done] = std::move(denials_.front());
  denials_.pop_front();
  lock.unlock();
  denied_keys_.insert(denials.key_ids.begin(), denials.key_ids.end());
  const std::vector<std::string> keys(denied_keys_.begin(), denied_keys_.end());
  const auto list =
      std::make_shared<const DenyList>(++denied_revision_, keys, std::move(denials.tokens));
  auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
  for (const auto& worker : workers_) {
    worker->SetDenied(list, [left, done = done] {
      if (left->fetch_sub(1) == 1) done();
    });
  }
}

void Server::Explain(agent::v1::Explain question,
                     std::function<void(agent::v1::Explanation)> done) {
  Enqueue([this, question = std::move(question), done = std::move(done)] {
    done(ExplainRequest(current_.get(), question, clock_.Wall()));
  });
}

agent::v1::LimitUsage Server::LimitUsageNow() {
  const LimitTableStats stats = limits_.Stats();
  const ConcurrencyTable& concurrency = limits_.concurrency();
  agent::v1::LimitUsage usage;
  usage.set_keys(stats.entries);
  usage.set_max_keys(stats.max_entries);
  usage.set_bytes(stats.bytes);
  usage.set_refused(stats.refused + concurrency.refused());
  usage.set_shadow_refused(stats.shadow_refused + concurrency.shadow_refused());
  usage.set_overflowed(stats.overflowed);
  std::lock_guard lock(limit_top_mutex_);
  limit_top_.Advance(clock_.Mono(), kReportedEntries);
  for (LimitUse& use : limit_top_.Top()) {
    agent::v1::LimitKeyUsage* key = usage.add_top();
    key->set_plan(std::move(use.plan));
    key->set_key(std::move(use.key));
    key->set_window(std::move(use.window));
    key->set_limit(use.limit);
    key->set_used(use.used);
    key->set_refused(use.refused);
    key->set_shadow(use.shadow);
  }
  return usage;
}

std::shared_ptr<const Policy> Server::policy() const {
  std::lock_guard lock(mutex_);
  return policy_;
}

std::string Server::UpstreamsJson() const { return ClustersJson(clusters_.All(), clock_.Mono()); }

std::map<std::string, Address> Server::bound() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, Address> bound;
  for (const auto& [name, listener] : listeners_) bound.emplace(name, listener.bound);
  return bound;
}

void Server::Drain(Direction direction) {
  // What waits in the backlog has been promised an answer: it is accepted first, then counted as a
  // connection, then told that its next request is the last. Who comes later is refused at once
  // instead of waiting for a process that will not answer.
  const auto closed = std::make_shared<std::latch>(1);
  workers_.front()->loop().Post([this, direction, closed] {
    std::vector<Acceptor*> acceptors;
    {
      std::lock_guard lock(mutex_);
      draining_[static_cast<int>(direction)] = true;
      for (auto& [name, listener] : listeners_) {
        if (listener.direction == direction && listener.acceptor != nullptr) {
          acceptors.push_back(listener.acceptor.get());
        }
      }
    }
    for (Acceptor* acceptor : acceptors) acceptor->Close();  // calls OnAccept, which locks
    closed->count_down();
  });
  closed->wait();
  const auto told = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(workers_.size()));
  for (const auto& worker : workers_) worker->Drain(direction, [told] { told->count_down(); });
  told->wait();
}

uint32_t Server::connections(Direction direction) const {
  uint32_t sum = 0;
  for (const auto& worker : workers_) sum += worker->load(direction);
  return sum;
}

void Server::CloseAll() {
  for (const auto& worker : workers_) worker->CloseAll();
}

}  // namespace tollgate::proxy
