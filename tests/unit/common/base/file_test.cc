#include "common/base/file.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate {
namespace {

using testing::HasSubstr;

class PosixFiles : public testing::Test {
 protected:
  PosixFiles() {
    std::string name = absl::StrCat(testing::TempDir(), "/files.XXXXXX");
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  ~PosixFiles() override { std::filesystem::remove_all(dir_); }
  std::string Path(absl::string_view name) const { return absl::StrCat(dir_, "/", name); }

  std::string dir_;
  PosixFileSystem files_;
};

TEST_F(PosixFiles, ReadsWhatWasWritten) {
  ASSERT_TRUE(files_.Write(Path("a"), "one").ok());
  ASSERT_TRUE(files_.Write(Path("a"), "two").ok());
  EXPECT_EQ(*files_.Read(Path("a"), 100), "two");
  EXPECT_EQ(*files_.Stat(Path("a")), (FileInfo{.size = 3, .mode = 0600}));
  EXPECT_EQ(files_.Stat(Path("a.tmp")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixFiles, ReplacesAnOpenFileByOneForUsAlone) {
  std::ofstream(Path("a")) << "old";
  std::ofstream(Path("a.tmp")) << "left behind by a crash";
  ASSERT_EQ(chmod(Path("a").c_str(), 0644), 0);
  ASSERT_EQ(chmod(Path("a.tmp").c_str(), 0666), 0);
  ASSERT_TRUE(files_.Write(Path("a"), "new").ok());
  EXPECT_EQ(*files_.Stat(Path("a")), (FileInfo{.size = 3, .mode = 0600}));
}

TEST_F(PosixFiles, NamesTheFileThatIsMissing) {
  const absl::Status status = files_.Read(Path("none"), 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("none")));
}

TEST_F(PosixFiles, RefusesAFileLongerThanAllowed) {
  ASSERT_TRUE(files_.Write(Path("a"), "12345").ok());
  EXPECT_TRUE(files_.Read(Path("a"), 5).ok());
  EXPECT_EQ(files_.Read(Path("a"), 4).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(PosixFiles, RemovesAFileOnceAndForAll) {
  ASSERT_TRUE(files_.Write(Path("a"), "x").ok());
  EXPECT_TRUE(files_.Remove(Path("a")).ok());
  EXPECT_TRUE(files_.Remove(Path("a")).ok());
  EXPECT_EQ(files_.Stat(Path("a")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixFiles, MakesADirectoryForUsAloneWithItsParents) {
  ASSERT_TRUE(files_.MakeDirectory(Path("x/y")).ok());
  ASSERT_TRUE(files_.MakeDirectory(Path("x/y")).ok());
  struct stat st;
  ASSERT_EQ(stat(Path("x/y").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
  ASSERT_TRUE(files_.Write(Path("file"), "").ok());
  EXPECT_FALSE(files_.MakeDirectory(Path("file")).ok());
  EXPECT_FALSE(files_.Stat(Path("x")).ok());
}

TEST_F(PosixFiles, LetsOneHolderHaveTheLockAndNamesIt) {
  auto lock = files_.Lock(Path("lock"));
  ASSERT_TRUE(lock.ok()) << lock.status();
  const absl::Status second = files_.Lock(Path("lock")).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.message()), HasSubstr(Path("lock")));
  EXPECT_THAT(std::string(second.message()), HasSubstr(absl::StrCat("process ", getpid())));
  lock->reset();
  EXPECT_TRUE(files_.Lock(Path("lock")).ok());
}

TEST_F(PosixFiles, FreesTheLockOfAProcessThatDied) {
  const pid_t child = fork();
  if (child == 0) {
    auto lock = files_.Lock(Path("lock"));
    _exit(lock.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(files_.Lock(Path("lock")).ok());
}

TEST(ParentDirectory, IsWhatStandsBeforeTheLastName) {
  EXPECT_EQ(ParentDirectory("a/b/c"), "a/b");
  EXPECT_EQ(ParentDirectory("a/b/"), "a");
  EXPECT_EQ(ParentDirectory("/c"), "/");
  EXPECT_EQ(ParentDirectory("c"), ".");
}

}  // namespace
}  // namespace tollgate
