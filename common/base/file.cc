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

absl::Status FileSystem::Write(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  // A leftover of a crash may have other permissions: always start from a new file.
  absl::Status status = Unlink(temporary);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  status = CreateSynced(temporary, content);
  if (status.ok()) status = Rename(temporary, path);
  if (!status.ok()) {
    Unlink(temporary).IgnoreError();
    return status;
  }
  return SyncDirectory(ParentDirectory(path));
}

absl::Status FileSystem::Remove(const std::string& path) {
  const absl::Status status = Unlink(path);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  // Also when it was gone: the one who removed it may have died before the name was synced.
  return SyncDirectory(ParentDirectory(path));
}

absl::Status FileSystem::MakeDirectory(const std::string& path) {
  const absl::StatusOr<bool> is_directory = IsDirectory(path);
  if (is_directory.ok() && *is_directory) return absl::OkStatus();
  if (is_directory.ok()) {
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' is not a directory"));
  }
  if (!absl::IsNotFound(is_directory.status())) return is_directory.status();
  const std::string parent = ParentDirectory(path);
  if (parent != path) RETURN_IF_ERROR(MakeDirectory(parent));
  const absl::Status status = CreateDirectory(path);
  if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
  return SyncDirectory(parent);
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

absl::Status PosixFileSystem::CreateSynced(const std::string& path, absl::string_view content) {
  Descriptor file = Open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file.ok()) return Failed("create", path);
  RETURN_IF_ERROR(WriteAll(file.get(), content, path));
  if (fsync(file.get()) != 0) return Failed("sync", path);
  return absl::OkStatus();
}

absl::Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return Failed("replace", to);
  return absl::OkStatus();
}

absl::Status PosixFileSystem::Unlink(const std::string& path) {
  if (unlink(path.c_str()) != 0) return Failed("remove", path);
  return absl::OkStatus();
}

absl::StatusOr<bool> PosixFileSystem::IsDirectory(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return Failed("find", path);
  return S_ISDIR(st.st_mode);
}

absl::Status PosixFileSystem::CreateDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) return Failed("create directory", path);
  return absl::OkStatus();
}

absl::Status PosixFileSystem::SyncDirectory(const std::string& path) {
  Descriptor dir = Open(path, O_RDONLY | O_DIRECTORY);
  if (!dir.ok()) return Failed("open directory", path);
  if (fsync(dir.get()) != 0) return Failed("sync directory", path);
  return absl::OkStatus();
}

}  // namespace tollgate
