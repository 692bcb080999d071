// An Executor that runs what was posted when the test says so, on the test's thread; delays pass on
// a FakeClock. Posting is thread-safe.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "proxy/control/executor.h"

namespace tollgate::fakes {

class ManualExecutor final : public proxy::Executor {
 public:
  explicit ManualExecutor(FakeClock* clock) : clock_(clock) {}

  void Post(Task task) override { PostAfter(Duration::zero(), std::move(task)); }
  void PostAfter(Duration delay, Task task) override {
    const std::lock_guard lock(mutex_);
    if (delay <= Duration::zero()) {
      ready_.push_back(std::move(task));
    } else {
      later_.emplace(clock_->Mono() + delay, std::move(task));
    }
  }

  // Runs everything that is due, and what that posts.
  void Run() {
    for (;;) {
      Task task;
      {
        const std::lock_guard lock(mutex_);
        while (!later_.empty() && later_.begin()->first <= clock_->Mono()) {
          ready_.push_back(std::move(later_.begin()->second));
          later_.erase(later_.begin());
        }
        if (ready_.empty()) return;
        task = std::move(ready_.front());
        ready_.pop_front();
      }
      task();
    }
  }
  void Advance(Duration d) {
    clock_->Advance(d);
    Run();
  }
  size_t waiting() const { return later_.size(); }  // for a delay

 private:
  FakeClock* const clock_;
  std::mutex mutex_;
  std::deque<Task> ready_;
  std::multimap<MonoTime, Task> later_;
};

}  // namespace tollgate::fakes
