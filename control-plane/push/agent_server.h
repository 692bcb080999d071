// The agent stream's server side: records in the Fleet what sidecars report. gRPC's callback API.
// Thread-safe.
#pragma once

#include <memory>

#include "control-plane/push/fleet.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace tollgate::control {

class AgentServer {
 public:
  explicit AgentServer(Fleet* fleet);  // outlives the server
  ~AgentServer();                      // after the grpc::Server has shut down
  AgentServer(const AgentServer&) = delete;
  AgentServer& operator=(const AgentServer&) = delete;

  grpc::Service* service();

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace tollgate::control
