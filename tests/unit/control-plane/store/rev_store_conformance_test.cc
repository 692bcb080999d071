#include "tests/unit/control-plane/store/rev_store_conformance.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"

namespace tollgate::control {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> RevStoreConformance::List(const RangeRequest& request) {
  const auto result = store().Range(request);
  if (!result.ok()) return {absl::StatusCodeToString(result.status().code())};
  std::vector<std::string> lines;
  for (const KeyValue& kv : result->kvs) {
    lines.push_back(absl::StrCat(kv.key, "=", kv.value, "@", kv.mod_revision));
  }
  if (result->more) lines.push_back("more");
  return lines;
}

WatchCallback WatchLog::callback() {
  return [this](const absl::StatusOr<WatchBatch>& batch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_FALSE(ended_) << "a call after the error";
    if (!batch.ok()) {
      ended_ = true;
      lines_.push_back(absl::StatusCodeToString(batch.status().code()));
    } else {
      std::vector<std::string> events;
      for (const Event& e : batch->events) {
        EXPECT_EQ(e.kv.mod_revision, batch->revision);
        events.push_back(e.kind == Event::Kind::kPut
                             ? absl::StrCat("put ", e.kv.key, "=", e.kv.value)
                             : absl::StrCat("delete ", e.kv.key));
      }
      lines_.push_back(absl::StrCat(batch->revision, ": ", absl::StrJoin(events, ", ")));
    }
    changed_.notify_all();
  };
}

std::vector<std::string> WatchLog::WaitFor(size_t n) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, seconds(20), [&] { return lines_.size() >= n || ended_; });
  return lines_;
}

namespace {

TEST_P(RevStoreConformance, StartsEmptyAtRevisionZero) {
  EXPECT_EQ(*store().CurrentRevision(), 0);
  EXPECT_THAT(List({}), IsEmpty());
  EXPECT_FALSE(store().incarnation().empty());
}

TEST_P(RevStoreConformance, GivesEachWriteTheNextRevision) {
  EXPECT_EQ(Put("a", "1"), 1);
  EXPECT_EQ(Put("b", "2"), 2);
  EXPECT_EQ(Put("a", "3"), 3);
  EXPECT_THAT(List({}), ElementsAre("a=3@3", "b=2@2"));
  EXPECT_EQ(**Get(store(), "a"), (KeyValue{.key = "a",
                                           .value = "3",
                                           .create_revision = 1,
                                           .mod_revision = 3,
                                           .version = 2,
                                           .lease = 0}));
}

TEST_P(RevStoreConformance, StartsAKeyAnewAfterItWasDeleted) {
  Put("a", "1");
  EXPECT_EQ(Delete("a"), 2);
  EXPECT_FALSE(Get(store(), "a")->has_value());
  Put("a", "2");
  EXPECT_EQ((*Get(store(), "a"))->create_revision, 3);
  EXPECT_EQ((*Get(store(), "a"))->version, 1);
}

TEST_P(RevStoreConformance, KeepsTheRevisionWhenNothingChanges) {
  Put("a", "1");
  EXPECT_EQ(Delete("none"), 1);
  EXPECT_EQ(store().Txn({})->revision, 1);
  EXPECT_EQ(Put("a", "1"), 2) << "a put of the same value is a change";
}

TEST_P(RevStoreConformance, KeepsEveryByteOfKeysAndValues) {
  const std::string key("k\0\xff'", 4);
  const std::string value("\0\x01\xff\0", 4);
  Put(key, value);
  Put("empty", "");
  EXPECT_EQ((*Get(store(), key))->value, value);
  EXPECT_EQ((*Get(store(), "empty"))->value, "");
}

TEST_P(RevStoreConformance, DoesThenOrElseAsTheComparesSay) {
  TxnRequest create{.compares = {{"a", 0}},
                    .then = {Operation::Put("a", "new")},
                    .otherwise = {Operation::Put("lost", "1")}};
  EXPECT_TRUE(store().Txn(create)->succeeded);
  EXPECT_FALSE(store().Txn(create)->succeeded);
  EXPECT_THAT(List({}), ElementsAre("a=new@1", "lost=1@2"));
  TxnRequest update{.compares = {{"a", 1}, {"lost", 2}}, .then = {Operation::Put("a", "newer")}};
  EXPECT_TRUE(store().Txn(update)->succeeded);
  EXPECT_FALSE(store().Txn(update)->succeeded) << "a has moved to 3";
  EXPECT_EQ(*store().CurrentRevision(), 3);
}

TEST_P(RevStoreConformance, GivesAllKeysOfATransactionOneRevision) {
  Put("old", "x");
  EXPECT_EQ(store()
                .Txn({.then = {Operation::Put("a", "1"), Operation::Delete("old"),
                               Operation::Put("b", "2")}})
                ->revision,
            2);
  EXPECT_THAT(List({}), ElementsAre("a=1@2", "b=2@2"));
}

TEST_P(RevStoreConformance, DoesNothingOfATransactionThatItRefuses) {
  const auto status =
      store().Txn({.then = {Operation::Put("a", "1"), Operation::Put("b", "2", 77)}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_THAT(List({}), IsEmpty());
  EXPECT_EQ(Put("c", "3"), 1);
}

TEST_P(RevStoreConformance, EnforcesTheLimitsOfEtcd) {
  TxnRequest many;
  for (size_t i = 0; i < kMaxTxnOperations; ++i) {
    many.then.push_back(Operation::Put(absl::StrCat("k", i), "v"));
  }
  EXPECT_TRUE(store().Txn(many).ok());
  many.then.push_back(Operation::Put("one too many", "v"));
  EXPECT_EQ(store().Txn(many).status().code(), absl::StatusCode::kInvalidArgument);

  EXPECT_TRUE(
      store().Txn({.then = {Operation::Put("k", std::string(kMaxTxnBytes - 1, 'v'))}}).ok());
  EXPECT_EQ(
      store().Txn({.then = {Operation::Put("k", std::string(kMaxTxnBytes, 'v'))}}).status().code(),
      absl::StatusCode::kInvalidArgument);

  for (const Operation& second : {Operation::Put("a", "2"), Operation::Delete("a")}) {
    EXPECT_EQ(store().Txn({.then = {Operation::Put("a", "1"), second}}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(store().Txn({.then = {Operation::Put("", "1")}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(store()
                  .Txn({.compares = {{"a", 0}},
                        .then = {Operation::Put("a", "1")},
                        .otherwise = {Operation::Put("a", "2")}})
                  .ok())
      << "one key may be in both branches";
}

TEST_P(RevStoreConformance, ReadsAPrefixInPages) {
  for (const char* key : {"b/2", "a", "b/1", "b", "c", "b/3"}) Put(key, "v");
  EXPECT_THAT(List({.prefix = "b/"}), ElementsAre("b/1=v@3", "b/2=v@1", "b/3=v@6"));
  EXPECT_THAT(List({.prefix = "b/", .limit = 2}), ElementsAre("b/1=v@3", "b/2=v@1", "more"));
  EXPECT_THAT(List({.prefix = "b/", .limit = 2, .start_key = std::string("b/2\0", 4)}),
              ElementsAre("b/3=v@6"));
  EXPECT_THAT(List({.prefix = "b/", .limit = 3}), ElementsAre("b/1=v@3", "b/2=v@1", "b/3=v@6"));
  EXPECT_THAT(List({.prefix = "b/", .start_key = "a"}), testing::SizeIs(3));
  EXPECT_THAT(List({.prefix = "b/2", .keys_only = true}), ElementsAre("b/2=@1"));
  EXPECT_THAT(List({.prefix = "nothing"}), IsEmpty());
}

TEST_P(RevStoreConformance, ReadsPrefixesThatEndInTheLastByte) {
  Put("\xff", "1");
  Put("\xff\xff", "2");
  Put("\xfe", "0");
  EXPECT_THAT(List({.prefix = "\xff"}), testing::SizeIs(2));
}

TEST_P(RevStoreConformance, ReadsThePast) {
  Put("a", "1");
  Put("b", "2");
  Put("a", "3");
  Delete("b");
  EXPECT_THAT(List({.revision = 1}), ElementsAre("a=1@1"));
  EXPECT_THAT(List({.revision = 2}), ElementsAre("a=1@1", "b=2@2"));
  EXPECT_THAT(List({.revision = 3}), ElementsAre("a=3@3", "b=2@2"));
  EXPECT_THAT(List({.revision = 4}), ElementsAre("a=3@3"));
  EXPECT_THAT(List({.prefix = "b", .revision = 3, .limit = 1}), ElementsAre("b=2@2"));
  EXPECT_EQ((*Get(store(), "a", 2))->version, 1);
  EXPECT_THAT(List({.revision = 5}), ElementsAre("OUT_OF_RANGE"));
}

TEST_P(RevStoreConformance, ForgetsWhatWasCompactedAndNothingElse) {
  Put("a", "1");
  Put("b", "2");
  Put("a", "3");
  Delete("b");
  Put("c", "5");
  Put("a", "6");
  ASSERT_TRUE(store().Compact(4).ok());
  EXPECT_THAT(List({.revision = 3}), ElementsAre("OUT_OF_RANGE"));
  EXPECT_THAT(List({.revision = 4}), ElementsAre("a=3@3"));
  EXPECT_THAT(List({.revision = 5}), ElementsAre("a=3@3", "c=5@5"));
  EXPECT_THAT(List({}), ElementsAre("a=6@6", "c=5@5"));
  EXPECT_EQ(store().Compact(4).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(store().Compact(7).code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(store().Compact(6).ok());
  EXPECT_THAT(List({.revision = 6}), ElementsAre("a=6@6", "c=5@5"));
}

TEST_P(RevStoreConformance, WatchReplaysThenGoesOnLive) {
  Put("w/a", "1");
  Put("other", "2");
  store()
      .Txn({.then = {Operation::Put("w/b", "3"), Operation::Delete("w/a"),
                     Operation::Put("x", "3")}})
      .IgnoreError();
  WatchLog log;
  const auto watch = store().Watch("w/", 1, log.callback());
  ASSERT_TRUE(watch.ok());
  EXPECT_THAT(log.WaitFor(2), ElementsAre("1: put w/a=1", "3: put w/b=3, delete w/a"));
  Put("w/c", "4");
  Put("other", "5");
  Put("w/d", "6");
  EXPECT_THAT(log.WaitFor(4), ElementsAre("1: put w/a=1", "3: put w/b=3, delete w/a",
                                          "4: put w/c=4", "6: put w/d=6"));
}

TEST_P(RevStoreConformance, WatchFromZeroBeginsWithTheNextRevision) {
  Put("a", "1");
  WatchLog log;
  const auto watch = store().Watch("", 0, log.callback());
  ASSERT_TRUE(watch.ok());
  Put("a", "2");
  EXPECT_THAT(log.WaitFor(1), ElementsAre("2: put a=2"));
}

TEST_P(RevStoreConformance, WatchWaitsForAFutureRevision) {
  WatchLog log;
  const auto watch = store().Watch("", 3, log.callback());
  ASSERT_TRUE(watch.ok());
  for (const char* value : {"1", "2", "3"}) Put("a", value);
  EXPECT_THAT(log.WaitFor(1), ElementsAre("3: put a=3"));
}

TEST_P(RevStoreConformance, WatchRefusesToStartInWhatWasCompacted) {
  for (const char* value : {"1", "2", "3"}) Put("a", value);
  ASSERT_TRUE(store().Compact(2).ok());
  WatchLog log;
  for (const Revision from : {1, 2}) {
    EXPECT_EQ(store().Watch("", from, log.callback()).status().code(),
              absl::StatusCode::kOutOfRange);
  }
  EXPECT_EQ(store().Watch("", -1, log.callback()).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto watch = store().Watch("", 3, log.callback());
  ASSERT_TRUE(watch.ok());
  EXPECT_THAT(log.WaitFor(1), ElementsAre("3: put a=3"));
}

// A latch that one side opens.
class Gate {
 public:
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return open_; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST_P(RevStoreConformance, ASlowWatchDelaysNeitherWritersNorOtherWatches) {
  Gate called, release;
  WatchLog slow_log, log;
  auto record = slow_log.callback();
  const auto slow = store().Watch("", 1, [&](const absl::StatusOr<WatchBatch>& batch) {
    called.Open();
    release.Wait();
    record(batch);
  });
  const auto watch = store().Watch("", 1, log.callback());
  ASSERT_TRUE(slow.ok() && watch.ok());
  Put("a", "1");
  called.Wait();
  for (int i = 2; i <= 600; ++i) Put("a", absl::StrCat(i));
  EXPECT_EQ(log.WaitFor(600).size(), 600u);
  release.Open();
  const std::vector<std::string> lines = slow_log.WaitFor(600);
  ASSERT_EQ(lines.size(), 600u);
  EXPECT_EQ(lines.back(), "600: put a=600");
}

TEST_P(RevStoreConformance, AWatchThatFellBehindACompactionEndsWithAnError) {
  Gate called, release;
  WatchLog log;
  auto record = log.callback();
  const auto watch = store().Watch("", 1, [&](const absl::StatusOr<WatchBatch>& batch) {
    record(batch);
    called.Open();
    release.Wait();
  });
  ASSERT_TRUE(watch.ok());
  Put("a", "1");
  called.Wait();
  Put("a", "2");
  Put("a", "3");
  ASSERT_TRUE(store().Compact(2).ok());
  release.Open();
  EXPECT_THAT(log.WaitFor(2), ElementsAre("1: put a=1", "OUT_OF_RANGE"));
}

TEST_P(RevStoreConformance, NoCallbackRunsAfterTheWatchIsGone) {
  std::atomic<bool> gone{false};
  Gate called;
  auto watch = store().Watch("", 1, [&](const absl::StatusOr<WatchBatch>&) {
    EXPECT_FALSE(gone);
    called.Open();
  });
  ASSERT_TRUE(watch.ok());
  Put("a", "1");
  called.Wait();
  watch->reset();
  gone = true;
  Put("a", "2");
}

TEST_P(RevStoreConformance, AWatchMayBeEndedByItsCallback) {
  std::unique_ptr<Watcher> watcher;
  Gate started, ended;
  auto watch = store().Watch("", 1, [&](const absl::StatusOr<WatchBatch>&) {
    started.Wait();
    watcher.reset();
    ended.Open();
  });
  ASSERT_TRUE(watch.ok());
  watcher = *std::move(watch);
  started.Open();
  Put("a", "1");
  Put("a", "2");
  ended.Wait();
}

TEST_P(RevStoreConformance, ACallbackMayUseTheStore) {
  WatchLog log;
  auto record = log.callback();
  const auto watch = store().Watch("in/", 1, [&](const absl::StatusOr<WatchBatch>& batch) {
    if (batch.ok()) Put("out", absl::StrCat(List({.prefix = "in/"}).size()));
    record(batch);
  });
  ASSERT_TRUE(watch.ok());
  Put("in/a", "1");
  EXPECT_THAT(log.WaitFor(1), ElementsAre("1: put in/a=1"));
  EXPECT_EQ((*Get(store(), "out"))->value, "1");
}

TEST_P(RevStoreConformance, DeletesTheKeysOfALeaseThatWasNotKeptAliveInOneRevision) {
  const LeaseId lease = *store().GrantLease(seconds(10));
  Put("a", "1", lease);
  Put("b", "2", lease);
  Put("c", "3");
  EXPECT_EQ((*Get(store(), "a"))->lease, lease);
  WatchLog log;
  const auto watch = store().Watch("", 4, log.callback());
  ASSERT_TRUE(watch.ok());
  engine_->Advance(seconds(9));
  ASSERT_TRUE(store().KeepAlive(lease).ok());
  engine_->Advance(seconds(9));
  EXPECT_EQ(*store().CurrentRevision(), 3);
  engine_->Advance(seconds(1));
  EXPECT_THAT(log.WaitFor(1), ElementsAre("4: delete a, delete b"));
  EXPECT_THAT(List({}), ElementsAre("c=3@3"));
  EXPECT_EQ(store().KeepAlive(lease).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().Txn({.then = {Operation::Put("d", "4", lease)}}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(RevStoreConformance, RevokesALeaseWithItsKeys) {
  const LeaseId lease = *store().GrantLease(seconds(10));
  Put("a", "1", lease);
  Put("b", "2", lease);
  Put("b", "3");  // no longer of the lease
  ASSERT_TRUE(store().RevokeLease(lease).ok());
  EXPECT_THAT(List({}), ElementsAre("b=3@3"));
  EXPECT_EQ(store().RevokeLease(lease).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().GrantLease(Duration::zero()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(RevStoreConformance, NeverUsesALeaseIdAgain) {
  const LeaseId first = *store().GrantLease(seconds(10));
  ASSERT_TRUE(store().RevokeLease(first).ok());
  EXPECT_NE(*store().GrantLease(seconds(10)), first);
}

TEST_P(RevStoreConformance, KeepsEverythingOverARestart) {
  Put("a", "1");
  Put("a", "2");
  const LeaseId lease = *store().GrantLease(seconds(10));
  Put("l", "3", lease);
  ASSERT_TRUE(store().Compact(1).ok());
  engine_->Advance(seconds(9));
  const std::string incarnation = store().incarnation();
  engine_->Restart();
  EXPECT_EQ(store().incarnation(), incarnation);
  EXPECT_THAT(List({}), ElementsAre("a=2@2", "l=3@3"));
  EXPECT_THAT(List({.revision = 2}), ElementsAre("a=2@2"));
  WatchLog log;
  EXPECT_FALSE(store().Watch("", 1, log.callback()).ok());
  const auto watch = store().Watch("", 2, log.callback());
  ASSERT_TRUE(watch.ok());
  EXPECT_THAT(log.WaitFor(2), ElementsAre("2: put a=2", "3: put l=3"));
  EXPECT_EQ(Put("b", "4"), 4);
  // A lease has its full time again.
  engine_->Advance(seconds(9));
  EXPECT_TRUE(store().KeepAlive(lease).ok());
  engine_->Advance(seconds(10));
  EXPECT_FALSE(Get(store(), "l")->has_value());
}

TEST_P(RevStoreConformance, LetsExactlyOneOfManyWritersWinEachCompare) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 50;
  Put("counter", "0");
  std::atomic<int> wins{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const KeyValue now = **Get(store(), "counter");
        const auto result = store().Txn(
            {.compares = {{"counter", now.mod_revision}},
             .then = {Operation::Put("counter", absl::StrCat(std::stoi(now.value) + 1))}});
        ASSERT_TRUE(result.ok());
        wins += result->succeeded;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ((*Get(store(), "counter"))->value, absl::StrCat(wins.load()));
  EXPECT_EQ(*store().CurrentRevision(), wins + 1);
  EXPECT_GT(wins, 0);
}

}  // namespace
}  // namespace tollgate::control
