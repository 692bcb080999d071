#include "common/base/clock.h"

#include <time.h>

namespace tollgate {
namespace {

int64_t Read(clockid_t id) {
  timespec ts;
  clock_gettime(id, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

}  // namespace

MonoTime SystemClock::Mono() const { return MonoTime(Duration(Read(CLOCK_MONOTONIC))); }
WallTime SystemClock::Wall() const { return WallTime(Duration(Read(CLOCK_REALTIME))); }

}  // namespace tollgate
