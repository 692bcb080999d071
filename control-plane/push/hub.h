// Fan-out: one thread that asks the source for each connected sidecar's resources, when something
// changed or somebody connected, and offers them. The first change goes at once; changes within a
// window after it go together. Translation happens here, never on a thread of gRPC. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/push/fleet.h"
#include "control-plane/push/source.h"

namespace tollgate::control {

// One connected sidecar's stream. Called on the hub's thread, without its lock.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void Offer(std::shared_ptr<const ResourceSet> set) = 0;
  virtual void Close(absl::Status why) = 0;
};

class Hub {
 public:
  struct Options {
    std::chrono::milliseconds window{20};  // in which changes coalesce
  };
  // `source` and `fleet` outlive the hub.
  Hub(ResourceSource* source, Fleet* fleet, Options options);
  Hub(ResourceSource* source, Fleet* fleet) : Hub(source, fleet, Options()) {}
  ~Hub();  // no peer is called afterwards
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // Registers the stream (session is the Fleet's) and soon offers it what it shall hold. An older
  // stream of the same sidecar is closed: it is a half-open rest, or two sidecars share one id.
  void Attach(const NodeInfo& node, uint64_t session, std::shared_ptr<Peer> peer);
  void Detach(uint64_t session);

 private:
  struct Member {
    NodeInfo node;
    uint64_t session;
    std::shared_ptr<Peer> peer;
  };
  void Run();
  void Serve(const Member& member);

  ResourceSource* const source_;
  Fleet* const fleet_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<uint64_t, Member> members_;
  std::vector<uint64_t> newcomers_;
  bool changed_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tollgate::control
