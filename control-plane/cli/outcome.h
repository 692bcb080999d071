// What became of a release on one sidecar.
#pragma once

#include <cstdint>

#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {

enum class Outcome {
  kApplied,       // serves it or a newer one
  kRefused,       // refused it or a newer one, or cannot be offered it
  kPending,       // has not answered
  kStranger,      // its service is not in the release: it waits, and is no obstacle
  kDisconnected,  // has no stream to the control plane
};

Outcome OutcomeOf(const admin::v1::Proxy& proxy, uint64_t release);

}  // namespace tollgate::control
