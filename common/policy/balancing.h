// Bounds of how an upstream is balanced, as both planes check them, and which settings belong to
// which policy. Stateless, thread-safe.
#pragma once

#include <cstdint>

#include "common/policy/policy.h"

namespace tollgate {

inline constexpr uint32_t kMaxPriority = 9;
inline constexpr uint32_t kMaxRingPoints = 10'000;
inline constexpr uint32_t kMaxTableSize = 5'000'011;  // of Maglev: a prime, as Envoy's
inline constexpr uint32_t kMaxBiasPermille = 10'000;
inline constexpr uint32_t kMinOverprovisioning = 100;  // percent
inline constexpr uint32_t kMaxOverprovisioning = 1000;
inline constexpr uint32_t kMaxErrorPenaltyPermille = 100'000;

// Each skip of a Maglev permutation visits the whole table only if its size is prime.
bool IsPrime(uint32_t n);

// Whether requests of one key keep to one endpoint.
constexpr bool IsHashing(Balance balance) {
  return balance == Balance::kRingHash || balance == Balance::kMaglev;
}

// Whether it looks at load, and so leaves an endpoint alone that keeps failing at this worker. The
// others leave that to outlier detection.
constexpr bool HeedsAvoidance(Balance balance) {
  return balance == Balance::kPeakEwma || balance == Balance::kLeastRequest ||
         balance == Balance::kLoadWeighted;
}

}  // namespace tollgate
