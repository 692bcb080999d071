// The generic cell rate algorithm (ITU-T I.371, as a virtual schedule) as pure functions on one
// integer of state: the theoretical arrival time (TAT) in nanoseconds of monotonic time. A bucket
// whose TAT lies in the past is full and carries no information; 0 is a full bucket.
//
//   interval T = period / count, tolerance tau = burst * T
//   new = max(now, TAT) + cost * T; admitted iff now >= new - tau, else wait new - tau - now.
//
// Any window W admits at most burst + W * count / period: smooth, but not "at most count in any
// period" (that is sliding_window.h). T is rounded up, so rounding never admits more.
#pragma once

#include <cstdint>

namespace tollgate::proxy {

struct GcraRate {
  int64_t interval = 0;   // T, ns a unit; at least 1
  int64_t tolerance = 0;  // tau, ns
  friend bool operator==(const GcraRate&, const GcraRate&) = default;
};

// `count` units each `period_ns`, of which `burst` may come at once. All must be positive.
// Saturates instead of overflowing (then it admits less).
GcraRate MakeGcraRate(uint32_t count, int64_t period_ns, uint32_t burst);

// How long `cost` units (at most the burst) have to wait; 0: there is room now.
int64_t GcraWait(const GcraRate& rate, int64_t tat, int64_t now, uint32_t cost);

// The state after `cost` units were taken, whether or not there was room.
int64_t GcraTake(const GcraRate& rate, int64_t tat, int64_t now, uint32_t cost);

// Units that could be taken at `now`.
uint32_t GcraRemaining(const GcraRate& rate, int64_t tat, int64_t now);

// How long until one unit more than those could be taken; 0: the bucket is full.
int64_t GcraReset(const GcraRate& rate, int64_t tat, int64_t now);

// Units consumed and not yet earned back, rounded up.
int64_t GcraConsumed(const GcraRate& rate, int64_t tat, int64_t now);

// State of a bucket of rate `to` of which as many units are consumed as of `tat` at rate `from`,
// but no more than its burst (a tightened limit is at worst exhausted).
int64_t GcraConvert(const GcraRate& from, int64_t tat, const GcraRate& to, int64_t now);

// State of a bucket of which `units` are consumed, but no more than its burst.
int64_t GcraWithConsumed(const GcraRate& rate, int64_t units, int64_t now);

}  // namespace tollgate::proxy
