// A latency histogram with fixed bounds, counted by one thread and read by any. Cheap to count, and
// mergeable: every histogram has the same bounds.
#pragma once

#include <array>
#include <cstdint>

#include "common/base/clock.h"
#include "proxy/observe/series_table.h"

namespace tollgate::proxy {

class Histogram {
 public:
  static constexpr size_t kBounds = 16;
  // Upper bounds, inclusive, in microseconds; and the same as Prometheus says them, in seconds.
  static constexpr std::array<int64_t, kBounds> kMicros = {
      100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
  static constexpr std::array<const char*, kBounds + 1> kSeconds = {
      "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
      "0.1",    "0.25",    "0.5",    "1",     "2.5",    "5",     "10",   "+Inf"};

  // What a scrape adds up.
  struct Sums {
    std::array<uint64_t, kBounds + 1> in_bucket{};  // not cumulative
    uint64_t nanos = 0;
  };

  void Observe(Duration d) {
    const int64_t nanos = d.count() > 0 ? d.count() : 0;
    size_t bucket = 0;
    while (bucket < kBounds && nanos > kMicros[bucket] * 1'000) ++bucket;
    in_bucket_[bucket].Add(1);
    nanos_.Add(static_cast<uint64_t>(nanos));
  }
  void AddTo(Sums* sums) const {
    for (size_t i = 0; i <= kBounds; ++i) sums->in_bucket[i] += in_bucket_[i].get();
    sums->nanos += nanos_.get();
  }

 private:
  std::array<Counter, kBounds + 1> in_bucket_;
  Counter nanos_;
};

}  // namespace tollgate::proxy
