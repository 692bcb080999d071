// CrashingFiles: the FileSystem on a CrashingDisk. With it a test crashes whatever is written
// through FileSystem (last-known-good, peppers) at any step, and looks at what is left:
//
//   CrashingDisk disk(seed);
//   CrashingFiles files(&disk);
//   disk.CrashAfter(n);            // the n-th change of the disk from now fails, then all do
//   ... use files; errors are what the process sees as the power goes ...
//   disk.Restart(CrashingDisk::Loss::kRandom);
//   ... read with files: what a process sees after the reboot ...
#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "tests/fakes/crashing_disk.h"

namespace tollgate::fakes {

class CrashingFiles final : public FileSystem {
 public:
  explicit CrashingFiles(CrashingDisk* disk) : disk_(disk) {}

  absl::StatusOr<FileInfo> Stat(const std::string& path) override {
    CrashingDisk::Handle handle;
    RETURN_IF_ERROR(disk_->Open(path, /*create=*/false, /*exclusive=*/false, &handle));
    FileInfo info{.size = 0, .mode = 0600};
    RETURN_IF_ERROR(disk_->Size(handle, &info.size));
    return info;
  }
  absl::StatusOr<std::string> Read(const std::string& path, size_t max_bytes) override {
    CrashingDisk::Handle handle;
    RETURN_IF_ERROR(disk_->Open(path, /*create=*/false, /*exclusive=*/false, &handle));
    uint64_t size = 0;
    RETURN_IF_ERROR(disk_->Size(handle, &size));
    if (size > max_bytes) return absl::ResourceExhaustedError(path);
    std::string content;
    RETURN_IF_ERROR(disk_->Read(handle, 0, size, &content));
    return content;
  }
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    if (disk_->crashed()) return absl::UnavailableError("the power is off");
    if (!disk_->TryLock(path)) {
      return absl::FailedPreconditionError(absl::StrCat("'", path, "' is locked"));
    }
    return std::make_unique<HeldLock>(disk_, path);
  }

 private:
  class HeldLock final : public FileLock {
   public:
    HeldLock(CrashingDisk* disk, std::string path)
        : disk_(disk), path_(std::move(path)), generation_(disk->generation()) {}
    ~HeldLock() override { disk_->Unlock(path_, generation_); }

   private:
    CrashingDisk* disk_;
    std::string path_;
    uint64_t generation_;
  };

  absl::Status CreateSynced(const std::string& path, absl::string_view content) override {
    CrashingDisk::Handle handle;
    RETURN_IF_ERROR(disk_->Open(path, /*create=*/true, /*exclusive=*/true, &handle));
    RETURN_IF_ERROR(disk_->Write(handle, 0, content));
    return disk_->Sync(handle);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return disk_->Rename(from, to);
  }
  absl::Status Unlink(const std::string& path) override { return disk_->Unlink(path); }
  absl::StatusOr<bool> IsDirectory(const std::string& path) override {
    if (disk_->crashed()) return absl::UnavailableError("the power is off");
    bool directory = false;
    if (!disk_->Exists(path, &directory)) return absl::NotFoundError(path);
    return directory;
  }
  absl::Status CreateDirectory(const std::string& path) override {
    return disk_->MakeDirectory(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    return disk_->SyncDirectory(path);
  }

  CrashingDisk* disk_;
};

}  // namespace tollgate::fakes
