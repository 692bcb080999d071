#include "common/base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"

namespace tollgate {
namespace {

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

Descriptor Open(const std::string& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

absl::Status Failed(absl::string_view verb, const std::string& path) {
  return ErrnoStatus(errno, absl::StrCat("cannot ", verb, " '", path, "'"));
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write", path);
    content.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

// Makes created, renamed and removed names durable.
absl::Status SyncDirectory(const std::string& path) {
  Descriptor dir = Open(path, O_RDONLY | O_DIRECTORY);
  if (!dir.ok()) return Failed("open directory", path);
  if (fsync(dir.get()) != 0) return Failed("sync directory", path);
  return absl::OkStatus();
}

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;  // flock(2) ends with the open file description
};

std::string Holder(int fd) {
  char text[32];
  const ssize_t n = pread(fd, text, sizeof(text), 0);
  int64_t pid = 0;
  if (n <= 0 || !absl::SimpleAtoi(absl::string_view(text, static_cast<size_t>(n)), &pid)) {
    return "another process";
  }
  return absl::StrCat("process ", pid);
}

}  // namespace

std::string ParentDirectory(absl::string_view path) {
  while (path.size() > 1 && absl::ConsumeSuffix(&path, "/")) {
  }
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

absl::StatusOr<FileInfo> PosixFileSystem::Stat(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return Failed("find", path);
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' is not a regular file"));
  }
  return FileInfo{.size = static_cast<uint64_t>(st.st_size), .mode = st.st_mode & 07777u};
}

absl::StatusOr<std::string> PosixFileSystem::Read(const std::string& path, size_t max_bytes) {
  Descriptor file = Open(path, O_RDONLY);
  if (!file.ok()) return Failed("open", path);
  std::string content;
  char block[16384];
  for (;;) {
    const ssize_t n = read(file.get(), block, sizeof(block));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("read", path);
    if (n == 0) return content;
    if (content.size() + static_cast<size_t>(n) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("'", path, "' is longer than the allowed ", max_bytes, " bytes"));
    }
    content.append(block, static_cast<size_t>(n));
  }
}

absl::Status PosixFileSystem::Write(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  // A leftover of a crash may have other permissions: always start from a new inode.
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) return Failed("remove", temporary);
  Descriptor file = Open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file.ok()) return Failed("create", temporary);
  absl::Status status = WriteAll(file.get(), content, temporary);
  if (status.ok() && fsync(file.get()) != 0) status = Failed("sync", temporary);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = Failed("replace", path);
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(ParentDirectory(path));
}

absl::Status PosixFileSystem::Remove(const std::string& path) {
  if (unlink(path.c_str()) != 0) {
    return errno == ENOENT ? absl::OkStatus() : Failed("remove", path);
  }
  return SyncDirectory(ParentDirectory(path));
}

absl::Status PosixFileSystem::MakeDirectory(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' is not a directory"));
  }
  if (errno != ENOENT) return Failed("find", path);
  const std::string parent = ParentDirectory(path);
  if (parent != path) RETURN_IF_ERROR(MakeDirectory(parent));
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("create directory", path);
  return SyncDirectory(parent);
}

absl::StatusOr<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  Descriptor file = Open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!file.ok()) return Failed("open lock file", path);
  int result;
  do {
    result = flock(file.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' is locked by ", Holder(file.get()),
                     ": only one process may use it; stop the other one first"));
  }
  if (result != 0) return Failed("lock", path);
  if (ftruncate(file.get(), 0) != 0) return Failed("write", path);
  RETURN_IF_ERROR(WriteAll(file.get(), absl::StrCat(getpid(), "\n"), path));
  return std::make_unique<PosixLock>(std::move(file));
}

}  // namespace tollgate
