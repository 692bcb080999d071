// The ADS server: gRPC's callback API over Session, no thread per stream. Messages are written as
// raw bytes: a small header, then entries that all streams share. Thread-safe.
#pragma once

#include <memory>

#include "control-plane/push/fleet.h"
#include "control-plane/push/hub.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace tollgate::control {

class AdsServer {
 public:
  // `hub` and `fleet` outlive the server.
  AdsServer(Hub* hub, Fleet* fleet);
  ~AdsServer();  // after the grpc::Server has shut down
  AdsServer(const AdsServer&) = delete;
  AdsServer& operator=(const AdsServer&) = delete;

  // For ServerBuilder::RegisterService; lives as long as this.
  grpc::Service* service();

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace tollgate::control
