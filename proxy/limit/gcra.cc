#include "proxy/limit/gcra.h"

#include <algorithm>
#include <limits>

namespace tollgate::proxy {
namespace {

// Far above any period in use (73 years), far below overflow when added to a clock.
constexpr int64_t kHorizon = std::numeric_limits<int64_t>::max() / 4;

int64_t Saturate(__int128 ns) { return ns > kHorizon ? kHorizon : static_cast<int64_t>(ns); }

int64_t Backlog(int64_t tat, int64_t now) { return std::max<int64_t>(tat - now, 0); }

}  // namespace

GcraRate MakeGcraRate(uint32_t count, int64_t period_ns, uint32_t burst) {
  const int64_t period = std::min(period_ns, kHorizon);
  const int64_t interval = (period - 1) / count + 1;
  return {interval, Saturate(static_cast<__int128>(interval) * burst)};
}

int64_t GcraWait(const GcraRate& rate, int64_t tat, int64_t now, uint32_t cost) {
  return std::max<int64_t>(GcraTake(rate, tat, now, cost) - rate.tolerance - now, 0);
}

int64_t GcraTake(const GcraRate& rate, int64_t tat, int64_t now, uint32_t cost) {
  return std::max(now, tat) + Saturate(static_cast<__int128>(rate.interval) * cost);
}

uint32_t GcraRemaining(const GcraRate& rate, int64_t tat, int64_t now) {
  const int64_t room = rate.tolerance - Backlog(tat, now);
  if (room <= 0) return 0;
  return static_cast<uint32_t>(
      std::min<int64_t>(room / rate.interval, std::numeric_limits<uint32_t>::max()));
}

int64_t GcraReset(const GcraRate& rate, int64_t tat, int64_t now) {
  const int64_t backlog = Backlog(tat, now);
  const int64_t room = rate.tolerance - backlog;
  // Of the unit that is being earned, this much is there already.
  const int64_t earned = room > 0 ? room % rate.interval : room;
  return std::min(backlog, rate.interval - earned);
}

int64_t GcraConsumed(const GcraRate& rate, int64_t tat, int64_t now) {
  const int64_t backlog = Backlog(tat, now);
  return backlog == 0 ? 0 : (backlog - 1) / rate.interval + 1;
}

int64_t GcraConvert(const GcraRate& from, int64_t tat, const GcraRate& to, int64_t now) {
  const __int128 scaled = static_cast<__int128>(Backlog(tat, now)) * to.interval;
  const __int128 backlog = (scaled + from.interval - 1) / from.interval;
  return now + std::min(Saturate(backlog), to.tolerance);
}

int64_t GcraWithConsumed(const GcraRate& rate, int64_t units, int64_t now) {
  return now + std::min(Saturate(static_cast<__int128>(rate.interval) * units), rate.tolerance);
}

}  // namespace tollgate::proxy
