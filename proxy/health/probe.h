// One probe of one endpoint: connects, asks, judges and closes, within the policy's timeout and a
// bounded number of bytes. Every probe makes a connection of its own, since to accept one is part
// of being healthy. Owned by its EndpointProber; loop thread only.
#pragma once

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "common/base/address.h"
#include "common/policy/policy.h"
#include "proxy/event/loop.h"
#include "proxy/health/probe_exchange.h"
#include "proxy/net/buffer.h"
#include "proxy/net/transport.h"
#include "proxy/net/write_queue.h"

namespace tollgate::proxy {

class Probe final : private IoHandler {
 public:
  // Called once, at the end of an iteration of the loop; may destroy the probe. `failure`: nullptr:
  // healthy; else a stable word why not.
  using Done = absl::AnyInvocable<void(const char* failure)>;
  // The failure that is ours: it says nothing about the endpoint.
  static constexpr char kNoDescriptor[] = "no_descriptor";

  // Begins. `address` is an IP address or a Unix socket.
  Probe(Loop& loop, BufferPool& buffers, const HealthCheckPolicy& policy, const Address& address,
        Done done);
  // In the middle of it, the connection closes and nothing is called.
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

 private:
  static constexpr size_t kMaxBytes = 64 << 10;

  void OnIo(IoEvents events) override;
  void Connected();
  void Exchange();
  void ReadAll();
  void Finish(const char* failure);
  void Close();

  Loop& loop_;
  std::unique_ptr<ProbeExchange> exchange_;
  std::unique_ptr<Transport> transport_;  // null: not connected, or closed
  WriteQueue out_;
  Timer timeout_;
  Deferred finished_;
  Done done_;
  const char* failure_ = nullptr;
  size_t received_ = 0;
  bool connected_ = false;
};

}  // namespace tollgate::proxy
