// The conformance suite on SQLite, and what is SQLite's own: its file.
#include "control-plane/store/sqlite_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/store/rev_store_conformance.h"

namespace tollgate::control {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TempDirectory {
 public:
  TempDirectory() {
    std::string name = absl::StrCat(testing::TempDir(), "/store.XXXXXX");
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

 private:
  std::string path_;
};

class SqliteEngine final : public RevStoreEngine {
 public:
  SqliteEngine() { Open(); }
  RevStore& store() override { return *store_; }
  void Advance(Duration d) override {
    clock_.Advance(d);
    EXPECT_TRUE(store_->ExpireLeases().ok());
  }
  void Restart() override {
    store_.reset();
    Open();
  }

 private:
  void Open() {
    auto store = SqliteStore::Open(
        {.path = directory_ / "data/store.db", .sweep_interval = Duration::zero()}, files_, clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  TempDirectory directory_;
  PosixFileSystem files_;
  FakeClock clock_;
  std::unique_ptr<SqliteStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, RevStoreConformance,
                         testing::Values(RevStoreMaker{
                             "sqlite", [] { return std::make_unique<SqliteEngine>(); }}),
                         [](const auto& param) { return param.param.name; });

class SqliteFile : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<SqliteStore>> Open(bool new_incarnation = false) {
    return SqliteStore::Open({.path = path_, .new_incarnation = new_incarnation}, files_, clock_);
  }
  static mode_t Mode(const std::string& path) {
    struct stat st;
    EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777;
  }
  TempDirectory directory_;
  const std::string path_ = directory_ / "data/store.db";
  PosixFileSystem files_;
  SystemClock clock_;
};

TEST_F(SqliteFile, IsForItsOwnerAlone) {
  const auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Txn({.then = {Operation::Put("a", "1")}}).ok());
  EXPECT_EQ(Mode(directory_ / "data"), 0700u);
  for (const char* suffix : {"", "-wal", ".lock"}) {
    EXPECT_EQ(Mode(path_ + suffix), 0600u) << suffix;
  }
}

TEST_F(SqliteFile, IsRefusedWhenOthersMayReadIt) {
  ASSERT_TRUE(Open().ok());
  ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("640"), HasSubstr("chmod 600")));
}

TEST_F(SqliteFile, IsOpenedByOneStoreAtATime) {
  auto store = Open();
  ASSERT_TRUE(store.ok());
  const absl::Status second = Open().status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.message()),
              AllOf(HasSubstr(path_), HasSubstr(absl::StrCat("process ", getpid()))));
  store->reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(SqliteFile, GetsANewIncarnationWhenAsked) {
  const std::string first = (*Open())->incarnation();
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ((*Open())->incarnation(), first);
  const std::string second = (*Open(/*new_incarnation=*/true))->incarnation();
  EXPECT_NE(second, first);
  EXPECT_EQ((*Open())->incarnation(), second);
}

TEST_F(SqliteFile, IsRefusedWhenDamaged) {
  {
    const auto store = Open();
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(
          (*store)
              ->Txn({.then = {Operation::Put(absl::StrCat("key", i), std::string(500, 'v'))}})
              .ok());
    }
  }
  // All pages but the first.
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  const auto size = std::filesystem::file_size(path_);
  file.seekp(4096);
  file << std::string(size - 4096, '\xa5');
  file.close();
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kDataLoss) << Open().status();
}

TEST_F(SqliteFile, IsRefusedWhenItIsNoDatabase) {
  ASSERT_TRUE(files_.MakeDirectory(directory_ / "data").ok());
  ASSERT_TRUE(files_.Write(path_, std::string(8192, 'x')).ok());
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SqliteFile, IsRefusedWhenANewerVersionWroteIt) {
  ASSERT_TRUE(Open().ok());
  {
    auto db = SqlDatabase::Open(path_, "");
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE((*db)->Execute("PRAGMA user_version=2").ok());
  }
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 2"));
}

TEST_F(SqliteFile, IsRefusedWhenAnotherProgramWroteIt) {
  ASSERT_TRUE(files_.MakeDirectory(directory_ / "data").ok());
  ASSERT_TRUE(files_.Write(path_, "").ok());
  {
    auto db = SqlDatabase::Open(path_, "");
    ASSERT_TRUE((*db)->Execute("CREATE TABLE t(x)").ok());
  }
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SqliteFile, ExpiresLeasesByItself) {
  FakeClock clock;
  auto store = SqliteStore::Open({.path = path_, .sweep_interval = std::chrono::milliseconds(1)},
                                 files_, clock);
  ASSERT_TRUE(store.ok());
  const LeaseId lease = *(*store)->GrantLease(std::chrono::seconds(5));
  ASSERT_TRUE((*store)->Txn({.then = {Operation::Put("a", "1", lease)}}).ok());
  WatchLog log;
  const auto watch = (*store)->Watch("", 2, log.callback());
  clock.Advance(std::chrono::seconds(5));
  EXPECT_THAT(log.WaitFor(1), testing::ElementsAre("2: delete a"));
}

}  // namespace
}  // namespace tollgate::control
