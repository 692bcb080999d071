// Small files that must survive a power loss: sealed secrets, the last-known-good, locks. Programs
// own one PosixFileSystem; tests use tests/fakes/crashing_files.h, which loses what was not synced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tollgate {

struct FileInfo {
  uint64_t size = 0;
  uint32_t mode = 0;  // permission bits, e.g. 0600
  friend bool operator==(const FileInfo&, const FileInfo&) = default;
};

// Holds a lock until it is destroyed (or its process ends).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Thread-safe as long as two threads do not write the same path. The order of the steps that makes
// a write durable is here, in one place; an implementation provides the steps (private virtuals),
// so that a test on an implementation that loses unsynced data proves the order that ships.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // NotFound when there is none, FailedPrecondition when it is not a regular file.
  virtual absl::StatusOr<FileInfo> Stat(const std::string& path) = 0;

  // The whole content. NotFound; ResourceExhausted when it is longer than `max_bytes`.
  virtual absl::StatusOr<std::string> Read(const std::string& path, size_t max_bytes) = 0;

  // Replaces the file atomically and durably (temporary file, fsync, rename, fsync of the
  // directory), mode 0600. After OK it survives a power loss; after an error, or a crash on the
  // way, either the old or the new content is there, whole.
  absl::Status Write(const std::string& path, absl::string_view content);

  // Durable; OK when there is none.
  absl::Status Remove(const std::string& path);

  // A directory for us alone (0700) and its missing parents, durable. OK when it exists.
  absl::Status MakeDirectory(const std::string& path);

  // Takes an exclusive lock on a file that it creates if need be (and never removes). When another
  // process or object holds it: FailedPrecondition, naming the file and the other's pid.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;

 private:
  // A new file (AlreadyExists, mode 0600) with this content, synced; its name need not be.
  virtual absl::Status CreateSynced(const std::string& path, absl::string_view content) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Unlink(const std::string& path) = 0;               // NotFound
  virtual absl::StatusOr<bool> IsDirectory(const std::string& path) = 0;  // NotFound
  virtual absl::Status CreateDirectory(const std::string& path) = 0;      // AlreadyExists; 0700
  // Makes created, renamed and removed names durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
};

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<FileInfo> Stat(const std::string& path) override;
  absl::StatusOr<std::string> Read(const std::string& path, size_t max_bytes) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  absl::Status CreateSynced(const std::string& path, absl::string_view content) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Unlink(const std::string& path) override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
};

// "a/b" of "a/b/c", "/" of "/c", "." of "c".
std::string ParentDirectory(absl::string_view path);

}  // namespace tollgate
