#include "proxy/event/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kPoll = Duration::zero();

// A function: GCC 12 warns of an empty lambda's bytes when AnyInvocable is moved (-O2).
void MustNotRun() { FAIL(); }

class Handler final : public IoHandler {
 public:
  explicit Handler(std::function<void(IoEvents)> run) : run_(std::move(run)) {}
  void OnIo(IoEvents events) override {
    ++calls;
    last = events;
    if (run_) run_(events);
  }
  int calls = 0;
  IoEvents last;

 private:
  std::function<void(IoEvents)> run_;
};

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0); }
  ~Pair() {
    for (int f : fd) {
      if (f >= 0) close(f);
    }
  }
  void Close(int i) {
    close(fd[i]);
    fd[i] = -1;
  }
  void Say(int i) { EXPECT_EQ(send(fd[i], "x", 1, 0), 1); }
  int fd[2];
};

class LoopTest : public testing::Test {
 protected:
  LoopTest() : loop_(*Loop::Create(clock_)) {}
  FakeClock clock_;
  std::unique_ptr<Loop> loop_;
};

TEST_F(LoopTest, ReportsEachEdgeOnce) {
  Pair pair;
  Handler handler(nullptr);
  ASSERT_TRUE(loop_->Watch(pair.fd[0], &handler).ok());
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 1);  // writable from the beginning
  EXPECT_TRUE(handler.last.writable);
  EXPECT_FALSE(handler.last.readable);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 1);
  pair.Say(1);
  loop_->RunOnce(kPoll);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 2);
  EXPECT_TRUE(handler.last.readable);
  EXPECT_FALSE(handler.last.hangup);
  pair.Close(1);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 3);
  EXPECT_TRUE(handler.last.readable);
  EXPECT_TRUE(handler.last.hangup);
  loop_->Unwatch(pair.fd[0], &handler);
}

TEST_F(LoopTest, ReportsALevelUntilItIsGone) {
  Pair pair;
  Handler handler(nullptr);
  ASSERT_TRUE(loop_->WatchLevel(pair.fd[0], &handler).ok());
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 0);
  pair.Say(1);
  loop_->RunOnce(kPoll);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 2);
  loop_->Unwatch(pair.fd[0], &handler);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, 2);
}

TEST_F(LoopTest, RefusesADescriptorThatIsNone) {
  Handler handler(nullptr);
  EXPECT_FALSE(loop_->Watch(-1, &handler).ok());
  EXPECT_FALSE(loop_->Watch(1'000, &handler).ok());
}

TEST_F(LoopTest, DropsEventsOfTheBatchAfterUnwatch) {
  Pair a, b;
  int total = 0;
  std::unique_ptr<Handler> first, second;
  // Whoever comes first destroys the other: its event, though collected, must not arrive.
  first = std::make_unique<Handler>([&](IoEvents) {
    ++total;
    loop_->Unwatch(b.fd[0], second.get());
    second.reset();
  });
  second = std::make_unique<Handler>([&](IoEvents) {
    ++total;
    loop_->Unwatch(a.fd[0], first.get());
    first.reset();
  });
  ASSERT_TRUE(loop_->Watch(a.fd[0], first.get()).ok());
  ASSERT_TRUE(loop_->Watch(b.fd[0], second.get()).ok());
  loop_->RunOnce(kPoll);
  EXPECT_EQ(total, 1);
  EXPECT_TRUE((first == nullptr) != (second == nullptr));
}

TEST_F(LoopTest, DropsStaleEventsOfADescriptorNumberReusedWithinTheBatch) {
  Pair a, b, fresh;
  int stale = 0;
  Handler reborn([&](IoEvents) { ++stale; });
  int reused = -1;
  auto replace = [&](Pair& victim, Handler* old) {
    if (reused >= 0) return;
    reused = victim.fd[0];
    loop_->Unwatch(victim.fd[0], old);
    // The number now names another socket, full in its direction: neither readable nor writable.
    std::string fill(1 << 16, 'x');
    while (send(fresh.fd[0], fill.data(), fill.size(), 0) > 0) {
    }
    ASSERT_EQ(dup2(fresh.fd[0], victim.fd[0]), victim.fd[0]);
    ASSERT_TRUE(loop_->Watch(victim.fd[0], &reborn).ok());
  };
  Handler *pa = nullptr, *pb = nullptr;
  Handler ha([&](IoEvents) { replace(b, pb); });
  Handler hb([&](IoEvents) { replace(a, pa); });
  pa = &ha;
  pb = &hb;
  ASSERT_TRUE(loop_->Watch(a.fd[0], &ha).ok());
  ASSERT_TRUE(loop_->Watch(b.fd[0], &hb).ok());
  a.Say(1);
  b.Say(1);
  loop_->RunOnce(kPoll);
  ASSERT_GE(reused, 0);
  EXPECT_EQ(stale, 0);
  EXPECT_EQ(ha.calls + hb.calls, 1);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(stale, 0);
  fresh.Say(1);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(stale, 1);  // its own event does arrive
}

TEST_F(LoopTest, LetsOneHandlerWatchTwoDescriptors) {
  Pair a, b;
  Handler handler([&](IoEvents) { loop_->Unwatch(a.fd[0], &handler); });
  ASSERT_TRUE(loop_->Watch(a.fd[0], &handler).ok());
  ASSERT_TRUE(loop_->Watch(b.fd[0], &handler).ok());
  loop_->RunOnce(kPoll);
  const int before = handler.calls;
  a.Say(1);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, before);
  b.Say(1);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(handler.calls, before + 1);
  loop_->Unwatch(b.fd[0], &handler);
}

TEST_F(LoopTest, FiresTimersByItsClock) {
  int fired = 0;
  Timer timer([&] {
    ++fired;
    EXPECT_EQ(loop_->now(), clock_.Mono());
  });
  loop_->ArmAfter(timer, milliseconds(250));
  loop_->RunOnce(kPoll);
  clock_.Advance(milliseconds(249));
  loop_->RunOnce(kPoll);
  EXPECT_EQ(fired, 0);
  clock_.Advance(milliseconds(1));
  loop_->RunOnce(seconds(60));  // the clock says that it is due: does not wait
  EXPECT_EQ(fired, 1);
  loop_->ArmAfter(timer, Duration::max());
  EXPECT_EQ(timer.deadline(), kNever);
}

TEST(LoopWithSystemClock, SleepsUntilTheTimerAndNeverFiresEarly) {
  SystemClock clock;
  auto loop = *Loop::Create(clock);
  bool fired = false;
  Timer timer([&] {
    fired = true;
    EXPECT_GE(clock.Mono(), timer.deadline());
  });
  loop->ArmAfter(timer, milliseconds(3));
  int iterations = 0;
  while (!fired) {
    loop->RunOnce(seconds(10));
    ++iterations;
  }
  EXPECT_LE(iterations, 3);
}

TEST_F(LoopTest, RunsDeferredWorkOnceAtTheEndOfTheIteration) {
  std::string order;
  Deferred second([&] { order += "second "; });
  Deferred task([&] {
    order += "deferred ";
    loop_->Defer(second);  // still the same iteration
  });
  Timer timer([&] {
    order += "timer ";
    loop_->Defer(task);
  });
  Pair pair;
  Handler handler([&](IoEvents) {
    order += "io ";
    loop_->Defer(task);
  });
  ASSERT_TRUE(loop_->Watch(pair.fd[0], &handler).ok());
  loop_->Post([&] {
    order += "mail ";
    loop_->Defer(task);
  });
  loop_->Arm(timer, loop_->now());
  loop_->RunOnce(kPoll);
  EXPECT_EQ(order, "io mail timer deferred second ");
  loop_->Unwatch(pair.fd[0], &handler);
}

TEST_F(LoopTest, DoesNotSleepOverDeferredWork) {
  bool ran = false;
  Deferred task([&] { ran = true; });
  loop_->Defer(task);
  loop_->RunOnce(seconds(60));
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, ForgetsADestroyedDeferredTask) {
  auto doomed = std::make_unique<Deferred>(MustNotRun);
  Deferred killer([&] { doomed.reset(); });
  loop_->Defer(killer);
  loop_->Defer(*doomed);
  loop_->RunOnce(kPoll);
  EXPECT_EQ(doomed, nullptr);
}

TEST_F(LoopTest, OutlivesOrPredeceasesItsDeferredTasksAlike) {
  Deferred task(MustNotRun);
  loop_->Defer(task);
  loop_.reset();
}

TEST_F(LoopTest, RunsLettersInOrderAndTheirPostsNextTime) {
  std::string order;
  loop_->Post([&] {
    order += "a";
    loop_->Post([&] { order += "c"; });
  });
  loop_->Post([&] { order += "b"; });
  loop_->RunOnce(seconds(60));
  EXPECT_EQ(order, "ab");
  loop_->RunOnce(seconds(60));
  EXPECT_EQ(order, "abc");
}

TEST_F(LoopTest, DestroysUnreadLetters) {
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> seen = owned;
  loop_->Post([owned = std::move(owned)] { FAIL(); });
  loop_.reset();
  EXPECT_TRUE(seen.expired());
}

TEST(LoopThreads, DeliversEveryLetterOfEveryThreadInOrder) {
  SystemClock clock;
  auto loop = *Loop::Create(clock);
  constexpr int kThreads = 4, kLetters = 5'000;
  int next[kThreads] = {};
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kLetters; ++i) {
        loop->Post([&, t, i] {
          EXPECT_EQ(next[t]++, i);
          if (++total == kThreads * kLetters) loop->Stop();
        });
      }
    });
  }
  loop->Run();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(total, kThreads * kLetters);
}

// Each letter is posted when the other loop is (about to be) asleep: a lost wake-up would hang.
TEST(LoopThreads, NeverLoseAWakeUp) {
  SystemClock clock;
  auto a = *Loop::Create(clock);
  auto b = *Loop::Create(clock);
  int rounds = 0;
  std::function<void()> ping = [&] {
    b->Post([&] {
      a->Post([&] {
        if (++rounds < 20'000) return ping();
        b->Stop();
        a->Stop();
      });
    });
  };
  std::thread thread([&] { b->Run(); });
  a->Post(ping);
  a->Run();
  thread.join();
  EXPECT_EQ(rounds, 20'000);
}

TEST(LoopThreads, RunWhatWasPostedBeforeStop) {
  SystemClock clock;
  for (int i = 0; i < 200; ++i) {
    auto loop = *Loop::Create(clock);
    bool ran = false;
    std::thread thread([&] { loop->Run(); });
    loop->Post([&] { ran = true; });
    loop->Stop();
    thread.join();
    EXPECT_TRUE(ran);
  }
}

}  // namespace
}  // namespace tollgate::proxy
