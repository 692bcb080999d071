// From the values of release, model and push to the messages of the admin API. Stateless,
// thread-safe.
#pragma once

#include <string>
#include <vector>

#include "control-plane/model/problem.h"
#include "control-plane/push/fleet.h"
#include "control-plane/release/credential_store.h"
#include "control-plane/release/releases.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

// "": the default one.
std::string EnvironmentOf(const std::string& written);

void ToWire(const Problem& problem, admin::v1::Problem* wire);
void ToWire(const DocumentChange& change, admin::v1::Change* wire);
void ToWire(const ReleaseInfo& info, uint64_t head, admin::v1::Release* wire);
void ToWire(const SidecarStatus& status, admin::v1::Proxy* wire);
void ToWire(const KeyRecord& key, admin::v1::Key* wire);
void ToWire(const PublishResult& result, admin::v1::ApplyResponse* wire);

}  // namespace tollgate::control
