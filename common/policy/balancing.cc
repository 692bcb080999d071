#include "common/policy/balancing.h"

namespace tollgate {

bool IsPrime(uint32_t n) {
  if (n < 2 || (n % 2 == 0 && n != 2)) return false;
  for (uint64_t d = 3; d * d <= n; d += 2) {
    if (n % d == 0) return false;
  }
  return true;
}

}  // namespace tollgate
