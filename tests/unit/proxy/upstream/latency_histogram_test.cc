#include "proxy/upstream/latency_histogram.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LatencyHistogram, GivesBackWhatWasAddedWithinThreePercent) {
  LatencyHistogram histogram;
  for (Duration latency = microseconds(40); latency < seconds(100); latency += latency / 7) {
    histogram.Add(latency);
    const auto taken = histogram.Take(50);
    ASSERT_TRUE(taken.has_value());
    EXPECT_NEAR(static_cast<double>(taken->count()), static_cast<double>(latency.count()),
                0.032 * static_cast<double>(latency.count()));
  }
}

TEST(LatencyHistogram, AnythingHasABucket) {
  LatencyHistogram histogram;
  for (const Duration latency : {Duration(-5), Duration(0), Duration(1), Duration(hours(100))}) {
    histogram.Add(latency);
    EXPECT_TRUE(histogram.Take(99).has_value());
  }
}

TEST(LatencyHistogram, TakesAPercentileAndBeginsAnew) {
  LatencyHistogram histogram;
  EXPECT_FALSE(histogram.Take(50).has_value());
  for (int ms = 1; ms <= 100; ++ms) histogram.Add(milliseconds(ms));
  EXPECT_NEAR(static_cast<double>(histogram.Take(90)->count()), 90e6, 0.032 * 90e6);
  EXPECT_FALSE(histogram.Take(90).has_value());
  histogram.Add(milliseconds(3));
  EXPECT_NEAR(static_cast<double>(histogram.Take(1)->count()), 3e6, 0.032 * 3e6);
}

TEST(LatencyHistogram, LosesNothingBetweenThreads) {
  LatencyHistogram histogram;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&histogram] {
      for (int i = 0; i < 10000; ++i) histogram.Add(milliseconds(i < 5100 ? 1 : 100));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_LT(*histogram.Take(50), milliseconds(2));
}

}  // namespace
}  // namespace tollgate::proxy
