// SqliteStore: watches. Each has a thread that reads the log from where it is, calls back, and
// sleeps when it has seen everything; replay and live are the same loop.
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "control-plane/store/sqlite_store.h"

namespace tollgate::control {

class SqliteStore::LogWatcher final : public Watcher {
 public:
  LogWatcher(SqliteStore& store, std::string prefix, Revision from, WatchCallback callback)
      : store_(store),
        state_(std::make_shared<State>(std::move(prefix), from, std::move(callback))),
        thread_([&store, state = state_] { Follow(store, *state); }) {}

  ~LogWatcher() override {
    {
      const std::lock_guard<std::mutex> lock(store_.mutex_);
      state_->ended = true;
    }
    store_.changed_.notify_all();
    // In its own callback the thread cannot wait for itself. It will see `ended` when the callback
    // returns, and touch nothing but its share of the state.
    if (std::this_thread::get_id() == thread_.get_id()) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

 private:
  struct State {
    State(std::string p, Revision from, WatchCallback c)
        : prefix(std::move(p)), next(from), callback(std::move(c)) {}
    const std::string prefix;
    Revision next;
    const WatchCallback callback;
    std::atomic<bool> ended{false};
  };

  static void Follow(SqliteStore& store, State& state) {
    while (!state.ended) {
      std::unique_lock<std::mutex> lock(store.mutex_);
      store.changed_.wait(lock, [&] {
        return state.ended || !store.failed_.ok() || store.revision_ >= state.next;
      });
      if (state.ended) return;
      absl::StatusOr<LogPage> page = store.ReadLog(state.prefix, state.next);
      lock.unlock();
      if (!page.ok()) {
        state.callback(page.status());
        return;
      }
      state.next = page->next;
      for (WatchBatch& batch : page->batches) {
        state.callback(std::move(batch));
        if (state.ended) return;
      }
    }
  }

  SqliteStore& store_;
  const std::shared_ptr<State> state_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Watcher>> SqliteStore::Watch(const std::string& prefix,
                                                            Revision from, WatchCallback callback) {
  if (from < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("watch: revision ", from, "; expected 0 (from now) or more"));
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    RETURN_IF_ERROR(failed_);
    if (from == 0) from = revision_ + 1;
    if (from <= compacted_) {
      return absl::OutOfRangeError(absl::StrCat("cannot watch from revision ", from,
                                                ": the log begins after revision ", compacted_));
    }
  }
  return std::make_unique<LogWatcher>(*this, prefix, from, std::move(callback));
}

}  // namespace tollgate::control
