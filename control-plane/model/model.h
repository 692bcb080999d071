// Model: the documents of one environment, parsed, cross-checked and typed: what translation works
// from. It speaks in the values of common/policy, so that what the control plane validated is what
// the sidecar will compile. A value; immutable once shared.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/address.h"
#include "common/policy/policy.h"

namespace tollgate::control {

// One instance of a service, and the sidecar beside it.
struct InstanceModel {
  EndpointPolicy endpoint;  // what callers dial: where its sidecar listens
  std::string instance;     // node id of that sidecar; "": not said
  Address local;            // where that sidecar delivers
  friend bool operator==(const InstanceModel&, const InstanceModel&) = default;
};

// What a Listener document overrides; without one, the defaults.
struct ListenerModel {
  std::optional<Address> address;  // of every instance's sidecar
  ListenerPolicy settings;         // caps and timeouts; its name, address and apis are not used
  bool plaintext = false;
  friend bool operator==(const ListenerModel&, const ListenerModel&) = default;
};

struct ServiceModel {
  UpstreamPolicy upstream;  // as callers see it, with all endpoints
  std::vector<InstanceModel> instances;
  std::optional<Address> local;
  std::vector<std::string> uses;  // sorted
  Address outbound;
  bool plaintext = false;
  ListenerModel listener;
  friend bool operator==(const ServiceModel&, const ServiceModel&) = default;
};

struct IssuerModel {
  IssuerPolicy policy;
  bool symmetric = false;  // its JWK set is a secret
  friend bool operator==(const IssuerModel&, const IssuerModel&) = default;
};

struct ApiModel {
  // Hosts are those that were written; `aliases` are the names of services under which it can be
  // reached too (see compile.h). Route table names are not set: translation names them.
  ApiBindingPolicy binding;
  std::string service;  // "": every route names its own
  std::vector<std::string> aliases;
  // In the order written. `upstream` of a route is the name of its service.
  std::vector<RouteTablePolicy> versions;
  friend bool operator==(const ApiModel&, const ApiModel&) = default;
};

struct Model {
  std::string environment;
  std::map<std::string, ServiceModel> services;  // by name, and so on
  std::map<std::string, IssuerModel> issuers;
  std::map<std::string, PlanPolicy> plans;
  std::map<std::string, ConsumerPolicy> consumers;            // without API keys
  std::map<std::string, std::vector<std::string>> key_names;  // consumer -> names of its API keys
  std::map<std::string, ApiModel> apis;
  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace tollgate::control
