// The store on a disk that loses unsynced writes: random transactions, the power failing at random
// changes of the disk, and after each reboot a comparison with a model of what was acknowledged.
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "control-plane/store/sqlite_store.h"
#include "gtest/gtest.h"
#include "tests/fakes/crashing_files.h"
#include "tests/fakes/crashing_vfs.h"

namespace tollgate::control {
namespace {

using fakes::CrashingDisk;
using fakes::CrashingFiles;
using fakes::CrashingVfs;
using Content = std::map<std::string, std::string>;

constexpr char kPath[] = "/var/lib/tollgate/store.db";

struct Machine {
  explicit Machine(uint64_t seed) : disk(seed), files(&disk), vfs(&disk) {}
  absl::StatusOr<std::unique_ptr<SqliteStore>> Open() {
    return SqliteStore::Open({.path = kPath, .vfs = vfs.name(), .sweep_interval = Duration::zero()},
                             files, clock);
  }
  CrashingDisk disk;
  CrashingFiles files;
  CrashingVfs vfs;
  FakeClock clock;
};

Content Read(RevStore& store, Revision revision = 0) {
  const auto range = store.Range({.revision = revision});
  EXPECT_TRUE(range.ok()) << range.status();
  Content content;
  if (range.ok()) {
    for (const KeyValue& kv : range->kvs) content[kv.key] = kv.value;
  }
  return content;
}

TxnRequest RandomTxn(Random& random, Content* content) {
  TxnRequest txn;
  const uint32_t operations = 1 + random.Below(12);
  std::map<std::string, Operation> chosen;
  for (uint32_t i = 0; i < operations; ++i) {
    const std::string key = absl::StrCat("key/", random.Below(60));
    if (random.Below(4) == 0) {
      chosen[key] = Operation::Delete(key);
    } else {
      const std::string value(random.Below(random.Below(10) == 0 ? 30000 : 300),
                              static_cast<char>('a' + random.Below(26)));
      chosen[key] = Operation::Put(key, value);
    }
  }
  for (auto& [key, operation] : chosen) {
    if (operation.kind == Operation::Kind::kPut) {
      (*content)[key] = operation.value;
    } else {
      content->erase(key);
    }
    txn.then.push_back(operation);
  }
  return txn;
}

struct Totals {
  int crashes = 0;
  int unknown = 0;            // transactions that were cut off
  int unknown_committed = 0;  // of these, there after the reboot
  int acknowledged = 0;
  int crashes_in_open = 0;
};

// One machine, from its first boot through several crashes.
void Live(uint64_t seed, Totals* totals) {
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  Random random(seed);
  Machine machine(seed);
  Content acknowledged;
  Revision revision = 0;
  std::string incarnation;
  for (int boot = 0; boot < 8; ++boot) {
    const bool short_life = random.Below(4) == 0;  // dies while it opens, or soon after
    if (random.Below(3) == 0) {
      machine.disk.CrashAtSync(1 + random.Below(40));
    } else {
      machine.disk.CrashAfter(1 + random.Below(short_life ? 40 : 1500));
    }
    auto opened = machine.Open();
    std::optional<Content> perhaps;  // what a transaction that was cut off would have made
    if (opened.ok()) {
      SqliteStore& store = **opened;
      ASSERT_EQ(Read(store), acknowledged);
      ASSERT_EQ(*store.CurrentRevision(), revision);
      if (incarnation.empty()) incarnation = store.incarnation();
      ASSERT_EQ(store.incarnation(), incarnation);
      while (!machine.disk.crashed()) {
        if (revision > 20 && random.Below(40) == 0) {
          store.Compact(revision - random.Below(10)).IgnoreError();
          continue;
        }
        Content next = acknowledged;
        const Revision before = revision;
        const auto result = store.Txn(RandomTxn(random, &next));
        if (!result.ok()) {
          ASSERT_TRUE(machine.disk.crashed()) << result.status();
          perhaps = next;
          ++totals->unknown;
          // A store that does not know what its disk holds serves nothing more.
          ASSERT_FALSE(store.Txn({.then = {Operation::Put("x", "y")}}).ok());
          break;
        }
        acknowledged = next;
        revision = result->revision;
        totals->acknowledged += revision > before;
      }
    } else {
      ASSERT_TRUE(machine.disk.crashed()) << opened.status();
      ++totals->crashes_in_open;
    }
    if (opened.ok()) opened->reset();
    ++totals->crashes;
    machine.disk.Restart(random.Below(3) == 0 ? CrashingDisk::Loss::kAll
                                              : CrashingDisk::Loss::kRandom);
    // Look at what is left, undisturbed.
    auto after = machine.Open();
    ASSERT_TRUE(after.ok()) << after.status();
    const Content found = Read(**after);
    const Revision found_revision = *(*after)->CurrentRevision();
    if (perhaps.has_value() && found_revision == revision + 1) {
      ASSERT_EQ(found, *perhaps) << "a transaction is there in part";
      acknowledged = *perhaps;
      revision = found_revision;
      ++totals->unknown_committed;
    } else {
      ASSERT_EQ(found_revision, revision);
      ASSERT_EQ(found, acknowledged) << "an acknowledged transaction is lost";
    }
    // The log tells the same as the keys: replaying the past gives the present.
    if (revision > 0) {
      ASSERT_EQ(Read(**after, revision), acknowledged);
      if (incarnation.empty()) incarnation = (*after)->incarnation();
    }
  }
}

TEST(SqliteCrash, LosesNoAcknowledgedTransactionAndKeepsNoneInPart) {
  Totals totals;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    Live(seed, &totals);
    if (testing::Test::HasFatalFailure()) return;
  }
  std::printf(
      "%d crashes (%d while opening), %d transactions acknowledged, %d cut off, of which %d "
      "had been committed\n",
      totals.crashes, totals.crashes_in_open, totals.acknowledged, totals.unknown,
      totals.unknown_committed);
  // Otherwise the test would show nothing.
  EXPECT_GT(totals.acknowledged, 1000);
  EXPECT_GT(totals.unknown, 60);
  EXPECT_GT(totals.unknown_committed, 3);
  EXPECT_GT(totals.crashes_in_open, 3);
}

// The proof that the test above can fail: without syncs, acknowledged transactions are lost.
TEST(SqliteCrash, FindsWhatALazyStoreWouldLose) {
  Machine machine(7);
  auto lazy = [&] {
    auto db = SqlDatabase::Open(kPath, machine.vfs.name());
    EXPECT_TRUE(db.ok()) << db.status();
    EXPECT_TRUE((*db)
                    ->Execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=NORMAL; CREATE TABLE IF NOT EXISTS t(x);")
                    .ok());
    return *std::move(db);
  };
  ASSERT_TRUE(machine.files.MakeDirectory(ParentDirectory(kPath)).ok());
  ASSERT_TRUE(machine.files.Write(kPath, "").ok());
  auto db = lazy();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(db->Execute("INSERT INTO t VALUES(1)").ok());
  machine.disk.Crash();
  db.reset();
  machine.disk.Restart(CrashingDisk::Loss::kAll);
  EXPECT_NE(*lazy()->Text("SELECT count(*) FROM t"), "10");
}

TEST(SqliteCrash, SaysThatItHasFailedAndStops) {
  Machine machine(1);
  auto store = machine.Open();
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->Txn({.then = {Operation::Put("a", "1")}}).ok());
  absl::Status told;
  std::mutex mutex;
  std::condition_variable changed;
  const auto watch = (*store)->Watch("", 0, [&](const absl::StatusOr<WatchBatch>& batch) {
    const std::lock_guard<std::mutex> lock(mutex);
    told = batch.status();
    changed.notify_all();
  });
  ASSERT_TRUE(watch.ok());
  machine.disk.CrashAfter(1);
  EXPECT_FALSE((*store)->Txn({.then = {Operation::Put("a", "2")}}).ok());
  const absl::Status status = (*store)->Range({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("restart the control plane"), absl::string_view::npos);
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return !told.ok(); }));
}

}  // namespace
}  // namespace tollgate::control
