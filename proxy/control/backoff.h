// When to connect again: at once the first time, then after a random part of a bound that doubles,
// so that a fleet does not come back in step ("full jitter"). A value.
#pragma once

#include <algorithm>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace tollgate::proxy {

class Backoff {
 public:
  explicit Backoff(uint64_t seed) : random_(seed) {}

  // How long to wait before the next attempt.
  Duration Next() {
    if (bound_ == Duration::zero()) {
      bound_ = kFirst;
      return Duration::zero();
    }
    const Duration bound = bound_;
    bound_ = std::min(bound_ * 2, kMax);
    // At least a tenth, lest a small number make it spin.
    return Duration(
        static_cast<int64_t>(static_cast<double>(bound.count()) * (0.1 + 0.9 * random_.Unit())));
  }
  // The stream has proved useful: something came, or it lived a while. The next loss is followed by
  // one short wait, not by none: a server that ends every stream after one message must not be
  // hammered.
  void Succeeded() { bound_ = kFirst; }

 private:
  static constexpr Duration kFirst = std::chrono::milliseconds(200);
  static constexpr Duration kMax = std::chrono::seconds(10);
  Random random_;
  Duration bound_{};
};

}  // namespace tollgate::proxy
