// The agent stream's server side: records in the Fleet what sidecars report, and carries Questions
// down and their answers up. gRPC's callback API. Thread-safe.
#pragma once

#include <memory>

#include "control-plane/push/fleet.h"
#include "control-plane/push/questions.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace tollgate::control {

class AgentServer {
 public:
  AgentServer(Fleet* fleet, Questions* questions);  // both outlive the server
  ~AgentServer();                                   // after the grpc::Server has shut down
  AgentServer(const AgentServer&) = delete;
  AgentServer& operator=(const AgentServer&) = delete;

  grpc::Service* service();

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace tollgate::control
