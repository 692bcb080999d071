#include "proxy/limit/sliding_window.h"

#include <deque>

#include "common/base/random.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

void Add(StampRing& ring, int64_t stamp, uint32_t cost, uint32_t max) {
  ring.Grow(ring.CapacityFor(cost, max));
  ring.Push(stamp, cost);
}

TEST(StampRing, KeepsTheNewest) {
  StampRing ring;
  for (int64_t t = 1; t <= 100; ++t) Add(ring, t, 1, 5);
  EXPECT_EQ(ring.size(), 5u);
  EXPECT_EQ(ring.capacity(), 5u);
  EXPECT_EQ(ring.Newest(1), 100);
  EXPECT_EQ(ring.Newest(5), 96);
  EXPECT_EQ(ring.CountAfter(97), 3u);
  EXPECT_EQ(ring.CountAfter(100), 0u);
  EXPECT_EQ(ring.CountAfter(0), 5u);
}

TEST(StampRing, GrowsOnlyAsFarAsItIsUsed) {
  StampRing ring;
  Add(ring, 1, 1, 1'000'000);
  EXPECT_EQ(ring.heap_bytes(), 0u) << "two stamps live in the object";
  Add(ring, 2, 2, 1'000'000);
  EXPECT_EQ(ring.capacity(), 4u);
  // What has left every window makes room before the ring grows.
  ring.DropUntil(2);
  EXPECT_EQ(ring.CapacityFor(4, 1'000'000), 4u);
  Add(ring, 3, 4, 1'000'000);
  EXPECT_EQ(ring.capacity(), 4u);
}

TEST(StampRing, AgreesWithADeque) {
  Random random(7);
  StampRing ring;
  std::deque<int64_t> model;
  int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    now += random.Below(3);
    const uint32_t cost = 1 + random.Below(4);
    if (random.Below(8) == 0) {
      const int64_t until = now - random.Below(40);
      ring.DropUntil(until);
      while (!model.empty() && model.front() <= until) model.pop_front();
    }
    Add(ring, now, cost, 37);
    for (uint32_t i = 0; i < cost; ++i) model.push_back(now);
    while (model.size() > 37) model.pop_front();
    ASSERT_EQ(ring.size(), model.size());
    for (uint32_t n = 1; n <= ring.size(); ++n) {
      ASSERT_EQ(ring.Newest(n), model[model.size() - n]);
    }
    const int64_t t = now - random.Below(50);
    uint32_t later = 0;
    for (int64_t stamp : model) later += stamp > t;
    ASSERT_EQ(ring.CountAfter(t), later);
  }
}

TEST(SlidingWindow, HasRoomAgainExactlyOnePeriodLater) {
  StampRing ring;
  Add(ring, 100, 2, 3);
  Add(ring, 150, 1, 3);
  const SlidingWindow window{3, 1000};
  EXPECT_EQ(SlidingWait(ring, window, 150, 1), 950);
  EXPECT_EQ(SlidingWait(ring, window, 1099, 2), 1);
  EXPECT_EQ(SlidingWait(ring, window, 1100, 2), 0);
  EXPECT_EQ(SlidingWait(ring, window, 1100, 3), 50);
  EXPECT_EQ(SlidingRemaining(ring, window, 1099), 0u);
  EXPECT_EQ(SlidingRemaining(ring, window, 1100), 2u);
}

}  // namespace
}  // namespace tollgate::proxy
