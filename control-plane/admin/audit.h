// The audit line: one for every call that changes something, whatever came of it. Stateless,
// thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "control-plane/admin/admin_api.h"

namespace tollgate::control {

// audit user="alice" peer="unix:" call=Apply environment="default" what="..." outcome="OK"
void Audit(const Caller& caller, absl::string_view call, absl::string_view environment,
           absl::string_view what, const absl::Status& outcome);

}  // namespace tollgate::control
