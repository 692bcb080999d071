// From the values of common/policy to config resources: the inverse of common/policy/from_proto.h.
// Stateless, thread-safe.
#pragma once

#include "common/policy/policy.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::control {

config::v1::Upstream ToProto(const UpstreamPolicy& upstream);  // without its endpoints
config::v1::Endpoints EndpointsToProto(const UpstreamPolicy& upstream);
// `jwks_secret`: the name of the Secret that holds the key set; "": it stands here.
config::v1::Issuer ToProto(const IssuerPolicy& issuer, const std::string& jwks_secret);
config::v1::Plan ToProto(const PlanPolicy& plan);
config::v1::Cost ToProto(const CostPolicy& cost);
config::v1::Consumer ToProto(const ConsumerPolicy& consumer);
config::v1::RouteTable ToProto(const RouteTablePolicy& table);
config::v1::Listener ToProto(const ListenerPolicy& listener, bool plaintext);

}  // namespace tollgate::control
