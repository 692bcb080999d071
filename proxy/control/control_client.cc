#include "proxy/control/control_client.h"

#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "proxy/control/ads_client.h"
#include "proxy/control/agent_client.h"
#include "proxy/control/grpc_transport.h"
#include "tollgate/agent/v1/agent.grpc.pb.h"

namespace tollgate::proxy {
namespace {

using envoy::service::discovery::v3::AggregatedDiscoveryService;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using AdsGrpc = GrpcTransport<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
using AgentGrpc = GrpcTransport<agent::v1::Report, agent::v1::Question>;

// Differs from sidecar to sidecar even when they start in the same nanosecond.
uint64_t Seed() {
  uint64_t seed = 0;
  for (const char byte : RandomBytes(sizeof(seed))) {
    seed = (seed << 8) | static_cast<uint8_t>(byte);
  }
  return seed;
}

}  // namespace

// Members are destroyed from the last to the first: streams, then transports (they wait for gRPC),
// then stubs.
struct ControlClient::Impl {
  Impl(Options options, std::shared_ptr<grpc::Channel> channel, PolicySink* sink,
       const Clock* clock)
      : ads_stub(AggregatedDiscoveryService::NewStub(channel)),
        agent_stub(agent::v1::AgentService::NewStub(channel)),
        ads_transport([this](grpc::ClientContext* context, AdsGrpc::Reactor* reactor) {
          ads_stub->async()->DeltaAggregatedResources(context, reactor);
        }),
        agent_transport([this](grpc::ClientContext* context, AgentGrpc::Reactor* reactor) {
          agent_stub->async()->Connect(context, reactor);
        }),
        thread(std::make_shared<ControlThread>()),
        agent({options.node,
               [this, usage = options.usage] {
                 agent::v1::Usage report = usage == nullptr ? agent::v1::Usage() : usage();
                 report.set_adopted(ads.status().adopted);
                 return report;
               },
               options.limits, options.usage_interval, options.explainer, Seed()},
              &agent_transport, thread, clock),
        ads({options.node, std::move(options.active), std::move(options.revocations),
             options.last_known_good,
             [this](const agent::v1::ApplyStatus& status) { agent.ReportApply(status); }, Seed()},
            &ads_transport, sink, thread, clock) {
    ads.Start();
    agent.Start();
  }
  ~Impl() { thread->Stop(); }

  const std::unique_ptr<AggregatedDiscoveryService::Stub> ads_stub;
  const std::unique_ptr<agent::v1::AgentService::Stub> agent_stub;
  AdsGrpc ads_transport;
  AgentGrpc agent_transport;
  const std::shared_ptr<ControlThread> thread;
  AgentClient agent;
  AdsClient ads;
};

absl::StatusOr<std::unique_ptr<ControlClient>> ControlClient::Create(Options options,
                                                                     PolicySink* sink,
                                                                     const Clock* clock) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, OpenChannel(options.address));
  return std::unique_ptr<ControlClient>(new ControlClient(
      std::make_unique<Impl>(std::move(options), std::move(channel), sink, clock)));
}

ControlClient::ControlClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlClient::~ControlClient() = default;

void ControlClient::ReportUnknownKey(absl::string_view key_id) {
  impl_->agent.ReportUnknownKey(key_id);
}

ControlClient::Status ControlClient::status() const { return impl_->ads.status(); }

}  // namespace tollgate::proxy
