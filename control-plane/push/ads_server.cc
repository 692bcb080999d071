#include "control-plane/push/ads_server.h"

#include "control-plane/push/ads_stream.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"

namespace tollgate::control {

using envoy::service::discovery::v3::AggregatedDiscoveryService;

class AdsServer::Service final
    : public AggregatedDiscoveryService::WithRawCallbackMethod_DeltaAggregatedResources<
          AggregatedDiscoveryService::Service> {
 public:
  Service(Hub* hub, Fleet* fleet) : hub_(hub), fleet_(fleet) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* DeltaAggregatedResources(
      grpc::CallbackServerContext*) override {
    return AdsStream::Start(hub_, fleet_);
  }

 private:
  Hub* const hub_;
  Fleet* const fleet_;
};

AdsServer::AdsServer(Hub* hub, Fleet* fleet) : service_(std::make_unique<Service>(hub, fleet)) {}
AdsServer::~AdsServer() = default;
grpc::Service* AdsServer::service() { return service_.get(); }

}  // namespace tollgate::control
