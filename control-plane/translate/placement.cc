#include "control-plane/translate/placement.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"

namespace tollgate::control {
namespace {

absl::Status Failed(const NodeIdentity& node, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("sidecar \"", node.id, "\" of Service/", node.service, ": ", why));
}

absl::StatusOr<const InstanceModel*> FindInstance(const ServiceModel& service,
                                                  const NodeIdentity& node) {
  for (const InstanceModel& instance : service.instances) {
    if (!instance.instance.empty() && instance.instance == node.id) return &instance;
  }
  if (!node.address.empty()) {
    auto address = Address::Parse(node.address);
    if (!address.ok()) return Failed(node, address.status().message());
    for (const InstanceModel& instance : service.instances) {
      if (instance.endpoint.address == *address) return &instance;
    }
  }
  if (service.instances.size() == 1 && service.instances[0].instance.empty()) {
    return &service.instances[0];
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::optional<Placement>> Place(const ServiceModel& service,
                                               const NodeIdentity& node) {
  if (service.instances.empty() && !service.listener.address) return std::nullopt;
  ASSIGN_OR_RETURN(const InstanceModel* instance, FindInstance(service, node));
  Placement placement;
  if (service.listener.address) {
    placement.listen = *service.listener.address;
  } else if (instance != nullptr) {
    placement.listen = instance->endpoint.address;
  } else {
    const std::string endpoints = absl::StrJoin(
        service.instances, ", ", [](std::string* out, const InstanceModel& candidate) {
          absl::StrAppend(out, candidate.endpoint.address.ToString());
        });
    return Failed(node, absl::StrCat("none of the endpoints (", endpoints,
                                     ") is known to be its own. Write instance: ", node.id,
                                     " beside its address in the Service, or start the sidecar "
                                     "with that address"));
  }
  if (placement.listen.kind() == Address::Kind::kName) {
    return Failed(node, absl::StrCat("cannot listen on the host name ", placement.listen.ToString(),
                                     ". Add a Listener document with an address, e.g. "
                                     "address: 0.0.0.0:",
                                     placement.listen.port()));
  }
  if (instance != nullptr) {
    placement.local = instance->local;
    placement.zone = instance->endpoint.zone;
  } else if (service.local) {
    placement.local = *service.local;
  } else {
    return Failed(node,
                  "nobody says where it delivers. Set local of the Service, e.g. "
                  "local: 127.0.0.1:9000");
  }
  return placement;
}

}  // namespace tollgate::control
