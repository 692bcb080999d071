// No decision differs by worker count: the same sequence of (time, key, cost), spread over one, two
// or four threads that take turns, is decided alike; and threads that take no turns never admit
// more between them than one would have.
#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

struct Request {
  MonoTime at;
  size_t plan;
  std::string key;
  uint32_t cost;
};

std::vector<std::shared_ptr<const LimitPlan>> Plans() {
  PlanPolicy gcra = Policy(LimitAlgorithm::kGcra, {PerSecond(4), PerMinute(40)}, 3);
  gcra.name = "gcra";
  return {Sliding({PerSecond(3), PerMinute(30)}), LimitPlan::Compile(gcra)};
}

std::vector<Request> Sequence(uint64_t seed, int length) {
  Random random(seed);
  std::vector<Request> sequence;
  int64_t ms = 0;
  for (int i = 0; i < length; ++i) {
    // Workers read their clocks at different moments: some are late.
    const uint32_t what = random.Below(100);
    if (what < 50) ms += random.Below(40);
    if (what == 99) ms += random.Below(3000);
    const int64_t late = what > 90 ? random.Below(200) : 0;
    sequence.push_back({At(1) + std::chrono::milliseconds(std::max<int64_t>(ms - late, 0)),
                        random.Below(2), absl::StrCat("key-", random.Below(50)),
                        1 + (random.Below(3) == 0 ? 1u : 0u)});
  }
  return sequence;
}

std::vector<LimitDecision> DecideOn(int threads, const std::vector<Request>& sequence) {
  const auto plans = Plans();
  LimitTable table;  // each with another secret: other shards, other chains
  std::vector<LimitDecision> decisions(sequence.size());
  // Whose turn it is changes at random, so that a key wanders from thread to thread.
  Random random(7);
  std::vector<int> whose(sequence.size());
  for (size_t i = 0; i < whose.size(); ++i) {
    const bool same = i > 0 && random.Below(8) != 0;
    whose[i] = same ? whose[i - 1] : static_cast<int>(random.Below(static_cast<uint32_t>(threads)));
  }
  std::atomic<size_t> next{0};
  const auto work = [&](int me) {
    for (size_t i = next.load(); i < sequence.size(); i = next.load()) {
      if (whose[i] != me) {
        next.wait(i);
        continue;
      }
      const Request& r = sequence[i];
      decisions[i] = table.Check(plans[r.plan], r.key, r.at, r.cost);
      if (i % 97 == 0) table.Sweep(r.at, 100);
      next.store(i + 1);
      if (i + 1 == sequence.size() || whose[i + 1] != me) next.notify_all();
    }
  };
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) running.emplace_back(work, t);
  for (std::thread& thread : running) thread.join();
  return decisions;
}

TEST(LimitWorkers, DecideAlikeHoweverManyTheyAre) {
  for (const uint64_t seed : {11, 12, 13}) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::vector<Request> sequence = Sequence(seed, 20'000);
    const std::vector<LimitDecision> one = DecideOn(1, sequence);
    int refused = 0;
    for (const LimitDecision& d : one) refused += !d.allowed;
    EXPECT_GT(refused, 2000);
    EXPECT_LT(refused, 18'000);
    for (const int threads : {2, 4}) {
      SCOPED_TRACE(absl::StrCat(threads, " threads"));
      const std::vector<LimitDecision> many = DecideOn(threads, sequence);
      for (size_t i = 0; i < one.size(); ++i) {
        ASSERT_EQ(many[i].allowed, one[i].allowed) << i;
        ASSERT_EQ(many[i].remaining, one[i].remaining) << i;
        ASSERT_EQ(many[i].retry_after, one[i].retry_after) << i;
        ASSERT_EQ(many[i].window, one[i].window) << i;
      }
    }
  }
}

TEST(LimitWorkers, NeverAdmitMoreBetweenThemThanOneWould) {
  for (const auto& plan : Plans()) {
    LimitTable shared, alone;
    constexpr int kThreads = 4;
    constexpr int kTries = 40;
    std::atomic<int> admitted{0};
    // All threads ask at one moment, then at the next: what they get together is what one gets.
    std::barrier moment(kThreads + 1);
    constexpr int kMoments = 300;
    const auto when = [](int i) { return At(0.07 * i); };
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kMoments; ++i) {
          moment.arrive_and_wait();
          for (int n = 0; n < kTries; ++n) {
            admitted += shared.Check(plan, "key", when(i)).allowed;
          }
          moment.arrive_and_wait();
        }
      });
    }
    for (int i = 0; i < kMoments; ++i) {
      moment.arrive_and_wait();
      moment.arrive_and_wait();
      int expected = 0;
      for (int n = 0; n < kThreads * kTries; ++n) {
        expected += alone.Check(plan, "key", when(i)).allowed;
      }
      EXPECT_EQ(admitted.exchange(0), expected) << "moment " << i;
    }
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace tollgate::proxy
