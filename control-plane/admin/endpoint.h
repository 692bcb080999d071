// Endpoint: one gRPC server on one address of this machine. Owned by main. Thread-safe once open.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace tollgate::control {

struct EndpointOptions {
  std::string address;                      // loopback, or "unix:/path": a stale socket is replaced
  std::vector<grpc::Service*> services;     // outlive the endpoint
  std::vector<std::string> health_names{};  // services that the health service answers for by name
  bool streams = false;  // long-lived streams (keepalive); else bounded calls and reflection
};

class Endpoint {
 public:
  // Listens and serves, gRPC's health service too. A Unix socket gets mode 0660. The error says
  // what is wrong with the address: AlreadyExists when another process listens there.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Open(const EndpointOptions& options);
  virtual ~Endpoint() = default;

  // What gRPC's health service says from now on, of the server ("") and of health_names; SERVING
  // until the first call. Calls are answered either way.
  virtual void SetServing(bool serving) = 0;

  // Refuses new calls, lets running ones end within `grace`, then cancels them. Returns when none
  // is left.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace tollgate::control
