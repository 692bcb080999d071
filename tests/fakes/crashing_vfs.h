// CrashingVfs: a SQLite file layer on a CrashingDisk, so that a database can lose power at any
// write, truncation, sync, creation or removal. It keeps to what SQLite's own Unix layer promises:
// a new journal or WAL has its directory synced with its first sync (os_unix.c, UNIXFILE_DIRSYNC),
// a write damages nothing beside it (SQLITE_IOCAP_POWERSAFE_OVERWRITE). No shared memory: the
// database must use locking_mode=EXCLUSIVE. Registered under a name while it lives; it must outlive
// every database opened through it.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "tests/fakes/crashing_disk.h"

namespace tollgate::fakes {

class CrashingVfs {
 public:
  explicit CrashingVfs(CrashingDisk* disk) : disk_(disk) {
    static std::atomic<int> count{0};
    name_ = absl::StrCat("crashing-", ++count);
    // What has nothing to do with files (time, randomness) is the system's.
    vfs_ = *sqlite3_vfs_find(nullptr);
    vfs_.iVersion = 1;
    vfs_.szOsFile = sizeof(File);
    vfs_.pNext = nullptr;
    vfs_.zName = name_.c_str();
    system_ = sqlite3_vfs_find(nullptr);
    vfs_.pAppData = this;
    vfs_.xOpen = &Open;
    vfs_.xDelete = &Delete;
    vfs_.xAccess = &Access;
    vfs_.xFullPathname = &FullPathname;
    vfs_.xRandomness = [](sqlite3_vfs* v, int n, char* out) {
      return Self(v)->system_->xRandomness(Self(v)->system_, n, out);
    };
    vfs_.xSleep = [](sqlite3_vfs*, int microseconds) { return microseconds; };
    vfs_.xCurrentTime = [](sqlite3_vfs* v, double* out) {
      return Self(v)->system_->xCurrentTime(Self(v)->system_, out);
    };
    vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
    sqlite3_vfs_register(&vfs_, /*makeDflt=*/0);
  }
  ~CrashingVfs() { sqlite3_vfs_unregister(&vfs_); }
  CrashingVfs(const CrashingVfs&) = delete;
  CrashingVfs& operator=(const CrashingVfs&) = delete;

  const std::string& name() const { return name_; }

 private:
  // SQLite allocates it as raw memory.
  struct File {
    sqlite3_file base;
    CrashingVfs* vfs;
    CrashingDisk::Handle handle;
    std::string path;
    bool sync_directory;
    bool delete_on_close;
  };

  static CrashingVfs* Self(sqlite3_vfs* vfs) { return static_cast<CrashingVfs*>(vfs->pAppData); }
  static File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* out, int flags,
                  int* out_flags) {
    out->pMethods = nullptr;  // no Close after an error
    CrashingVfs* self = Self(vfs);
    const std::string path =
        name != nullptr ? name : absl::StrCat("/temporary-", ++self->temporary_);
    const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
    bool directory = false;
    const bool is_new = !self->disk_->Exists(path, &directory);
    CrashingDisk::Handle handle;
    if (!self->disk_->Open(path, create, (flags & SQLITE_OPEN_EXCLUSIVE) != 0, &handle).ok()) {
      return SQLITE_CANTOPEN;
    }
    const int journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
    new (out) File{.base = {&Methods()},
                   .vfs = self,
                   .handle = handle,
                   .path = path,
                   .sync_directory = is_new && (flags & journals) != 0,
                   .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0};
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
  }
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    CrashingDisk* disk = Self(vfs)->disk_;
    const absl::Status status = disk->Unlink(name);
    if (absl::IsNotFound(status)) return SQLITE_IOERR_DELETE_NOENT;
    if (!status.ok()) return SQLITE_IOERR_DELETE;
    if (sync_directory && !disk->SyncDirectory(ParentDirectory(name)).ok()) {
      return SQLITE_IOERR_DIR_FSYNC;
    }
    return SQLITE_OK;
  }
  static int Access(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
    bool directory = false;
    *out = Self(vfs)->disk_->Exists(name, &directory);
    if (*out && flags == SQLITE_ACCESS_EXISTS) {
      // As in os_unix.c: an empty file counts as none.
      CrashingDisk::Handle handle;
      uint64_t size = 0;
      if (!Self(vfs)->disk_->Open(name, false, false, &handle).ok() ||
          !Self(vfs)->disk_->Size(handle, &size).ok()) {
        return SQLITE_IOERR_ACCESS;
      }
      *out = size > 0;
    }
    return SQLITE_OK;
  }
  static int FullPathname(sqlite3_vfs*, const char* name, int size, char* out) {
    if (std::strlen(name) >= static_cast<size_t>(size)) return SQLITE_CANTOPEN;
    std::strcpy(out, name);
    return SQLITE_OK;
  }

  static const sqlite3_io_methods& Methods() {
    static const sqlite3_io_methods methods = [] {
      sqlite3_io_methods m{};
      m.iVersion = 1;
      m.xClose = [](sqlite3_file* f) {
        if (Of(f)->delete_on_close) Of(f)->vfs->disk_->Unlink(Of(f)->path).IgnoreError();
        Of(f)->~File();
        return SQLITE_OK;
      };
      m.xRead = [](sqlite3_file* f, void* out, int size, sqlite3_int64 offset) {
        std::string data;
        if (!Disk(f)->Read(Of(f)->handle, offset, size, &data).ok()) return SQLITE_IOERR_READ;
        std::memcpy(out, data.data(), data.size());
        if (data.size() == static_cast<size_t>(size)) return SQLITE_OK;
        std::memset(static_cast<char*>(out) + data.size(), 0, size - data.size());
        return SQLITE_IOERR_SHORT_READ;
      };
      m.xWrite = [](sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
        const absl::string_view bytes(static_cast<const char*>(data), size);
        return Disk(f)->Write(Of(f)->handle, offset, bytes).ok() ? SQLITE_OK : SQLITE_IOERR_WRITE;
      };
      m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        return Disk(f)->Truncate(Of(f)->handle, size).ok() ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
      };
      m.xSync = [](sqlite3_file* f, int) {
        if (!Disk(f)->Sync(Of(f)->handle).ok()) return SQLITE_IOERR_FSYNC;
        if (Of(f)->sync_directory) {
          if (!Disk(f)->SyncDirectory(ParentDirectory(Of(f)->path)).ok()) {
            return SQLITE_IOERR_DIR_FSYNC;
          }
          Of(f)->sync_directory = false;
        }
        return SQLITE_OK;
      };
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* out) {
        uint64_t size = 0;
        if (!Disk(f)->Size(Of(f)->handle, &size).ok()) return SQLITE_IOERR_FSTAT;
        *out = static_cast<sqlite3_int64>(size);
        return SQLITE_OK;
      };
      m.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
      m.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
      m.xCheckReservedLock = [](sqlite3_file*, int* out) { return *out = 0, SQLITE_OK; };
      m.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
      m.xSectorSize = [](sqlite3_file*) { return 512; };
      m.xDeviceCharacteristics = [](sqlite3_file*) {
        return static_cast<int>(SQLITE_IOCAP_POWERSAFE_OVERWRITE);
      };
      return m;
    }();
    return methods;
  }
  static CrashingDisk* Disk(sqlite3_file* f) { return Of(f)->vfs->disk_; }

  CrashingDisk* const disk_;
  std::string name_;
  sqlite3_vfs vfs_{};
  sqlite3_vfs* system_ = nullptr;
  int temporary_ = 0;
};

}  // namespace tollgate::fakes
