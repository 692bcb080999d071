// CrashingDisk: a disk in memory that loses what was not synced. It keeps, for each file and each
// directory, what is durable and the writes since then; Restart() throws those away, or keeps a
// random part of them: any subset of 512-byte sectors of the data (disks reorder and tear writes;
// one in 2, 16 or 256 is lost, so that nearly whole writes are seen too),
// a prefix of each directory's changes (journaling file systems keep their order). Under it are
// CrashingFiles (tollgate::FileSystem) and CrashingVfs (SQLite).
//
// Thread-safe. Randomness follows from the seed alone: print it in a test's failure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/file.h"
#include "common/base/random.h"

namespace tollgate::fakes {

class CrashingDisk {
 public:
  enum class Loss { kAll, kRandom, kNone };

  // An open file. Dead after a restart.
  struct Inode;
  struct Handle {
    std::shared_ptr<Inode> inode;
    uint64_t generation = 0;
  };

  explicit CrashingDisk(uint64_t seed) : random_(seed) {}

  // The power fails at the n-th change from now (1: the next): that one does not happen, and
  // everything fails until Restart().
  void CrashAfter(uint32_t changes) { Locked()->crash_after_ = changes; }
  // The same at the n-th sync from now: everything before it was written, and may be kept.
  void CrashAtSync(uint32_t syncs) { Locked()->crash_at_sync_ = syncs; }
  void Crash() { Locked()->crashed_ = true; }
  // A slow disk: who changes or reads it waits until the result is gone.
  [[nodiscard]] auto Stall() { return Locked(); }
  bool crashed() { return Locked()->crashed_; }
  uint64_t changes() { return Locked()->changes_; }

  void Restart(Loss loss) {
    const auto lock = Locked();
    for (auto& [directory, pending] : pending_names_) {
      size_t keep = loss == Loss::kNone ? pending.size() : 0;
      if (loss == Loss::kRandom) keep = random_.Below(static_cast<uint32_t>(pending.size()) + 1);
      for (size_t i = 0; i < keep; ++i) Apply(pending[i], &durable_names_);
    }
    pending_names_.clear();
    names_ = durable_names_;
    std::set<Inode*> seen;
    for (auto& [name, inode] : names_) {
      if (!inode->directory && seen.insert(inode.get()).second) inode->Restart(loss, &random_);
    }
    locks_.clear();
    ++generation_;
    crashed_ = false;
    crash_after_ = 0;
    crash_at_sync_ = 0;
  }

  // What follows behaves like the system calls of the same names. Unavailable: the power is off.
  absl::Status Open(const std::string& path, bool create, bool exclusive, Handle* out) {
    const auto lock = Locked();
    if (crashed_) return Off();
    auto it = names_.find(path);
    if (it != names_.end() && exclusive) return absl::AlreadyExistsError(path);
    if (it == names_.end()) {
      if (!create) return absl::NotFoundError(path);
      if (!DirectoryExists(ParentDirectory(path))) return absl::NotFoundError(path);
      if (!Change()) return Off();
      it = Put(path, std::make_shared<Inode>());
    }
    *out = Handle{it->second, generation_};
    return absl::OkStatus();
  }
  absl::Status Read(const Handle& h, uint64_t offset, size_t size, std::string* out) {
    const auto lock = Locked();
    if (Dead(h)) return Off();
    const std::string& now = h.inode->now;
    *out = offset < now.size() ? now.substr(offset, size) : "";
    return absl::OkStatus();
  }
  absl::Status Write(const Handle& h, uint64_t offset, absl::string_view data) {
    const auto lock = Locked();
    if (Dead(h) || !Change()) return Off();
    const Edit edit{.truncate = false, .offset = offset, .data = std::string(data)};
    edit.Apply(&h.inode->now);
    h.inode->pending.push_back(edit);
    return absl::OkStatus();
  }
  absl::Status Truncate(const Handle& h, uint64_t size) {
    const auto lock = Locked();
    if (Dead(h) || !Change()) return Off();
    const Edit edit{.truncate = true, .offset = size, .data = ""};
    edit.Apply(&h.inode->now);
    h.inode->pending.push_back(edit);
    return absl::OkStatus();
  }
  absl::Status Sync(const Handle& h) {
    const auto lock = Locked();
    if (Dead(h) || !Change()) return Off();
    if (crash_at_sync_ > 0 && --crash_at_sync_ == 0) crashed_ = true;
    if (crashed_) return Off();
    h.inode->durable = h.inode->now;
    h.inode->pending.clear();
    return absl::OkStatus();
  }
  absl::Status Size(const Handle& h, uint64_t* out) {
    const auto lock = Locked();
    if (Dead(h)) return Off();
    *out = h.inode->now.size();
    return absl::OkStatus();
  }
  absl::Status Rename(const std::string& from, const std::string& to) {
    const auto lock = Locked();
    if (crashed_) return Off();
    if (!names_.contains(from)) return absl::NotFoundError(from);
    if (!Change()) return Off();
    Record(NameChange{.from = from, .to = to, .inode = names_[from]}, to);
    return absl::OkStatus();
  }
  absl::Status Unlink(const std::string& path) {
    const auto lock = Locked();
    if (crashed_) return Off();
    if (!names_.contains(path)) return absl::NotFoundError(path);
    if (!Change()) return Off();
    Record(NameChange{.from = path, .to = "", .inode = nullptr}, path);
    return absl::OkStatus();
  }
  absl::Status MakeDirectory(const std::string& path) {
    const auto lock = Locked();
    if (crashed_) return Off();
    if (names_.contains(path)) return absl::AlreadyExistsError(path);
    if (!Change()) return Off();
    auto inode = std::make_shared<Inode>();
    inode->directory = true;
    Put(path, inode);
    return absl::OkStatus();
  }
  absl::Status SyncDirectory(const std::string& path) {
    const auto lock = Locked();
    if (crashed_ || !Change()) return Off();
    for (const NameChange& change : pending_names_[path]) Apply(change, &durable_names_);
    pending_names_.erase(path);
    return absl::OkStatus();
  }
  // False when there is none; *directory says what it is.
  bool Exists(const std::string& path, bool* directory) {
    const auto lock = Locked();
    *directory = DirectoryExists(path);
    return *directory || names_.contains(path);
  }
  bool TryLock(const std::string& path) { return Locked()->locks_.insert(path).second; }
  void Unlock(const std::string& path, uint64_t generation) {
    const auto lock = Locked();
    if (generation == generation_) locks_.erase(path);
  }
  uint64_t generation() { return Locked()->generation_; }

 private:
  static constexpr size_t kSector = 512;

  struct Edit {
    bool truncate = false;
    uint64_t offset = 0;  // truncate: the new size
    std::string data;
    void Apply(std::string* content) const {
      if (truncate) {
        content->resize(offset);
        return;
      }
      if (content->size() < offset + data.size()) content->resize(offset + data.size());
      std::memcpy(content->data() + offset, data.data(), data.size());
    }
  };

 public:
  struct Inode {
    bool directory = false;
    std::string now;
    std::string durable;
    std::vector<Edit> pending;

    void Restart(Loss loss, Random* random) {
      const uint32_t one_in = std::array<uint32_t, 3>{2, 16, 256}[random->Below(3)];
      for (const Edit& edit : pending) {
        if (loss == Loss::kAll) break;
        if (loss == Loss::kNone || edit.truncate) {
          if (loss == Loss::kNone || random->Below(one_in) != 0) edit.Apply(&durable);
          continue;
        }
        for (uint64_t at = 0; at < edit.data.size();) {
          const uint64_t sector_end = ((edit.offset + at) / kSector + 1) * kSector;
          const size_t n = std::min<uint64_t>(edit.data.size() - at, sector_end - edit.offset - at);
          const Edit part{
              .truncate = false, .offset = edit.offset + at, .data = edit.data.substr(at, n)};
          if (random->Below(one_in) != 0) part.Apply(&durable);
          at += n;
        }
      }
      pending.clear();
      now = durable;
    }
  };

 private:
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  struct NameChange {
    std::string from;              // "": a new name
    std::string to;                // "": removed
    std::shared_ptr<Inode> inode;  // of `to`
  };

  // Holds the lock for as long as it lives.
  class Guard {
   public:
    explicit Guard(CrashingDisk* disk) : lock_(disk->mutex_), disk_(disk) {}
    CrashingDisk* operator->() const { return disk_; }

   private:
    std::unique_lock<std::mutex> lock_;
    CrashingDisk* disk_;
  };
  Guard Locked() { return Guard(this); }

  static absl::Status Off() { return absl::UnavailableError("the power is off"); }
  bool Dead(const Handle& h) const { return crashed_ || h.generation != generation_; }
  bool Change() {
    ++changes_;
    if (crash_after_ > 0 && --crash_after_ == 0) crashed_ = true;
    return !crashed_;
  }
  bool DirectoryExists(const std::string& path) const {
    if (path == "/" || path == ".") return true;
    const auto it = names_.find(path);
    return it != names_.end() && it->second->directory;
  }
  static void Apply(const NameChange& change, Names* names) {
    if (!change.from.empty()) names->erase(change.from);
    if (!change.to.empty()) (*names)[change.to] = change.inode;
  }
  void Record(NameChange change, const std::string& path) {
    Apply(change, &names_);
    pending_names_[ParentDirectory(path)].push_back(std::move(change));
  }
  Names::iterator Put(const std::string& path, std::shared_ptr<Inode> inode) {
    Record(NameChange{.from = "", .to = path, .inode = std::move(inode)}, path);
    return names_.find(path);
  }

  std::mutex mutex_;
  Random random_;
  Names names_;
  Names durable_names_;
  std::map<std::string, std::vector<NameChange>> pending_names_;  // by directory
  std::set<std::string> locks_;
  uint64_t generation_ = 1;
  uint64_t changes_ = 0;
  uint32_t crash_after_ = 0;
  uint32_t crash_at_sync_ = 0;
  bool crashed_ = false;
};

}  // namespace tollgate::fakes
