// A bidirectional stream of messages to the control plane, as the clients see it. The real one is
// gRPC (grpc_transport.h); tests have one in memory.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::proxy {

template <typename Out, typename In>
class StreamTransport {
 public:
  // Called on any thread, one at a time: `on_open` (may be null) when the other side has accepted
  // the stream, `on_closed` last and once. They may come after the Stream was destroyed: the
  // receiver tells by itself.
  struct Events {
    std::function<void(In)> on_message;
    std::function<void(absl::Status)> on_closed;
    std::function<void()> on_open = nullptr;
  };
  // Destroying it ends the stream.
  class Stream {
   public:
    virtual ~Stream() = default;
    virtual void Send(Out message) = 0;  // in order; queued, never blocks
  };
  virtual ~StreamTransport() = default;
  virtual std::unique_ptr<Stream> Open(Events events) = 0;
};

using AdsTransport = StreamTransport<envoy::service::discovery::v3::DeltaDiscoveryRequest,
                                     envoy::service::discovery::v3::DeltaDiscoveryResponse>;
using AgentTransport = StreamTransport<agent::v1::Report, agent::v1::Question>;

}  // namespace tollgate::proxy
