// AdminService: the admin API on gRPC: unwraps the call, says who calls, maps errors. All the work
// is AdminApi's. Thread-safe; gRPC's threads call it (its synchronous API: calls block on the
// store, and operators are few).
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "control-plane/admin/admin_api.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace tollgate::control {

// Clients say here who they act for.
inline constexpr char kUserMetadata[] = "tollgate-user";

class AdminService {
 public:
  static constexpr char kName[] = "tollgate.admin.v1.AdminService";  // for health checks

  explicit AdminService(AdminApi* api);  // outlives the server
  ~AdminService();                       // after the grpc::Server has shut down
  AdminService(const AdminService&) = delete;
  AdminService& operator=(const AdminService&) = delete;

  grpc::Service* service();

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace tollgate::control
