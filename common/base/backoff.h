// When to try again: at once the first time, then after a random part of a bound that doubles, so
// that many who lost the same thing do not come back in step ("full jitter": AWS Architecture Blog,
// "Exponential Backoff And Jitter", 2015). A value.
#pragma once

#include <algorithm>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace tollgate {

class Backoff {
 public:
  struct Bounds {
    Duration first = std::chrono::milliseconds(200);
    Duration most = std::chrono::seconds(10);
  };

  explicit Backoff(uint64_t seed) : Backoff(seed, Bounds()) {}
  Backoff(uint64_t seed, Bounds bounds) : bounds_(bounds), random_(seed) {}

  // How long to wait before the next attempt.
  Duration Next() {
    if (bound_ == Duration::zero()) {
      bound_ = bounds_.first;
      return Duration::zero();
    }
    const Duration bound = bound_;
    bound_ = std::min(bound_ * 2, bounds_.most);
    // At least a tenth, lest a small number make it spin.
    return Duration(
        static_cast<int64_t>(static_cast<double>(bound.count()) * (0.1 + 0.9 * random_.Unit())));
  }
  // The attempt has proved useful: something came, or it lived a while. The next loss is followed
  // by one short wait, not by none: a server that ends every stream after one message must not be
  // hammered.
  void Succeeded() { bound_ = bounds_.first; }

 private:
  Bounds bounds_;
  Random random_;
  Duration bound_{};
};

}  // namespace tollgate
