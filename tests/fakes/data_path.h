// A worker's whole data path on one thread with a fake clock: a client on one end of a socket pair,
// upstreams that are listening sockets of the test, real codecs, pools, chain and streams between
// them. Tests say what each end sends and run the loop until what they expect has arrived.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proxy/net/resolver.h"
#include "proxy/net/socket.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/stream/server_connection.h"
#include "proxy/stream/worker_context.h"
#include "tests/fakes/fake_upstream.h"

namespace tollgate::proxy {

class CapturedLog final : public AccessLogWriter {
 public:
  bool Submit(std::string&& lines, uint32_t) override {
    text += lines;
    return true;
  }
  absl::Status Reopen() override { return absl::OkStatus(); }
  void Flush() override {}
  uint64_t written() const override { return 0; }
  uint64_t dropped() const override { return 0; }
  std::string text;
};

class DataPath final : public ConnectionOwner {
 public:
  explicit DataPath(ServerCodecFactory codec = &MakeHttp1, Resolver::Lookup lookup = {})
      : codec_(codec),
        loop_(*Loop::Create(clock)),
        resolver_(clock, LookingUp(std::move(lookup))),
        random_(7),
        scratch_(64 << 10),
        upstream_{*loop_, buffers, random_, &resolver_, scratch_.data(), scratch_.size()},
        clusters(upstream_, shared_),
        services_{clock,
                  limits,
                  tokens_,
                  std::make_shared<const DenyList>(),
                  random_,
                  [this](absl::string_view id) { unknown_keys.emplace_back(id.data(), id.size()); }},
        log_(&log),
        retire_([this](std::shared_ptr<const Snapshot>) { ++retired; }),
        worker_(*loop_, buffers, upstream_, clusters, services_, log_, metrics_) {}
  ~DataPath() {
    CloseConnections();
    if (worker_.snapshot != nullptr) std::exchange(worker_.snapshot, nullptr)->Replaced();
    clusters.DrainAll();
    loop_->RunOnce(Duration::zero());
  }

  // One public API at any host: GET/POST/... of `path` to the given upstreams.
  static Policy PublicPolicy(const std::vector<Address>& endpoints) {
    Policy policy;
    policy.epoch.release = 1;
    UpstreamPolicy& upstream = policy.upstreams["backend"];
    upstream.name = "backend";
    upstream.balance = Balance::kRoundRobin;
    for (const Address& address : endpoints) upstream.endpoints.push_back({address, 1});
    RouteTablePolicy& table = policy.route_tables["api/v1"];
    table.name = "api/v1";
    table.api = "api";
    table.version = "v1";
    RoutePolicy& route = table.routes.emplace_back();
    route.name = "all";
    route.path = "/**";
    route.is_public = true;
    route.upstream = "backend";
    ListenerPolicy& listener = policy.listeners["in"];
    listener.name = "in";
    ApiBindingPolicy& api = listener.apis.emplace_back();
    api.api = "api";
    api.hosts = {"*"};
    api.route_tables = {"api/v1"};
    return policy;
  }
  static RoutePolicy& RouteOf(Policy& policy) {
    return policy.route_tables.at("api/v1").routes.front();
  }

  void Adopt(const Policy& policy, Snapshot::StepMaker make_steps = MakeSteps) {
    const Snapshot* previous = worker_.snapshot != nullptr ? &**worker_.snapshot : nullptr;
    auto snapshot = Snapshot::Compile(std::make_shared<const Policy>(policy), previous, make_steps);
    if (!snapshot.ok()) {
      std::fprintf(stderr, "%s\n", std::string(snapshot.status().message()).c_str());
      std::abort();
    }
    clusters.Update((*snapshot)->policy().upstreams);
    SnapshotPin* before = worker_.snapshot;
    worker_.snapshot = new SnapshotPin(*std::move(snapshot), &retire_);
    if (before != nullptr) before->Replaced();
    const ListenerPolicy& listener = policy.listeners.at("in");
    if (listener_ == nullptr) listener_ = std::make_shared<ListenerState>(listener, codec_);
    listener_->Update(listener);
  }
  // As a worker does it: the new list, then the open streams that it concerns.
  void Deny(const std::vector<std::string>& key_ids, std::vector<TokenDenial> tokens = {}) {
    services_.denied = std::make_shared<const DenyList>(1, key_ids, std::move(tokens));
    for (size_t i = 0; i < connections_.size(); ++i) {
      connections_[i]->EndRevoked(*services_.denied);
    }
  }

  std::unique_ptr<Peer> Connect(absl::string_view from = "192.0.2.7:4711") {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) std::abort();
    return Serve(pair[0], pair[1], from);
  }
  // The same over TCP, where a reset differs from an end in order.
  std::unique_ptr<Peer> ConnectTcp() {
    const ListeningSocket socket = *Listen(*Address::Parse("127.0.0.1:0"));
    ConnectingSocket client = *tollgate::proxy::Connect(socket.address);
    int fd = -1;
    while ((fd = Accept(socket.fd.get(), nullptr)) == -EAGAIN) poll(nullptr, 0, 1);
    return Serve(fd, client.fd.release(), "192.0.2.7:4711");
  }

  void CloseConnections() {
    while (!connections_.empty()) connections_.back()->CloseNow("test over");
  }
  std::unique_ptr<Peer> Serve(int server_fd, int client_fd, absl::string_view from) {
    if (listener_ == nullptr) {
      ListenerPolicy none;
      none.name = "in";
      listener_ = std::make_shared<ListenerState>(none, codec_);
    }
    const Address peer = *Address::Parse(from);
    connections_.push_back(std::make_unique<ServerConnection>(worker_, *this, listener_, peer,
                                                              MakePlainTransport(server_fd)));
    connections_.back()->Start();
    return std::make_unique<Peer>(client_fd);
  }

  // Runs the loop until `done` says so; false when nothing more happens (about a second of polls).
  template <typename Done>
  bool RunUntil(Done done) {
    for (int idle = 0; idle < 200; ++idle) {
      loop_->RunOnce(Duration::zero());
      for (FakeUpstream* u : upstreams) u->Poll();
      if (done()) return true;
      if (idle > 20) poll(nullptr, 0, 1);  // the kernel's loopback needs a moment now and then
    }
    return false;
  }
  // Lets everything happen that can happen without time passing.
  void Settle() {
    for (int i = 0; i < 20; ++i) {
      loop_->RunOnce(Duration::zero());
      for (FakeUpstream* u : upstreams) u->Poll();
    }
    poll(nullptr, 0, 2);
    for (int i = 0; i < 5; ++i) loop_->RunOnce(Duration::zero());
    for (FakeUpstream* u : upstreams) u->Poll();
  }
  void Pass(Duration time) {
    clock.Advance(time);
    Settle();
  }
  bool Receives(Peer& peer, absl::string_view text) {
    return RunUntil([&] { return absl::StrContains(peer.Got(), text); });
  }
  std::string LogText() {
    log_.Flush();
    return log.text;
  }
  size_t open_connections() const { return connections_.size(); }
  int64_t active_streams() const { return metrics_.active_streams.value.load(); }
  std::vector<std::unique_ptr<ServerConnection>>& connections() { return connections_; }
  WorkerContext& worker() { return worker_; }
  Loop& loop() { return *loop_; }

  FakeClock clock;
  BufferPool buffers;
  LimitTable limits;
  CapturedLog log;
  std::vector<std::string> unknown_keys;
  int retired = 0;
  std::vector<FakeUpstream*> upstreams;

 private:
  static Resolver::Options LookingUp(Resolver::Lookup lookup) {
    Resolver::Options options;
    options.lookup = std::move(lookup);
    return options;
  }
  void OnConnectionClosed(ServerConnection& connection) override {
    for (auto& c : connections_) {
      if (c.get() != &connection) continue;
      worker_.Bury(std::move(c));
      std::swap(c, connections_.back());
      connections_.pop_back();
      return;
    }
  }

  ServerCodecFactory codec_;
  std::unique_ptr<Loop> loop_;
  Resolver resolver_;
  Random random_;
  std::vector<char> scratch_;
  SharedClusters shared_;
  UpstreamContext upstream_;

 public:
  ClusterSet clusters;

 private:
  TokenVerifier tokens_;
  StepServices services_;
  AccessLog log_;
  WorkerMetrics metrics_;
  SnapshotPin::Retire retire_;
  WorkerContext worker_;
  std::shared_ptr<ListenerState> listener_;
  std::vector<std::unique_ptr<ServerConnection>> connections_;
};

}  // namespace tollgate::proxy
