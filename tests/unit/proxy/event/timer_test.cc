#include "proxy/event/timer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "common/base/random.h"

namespace tollgate::proxy {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr MonoTime kStart{Duration(1'234'567'891)};

// A function: GCC 12 warns of an empty lambda's bytes when AnyInvocable is moved (-O2).
void Nothing() {}

MonoTime At(Duration d) { return kStart + d; }

TEST(TimerWheel, FiresAtItsTimeAndNotBefore) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer([&] { ++fired; });
  wheel.Arm(timer, At(milliseconds(5)));
  EXPECT_TRUE(timer.armed());
  EXPECT_EQ(timer.deadline(), At(milliseconds(5)));
  wheel.Advance(At(milliseconds(5) - Duration(1)));
  EXPECT_EQ(fired, 0);
  wheel.Advance(At(milliseconds(5)));
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(timer.armed());
  wheel.Advance(At(milliseconds(5000)));
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, RoundsAFractionOfATickUp) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer([&] { ++fired; });
  wheel.Arm(timer, At(microseconds(4001)));
  wheel.Advance(At(microseconds(4999)));
  EXPECT_EQ(fired, 0);
  wheel.Advance(At(microseconds(5000)));
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, FiresInOrderOfTickAcrossLevels) {
  TimerWheel wheel(kStart);
  std::vector<int> order;
  std::vector<std::unique_ptr<Timer>> timers;
  const int at[] = {70'000, 3, 16'777'300, 300, 65'536, 256, 255, 257, 65'535};
  for (int ms : at) {
    timers.push_back(std::make_unique<Timer>([&order, ms] { order.push_back(ms); }));
    wheel.Arm(*timers.back(), At(milliseconds(ms)));
  }
  wheel.Advance(At(hours(24)));
  EXPECT_EQ(order, (std::vector<int>{3, 255, 256, 257, 300, 65'535, 65'536, 70'000, 16'777'300}));
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, HandlesDeadlinesBeyondTheHorizon) {
  TimerWheel wheel(kStart);
  const Duration far = milliseconds((int64_t{1} << 32) * 3 + 17);
  int fired = 0, never = 0;
  Timer timer([&] { ++fired; });
  Timer at_never([&] { ++never; });
  wheel.Arm(timer, At(far));
  wheel.Arm(at_never, kNever);
  int rounds = 0;
  while (fired == 0 && rounds < 100) {  // exactly as a loop does
    const MonoTime next = wheel.NextDeadline();
    ASSERT_LE(next, At(far));
    wheel.Advance(next);
    ++rounds;
  }
  EXPECT_EQ(fired, 1);
  EXPECT_LE(rounds, 8);
  EXPECT_EQ(never, 0);
  EXPECT_TRUE(at_never.armed());
}

TEST(TimerWheel, MovesATimerThatIsArmedAgain) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer([&] { ++fired; });
  wheel.Arm(timer, At(milliseconds(5)));
  wheel.Arm(timer, At(milliseconds(500)));
  wheel.Advance(At(milliseconds(499)));
  EXPECT_EQ(fired, 0);
  wheel.Advance(At(milliseconds(500)));
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, FiresAPastDeadlineOnTheNextAdvanceEvenIfTimeStands) {
  TimerWheel wheel(kStart);
  wheel.Advance(At(milliseconds(10)));
  int fired = 0;
  Timer timer([&] { ++fired; });
  wheel.Arm(timer, At(milliseconds(3)));
  EXPECT_EQ(wheel.NextDeadline(), At(milliseconds(10)));
  wheel.Advance(At(milliseconds(10)));
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, DoesNotSpinOnATimerThatReArmsItselfInThePast) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer([&] {
    ++fired;
    wheel.Arm(timer, At(milliseconds(0)));
  });
  wheel.Arm(timer, At(milliseconds(1)));
  wheel.Advance(At(milliseconds(50)));
  EXPECT_EQ(fired, 1);
  wheel.Advance(At(milliseconds(50)));
  EXPECT_EQ(fired, 2);
}

TEST(TimerWheel, LetsATimerFireRepeatedlyWithinOneAdvance) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer([&] { wheel.Arm(timer, At(milliseconds(10 * (++fired + 1)))); });
  wheel.Arm(timer, At(milliseconds(10)));
  wheel.Advance(At(milliseconds(1005)));
  EXPECT_EQ(fired, 100);
}

TEST(TimerWheel, AllowsTimersToDestroyThemselvesAndOthersWhileFiring) {
  TimerWheel wheel(kStart);
  std::vector<std::unique_ptr<Timer>> timers(3);
  int fired = 0;
  for (int i = 0; i < 3; ++i) {
    timers[i] = std::make_unique<Timer>([&timers, &fired] {
      int& count = fired;  // the captures die with the timer
      timers.clear();
      ++count;
    });
    wheel.Arm(*timers[i], At(milliseconds(7)));
  }
  wheel.Advance(At(milliseconds(7)));
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.NextDeadline(), kNever);
}

TEST(TimerWheel, DisarmsTimersThatOutliveIt) {
  Timer near(Nothing), far(Nothing), past(Nothing);
  {
    TimerWheel wheel(kStart);
    wheel.Arm(near, At(milliseconds(1)));
    wheel.Arm(far, At(hours(24 * 365)));
    wheel.Arm(past, At(milliseconds(0)));
  }
  EXPECT_FALSE(near.armed());
  EXPECT_FALSE(far.armed());
  EXPECT_FALSE(past.armed());
}

TEST(TimerWheel, KnowsItsNextDeadlineExactlyWithinALevelZeroTurn) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(wheel.NextDeadline(), kNever);
  Timer a(Nothing), b(Nothing);
  wheel.Arm(a, At(milliseconds(200)));
  wheel.Arm(b, At(milliseconds(20)));
  EXPECT_EQ(wheel.NextDeadline(), At(milliseconds(20)));
  b.Cancel();
  EXPECT_EQ(wheel.NextDeadline(), At(milliseconds(200)));
  a.Cancel();
  EXPECT_EQ(wheel.NextDeadline(), kNever);
}

// The reference: a deadline per timer, looked at one by one.
class Model {
 public:
  explicit Model(size_t count) : deadline_(count, kNever) {}
  void Arm(size_t i, MonoTime when) { deadline_[i] = when; }
  void Cancel(size_t i) { deadline_[i] = kNever; }
  bool armed(size_t i) const { return deadline_[i] != kNever; }
  // In whole ticks: deadlines up, now down.
  bool due(size_t i, MonoTime now) const {
    return armed(i) && Ticks(deadline_[i] + milliseconds(1) - Duration(1)) <= Ticks(now);
  }
  MonoTime deadline(size_t i) const { return deadline_[i]; }

 private:
  static int64_t Ticks(MonoTime t) { return (t - kStart) / milliseconds(1); }
  std::vector<MonoTime> deadline_;
};

Duration RandomSpan(Random& random) {
  // Every order of magnitude from 1 ns to 100 days is as likely as the next.
  return Duration(static_cast<int64_t>(std::pow(10.0, random.Unit() * 15.93)));
}

void CompareWithModel(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  constexpr size_t kTimers = 40;
  Random random(seed);
  TimerWheel wheel(kStart);
  Model model(kTimers);
  MonoTime now = kStart, previous_fired = kStart;
  std::vector<std::unique_ptr<Timer>> timers;
  for (size_t i = 0; i < kTimers; ++i) {
    timers.push_back(std::make_unique<Timer>([&, i] {
      EXPECT_TRUE(model.due(i, now)) << "timer " << i << " fired early or unarmed";
      EXPECT_GE(timers[i]->deadline() + milliseconds(1), previous_fired) << "out of order";
      previous_fired = timers[i]->deadline();
      model.Cancel(i);
      // Sometimes a callback moves or cancels another.
      const size_t other = random.Below(kTimers);
      if (random.Below(4) == 0) {
        const MonoTime when = now + RandomSpan(random);
        model.Arm(other, when);
        wheel.Arm(*timers[other], when);
      } else if (random.Below(4) == 0) {
        model.Cancel(other);
        timers[other]->Cancel();
      }
    }));
  }
  for (int step = 0; step < 400; ++step) {
    for (uint32_t n = random.Below(8); n > 0; --n) {
      const size_t i = random.Below(kTimers);
      if (random.Below(3) == 0) {
        model.Cancel(i);
        timers[i]->Cancel();
      } else {
        const MonoTime when = now + RandomSpan(random);
        model.Arm(i, when);
        wheel.Arm(*timers[i], when);
      }
    }
    // Either jump, or go where the wheel wants to go, as a loop does.
    const MonoTime next = wheel.NextDeadline();
    MonoTime first_due = kNever;
    for (size_t i = 0; i < kTimers; ++i) {
      ASSERT_EQ(timers[i]->armed(), model.armed(i)) << "timer " << i << ", step " << step;
      first_due = std::min(first_due, model.deadline(i));
    }
    ASSERT_EQ(next == kNever, first_due == kNever);
    if (next != kNever) {
      ASSERT_LT(next, first_due + milliseconds(1)) << "would sleep too long";
    }
    now = next != kNever && random.Below(2) == 0 ? std::max(now, next) : now + RandomSpan(random);
    previous_fired = kStart;
    wheel.Advance(now);
    for (size_t i = 0; i < kTimers; ++i) {
      ASSERT_FALSE(model.due(i, now)) << "timer " << i << " did not fire, step " << step;
    }
  }
}

TEST(TimerWheel, AgreesWithANaiveReference) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CompareWithModel(seed);
    if (HasFailure()) return;
  }
  const uint64_t fresh = std::random_device{}();
  std::printf("fresh seed %llu\n", static_cast<unsigned long long>(fresh));
  CompareWithModel(fresh);
}

}  // namespace
}  // namespace tollgate::proxy
