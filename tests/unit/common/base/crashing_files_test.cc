// FileSystem::Write on a disk that loses unsynced data: the order of its steps, and the fake
// itself.
#include "tests/fakes/crashing_files.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using fakes::CrashingDisk;
using fakes::CrashingFiles;

TEST(CrashingFiles, KeepsTheOldOrTheNewContentWholeWhereverThePowerFails) {
  int crashes = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    CrashingDisk disk(seed);
    CrashingFiles files(&disk);
    const std::string old_content(3000, 'o');
    const std::string new_content(5000, 'n');
    ASSERT_TRUE(files.MakeDirectory("/var/lib").ok());
    ASSERT_TRUE(files.Write("/var/lib/a", old_content).ok());
    disk.CrashAfter(static_cast<uint32_t>(seed % 8) + 1);
    const bool acknowledged = files.Write("/var/lib/a", new_content).ok();
    crashes += disk.crashed();
    disk.Restart(seed % 3 == 0 ? CrashingDisk::Loss::kAll : CrashingDisk::Loss::kRandom);
    const auto content = files.Read("/var/lib/a", 10000);
    ASSERT_TRUE(content.ok()) << content.status();
    EXPECT_TRUE(*content == new_content || (!acknowledged && *content == old_content));
    // And it goes on from whatever the crash left behind.
    ASSERT_TRUE(files.Write("/var/lib/a", "later").ok());
    EXPECT_EQ(*files.Read("/var/lib/a", 10), "later");
  }
  EXPECT_GT(crashes, 150);
}

TEST(CrashingFiles, NeverBringsBackAFileWhoseRemovalWasAcknowledged) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    CrashingDisk disk(seed);
    CrashingFiles files(&disk);
    ASSERT_TRUE(files.Write("/a", "x").ok());
    disk.CrashAfter(static_cast<uint32_t>(seed % 3) + 1);
    const bool acknowledged = files.Remove("/a").ok();
    disk.Restart(CrashingDisk::Loss::kRandom);
    if (acknowledged) {
      EXPECT_TRUE(absl::IsNotFound(files.Stat("/a").status()));
    }
  }
}

TEST(CrashingDisk, LosesWhatWasNotSynced) {
  CrashingDisk disk(1);
  CrashingDisk::Handle file;
  ASSERT_TRUE(disk.Open("/a", true, true, &file).ok());
  ASSERT_TRUE(disk.Write(file, 0, "synced").ok());
  ASSERT_TRUE(disk.Sync(file).ok());
  ASSERT_TRUE(disk.SyncDirectory("/").ok());
  ASSERT_TRUE(disk.Write(file, 0, "UNSYNC").ok());
  ASSERT_TRUE(disk.Open("/b", true, true, &file).ok());
  ASSERT_TRUE(disk.Sync(file).ok());  // the content, not the name
  disk.Crash();
  EXPECT_FALSE(disk.Write(file, 0, "x").ok());
  disk.Restart(CrashingDisk::Loss::kAll);
  EXPECT_FALSE(disk.Write(file, 0, "an old handle").ok());
  CrashingFiles files(&disk);
  EXPECT_EQ(*files.Read("/a", 10), "synced");
  EXPECT_TRUE(absl::IsNotFound(files.Stat("/b").status()));
}

TEST(CrashingDisk, TearsAWriteAtSectors) {
  bool torn = false;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CrashingDisk disk(seed);
    CrashingDisk::Handle file;
    ASSERT_TRUE(disk.Open("/a", true, true, &file).ok());
    ASSERT_TRUE(disk.Write(file, 0, std::string(2048, 'o')).ok());
    ASSERT_TRUE(disk.Sync(file).ok());
    ASSERT_TRUE(disk.SyncDirectory("/").ok());
    ASSERT_TRUE(disk.Write(file, 0, std::string(2048, 'n')).ok());
    disk.Restart(CrashingDisk::Loss::kRandom);
    const std::string content = *CrashingFiles(&disk).Read("/a", 4096);
    torn |= content.find('o') != std::string::npos && content.find('n') != std::string::npos;
  }
  EXPECT_TRUE(torn);
}

TEST(CrashingFiles, FreesLocksInACrash) {
  CrashingDisk disk(1);
  CrashingFiles files(&disk);
  auto lock = files.Lock("/l");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(files.Lock("/l").status().code(), absl::StatusCode::kFailedPrecondition);
  disk.Restart(CrashingDisk::Loss::kAll);
  auto again = files.Lock("/l");
  ASSERT_TRUE(again.ok());
  lock->reset();  // of the life before: must not free the new one
  EXPECT_FALSE(files.Lock("/l").ok());
}

}  // namespace
}  // namespace tollgate
