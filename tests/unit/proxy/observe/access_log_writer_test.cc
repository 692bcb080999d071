#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proxy/net/socket.h"
#include "proxy/observe/access_log.h"

namespace tollgate::proxy {
namespace {

using testing::HasSubstr;

class AccessLogWriterTest : public testing::Test {
 protected:
  AccessLogWriterTest() {
    std::string pattern = testing::TempDir() + "/access_log_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/access.log";
  }
  ~AccessLogWriterTest() override {
    for (const char* name : {"/access.log", "/rotated.log"}) unlink((directory_ + name).c_str());
    rmdir(directory_.c_str());
  }
  static std::string Read(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }

  std::string directory_;
  std::string path_;
};

// A disk that is told how many bytes it takes before it fails.
class Disk {
 public:
  AccessLogWriter::Options options(size_t queue_bytes = 1 << 20) {
    AccessLogWriter::Options options;
    options.queue_bytes = queue_bytes;
    options.write = [this](int, const char* data, size_t size) { return Write(data, size); };
    return options;
  }
  void Room(size_t bytes, int error = ENOSPC) {
    std::lock_guard<std::mutex> lock(mutex_);
    room_ = bytes;
    error_ = error;
  }
  std::string content() {
    std::lock_guard<std::mutex> lock(mutex_);
    return content_;
  }

 private:
  ssize_t Write(const char* data, size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (room_ == 0) {
      errno = error_;
      return -1;
    }
    const size_t taken = std::min(size, room_);
    room_ -= taken;
    content_.append(data, taken);
    return static_cast<ssize_t>(taken);
  }
  std::mutex mutex_;
  std::string content_;
  size_t room_ = SIZE_MAX;
  int error_ = ENOSPC;
};

TEST_F(AccessLogWriterTest, AppendsWholeBatchesToItsFile) {
  std::ofstream(path_) << "before\n";
  auto writer = *AccessLogWriter::Open(path_);
  EXPECT_TRUE(writer->Submit("one\ntwo\n", 2));
  EXPECT_TRUE(writer->Submit("three\n", 1));
  writer->Flush();
  EXPECT_EQ(Read(path_), "before\none\ntwo\nthree\n");
  EXPECT_EQ(writer->written(), 3u);
  EXPECT_EQ(writer->dropped(), 0u);
}

TEST_F(AccessLogWriterTest, IsNotReadableByOthers) {
  auto writer = *AccessLogWriter::Open(path_);
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07137, 0u);  // at most 0640
}

TEST_F(AccessLogWriterTest, WritesWhatIsQueuedWhenItEnds) {
  { (*AccessLogWriter::Open(path_))->Submit("last\n", 1); }
  EXPECT_EQ(Read(path_), "last\n");
}

TEST_F(AccessLogWriterTest, EndsTheHalfLineOfAKilledProcess) {
  std::ofstream(path_) << "{\"half\":";
  auto writer = *AccessLogWriter::Open(path_);
  writer->Submit("whole\n", 1);
  writer->Flush();
  EXPECT_EQ(Read(path_), "{\"half\":\nwhole\n");
}

TEST_F(AccessLogWriterTest, NamesThePathThatCannotBeOpened) {
  const auto writer = AccessLogWriter::Open(directory_ + "/none/access.log");
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr("/none/access.log"));
  EXPECT_FALSE(AccessLogWriter::Open(directory_).ok());
}

TEST_F(AccessLogWriterTest, IsNullWhenThereIsNoLog) {
  auto writer = AccessLogWriter::Open("");
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(*writer, nullptr);
  AccessLog log(writer->get());
  log.Write({});
  EXPECT_FALSE(log.pending());
}

TEST_F(AccessLogWriterTest, GoesOnInTheNewFileAfterReopen) {
  auto writer = *AccessLogWriter::Open(path_);
  writer->Submit("old\n", 1);
  writer->Flush();
  const std::string rotated = directory_ + "/rotated.log";
  ASSERT_EQ(rename(path_.c_str(), rotated.c_str()), 0);
  ASSERT_TRUE(writer->Reopen().ok());
  writer->Submit("new\n", 1);
  writer->Flush();
  EXPECT_EQ(Read(rotated), "old\n");
  EXPECT_EQ(Read(path_), "new\n");
}

TEST_F(AccessLogWriterTest, KeepsTheOldFileWhenReopenFails) {
  auto writer = *AccessLogWriter::Open(path_);
  const std::string rotated = directory_ + "/rotated.log";
  ASSERT_EQ(rename(path_.c_str(), rotated.c_str()), 0);
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  EXPECT_THAT(std::string(writer->Reopen().message()), HasSubstr(path_));
  writer->Submit("still\n", 1);
  writer->Flush();
  EXPECT_EQ(Read(rotated), "still\n");
  rmdir(path_.c_str());
}

TEST_F(AccessLogWriterTest, CountsEveryLineThatAFullDiskRefuses) {
  auto writer = *AccessLogWriter::Open("/dev/full");
  for (int i = 0; i < 100; ++i) writer->Submit("a\nb\nc\n", 3);
  writer->Flush();
  EXPECT_EQ(writer->written(), 0u);
  EXPECT_EQ(writer->dropped(), 300u);
}

TEST_F(AccessLogWriterTest, CompletesTheTornLineWhenThereIsRoomAgain) {
  Disk disk;
  auto writer = *AccessLogWriter::Open(path_, disk.options());
  disk.Room(6);
  writer->Submit("one\ntwo\nthree\nfour\n", 4);  // "one\ntw"
  while (writer->dropped() < 2) std::this_thread::yield();
  EXPECT_EQ(disk.content(), "one\ntw");
  EXPECT_EQ(writer->written(), 1u);
  EXPECT_EQ(writer->dropped(), 2u);  // "two" is not lost yet
  disk.Room(SIZE_MAX);
  writer->Submit("five\n", 1);
  writer->Flush();
  EXPECT_EQ(disk.content(), "one\ntwo\nfive\n");
  EXPECT_EQ(writer->written(), 3u);
  EXPECT_EQ(writer->dropped(), 2u);
}

TEST_F(AccessLogWriterTest, EndsTheTornLineThatWasGivenUp) {
  Disk disk;
  auto writer = *AccessLogWriter::Open(path_, disk.options());
  disk.Room(6);
  writer->Submit("one\ntwo\nthree\n", 3);
  writer->Flush();
  EXPECT_EQ(writer->written(), 1u);
  EXPECT_EQ(writer->dropped(), 2u);  // exact now, and "two" can't be both
  disk.Room(SIZE_MAX);
  writer->Submit("four\n", 1);
  writer->Flush();
  EXPECT_EQ(disk.content(), "one\ntw\nfour\n");
  EXPECT_EQ(writer->written() + writer->dropped(), 4u);
}

TEST_F(AccessLogWriterTest, LosesNothingWhenTheDiskFillsBetweenLines) {
  Disk disk;
  auto writer = *AccessLogWriter::Open(path_, disk.options());
  disk.Room(4, EIO);
  writer->Submit("one\ntwo\n", 2);
  writer->Flush();
  disk.Room(SIZE_MAX);
  writer->Submit("three\n", 1);
  writer->Flush();
  EXPECT_EQ(disk.content(), "one\nthree\n");
  EXPECT_EQ(writer->written(), 2u);
  EXPECT_EQ(writer->dropped(), 1u);
}

TEST_F(AccessLogWriterTest, IsExactForEveryPlaceWhereTheDiskCanFill) {
  const std::string lines = "a\nbb\nccc\ndddd\n";
  for (size_t room = 0; room <= lines.size(); ++room) {
    Disk disk;
    auto writer = *AccessLogWriter::Open(path_, disk.options());
    disk.Room(room);
    writer->Submit(std::string(lines), 4);
    writer->Submit(std::string(lines), 4);
    writer->Flush();
    EXPECT_EQ(writer->written() + writer->dropped(), 8u) << room;
    disk.Room(SIZE_MAX);
    writer->Submit(std::string(lines), 4);
    writer->Flush();
    EXPECT_EQ(writer->written() + writer->dropped(), 12u) << room;
    EXPECT_TRUE(disk.content().ends_with("\n" + lines) || disk.content() == lines) << room;
    // Whole lines in the file are those counted as written.
    uint64_t whole = 0;
    for (absl::string_view line : absl::StrSplit(disk.content(), '\n')) {
      whole += line == "a" || line == "bb" || line == "ccc" || line == "dddd";
    }
    // A torn "bb" looks like... "b"; a torn "ccc" like "c" or "cc": none looks whole, except that
    // the newline alone was missing.
    const bool only_newline = room == 1 || room == 4 || room == 8 || room == 13;
    EXPECT_EQ(whole, writer->written() + (only_newline ? 1 : 0)) << room;
  }
}

TEST_F(AccessLogWriterTest, NeverHoldsUpTheWorkerWhenTheReaderOfItsPipeIsSlow) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  AccessLogWriter::Options options;
  options.queue_bytes = 256 << 10;
  auto writer = *AccessLogWriter::Open(path_, options);
  const std::string line = absl::StrCat(std::string(1'023, 'x'), "\n");
  uint64_t submitted = 0, refused = 0;
  while (refused < 100) {
    ++submitted;
    if (!writer->Submit(std::string(line), 1)) ++refused;
  }
  EXPECT_EQ(writer->dropped(), refused);
  EXPECT_GE(submitted - refused, 256u);  // what was queued is not lost

  // The reader wakes up: everything that was taken arrives.
  std::string content;
  std::atomic<bool> done{false};
  std::thread drain([&] {
    std::vector<char> buffer(64 << 10);
    while (true) {
      const bool last = done;
      const ssize_t n = read(reader.get(), buffer.data(), buffer.size());
      if (n > 0) content.append(buffer.data(), static_cast<size_t>(n));
      if (n <= 0 && last) break;
      if (n <= 0) std::this_thread::yield();
    }
  });
  writer->Flush();
  done = true;
  drain.join();
  EXPECT_EQ(writer->written() + writer->dropped(), submitted);
  EXPECT_EQ(content.size(), writer->written() * line.size());
}

TEST_F(AccessLogWriterTest, EndsThoughNobodyReadsItsPipe) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto writer = *AccessLogWriter::Open(path_);
  const std::string lines = absl::StrCat(std::string(99'999, 'x'), "\n");
  for (int i = 0; i < 20; ++i) writer->Submit(std::string(lines), 1);
  writer->Flush();
  EXPECT_EQ(writer->written(), 0u);
  EXPECT_EQ(writer->dropped(), 20u);
}

TEST_F(AccessLogWriterTest, SurvivesAReaderThatWent) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto writer = *AccessLogWriter::Open(path_);
  reader.reset();
  writer->Submit("gone\n", 1);  // EPIPE, and no signal
  writer->Flush();
  EXPECT_EQ(writer->dropped(), 1u);
}

TEST_F(AccessLogWriterTest, GivesBuffersBack) {
  auto writer = *AccessLogWriter::Open(path_);
  std::string lines = absl::StrCat(std::string(5'000, 'x'), "\n");
  writer->Submit(std::move(lines), 1);
  writer->Flush();
  lines = absl::StrCat(std::string(5'000, 'y'), "\n");
  writer->Submit(std::move(lines), 1);
  EXPECT_TRUE(lines.empty());           // NOLINT: documented
  EXPECT_GE(lines.capacity(), 5'000u);  // the first batch's memory
}

TEST_F(AccessLogWriterTest, CountsExactlyWhileWorkersReopenAndFailuresMeet) {
  Disk disk;
  auto writer = *AccessLogWriter::Open(path_, disk.options(16 << 10));
  std::atomic<bool> stop{false};
  std::thread trouble([&] {
    for (int i = 0; !stop; ++i) {
      disk.Room(static_cast<size_t>(i * 37 % 4'000), i % 2 == 0 ? ENOSPC : EAGAIN);
      if (i % 8 == 0) disk.Room(SIZE_MAX);
      if (i % 100 == 0) {
        EXPECT_TRUE(writer->Reopen().ok());
      }
      std::this_thread::yield();
    }
    disk.Room(SIZE_MAX);
  });
  constexpr int kWorkers = 4, kLines = 5'000;
  std::vector<std::thread> workers;
  for (int w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&writer, w] {
      AccessLog log(writer.get());
      const std::string id = absl::StrCat("worker-", w);
      AccessRecord record;
      record.request_id = id;
      for (int i = 0; i < kLines; ++i) {
        log.Write(record);
        if (i % 7 == 0) log.Flush();
      }
      log.Flush();
    });
  }
  for (std::thread& worker : workers) worker.join();
  stop = true;
  trouble.join();
  writer->Flush();
  EXPECT_EQ(writer->written() + writer->dropped(), uint64_t{kWorkers} * kLines);
}

}  // namespace
}  // namespace tollgate::proxy
