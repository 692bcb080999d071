#include "proxy/control/executor.h"

#include <chrono>

namespace tollgate::proxy {

ControlThread::ControlThread() : thread_([this] { Run(); }) {}

void ControlThread::PostAfter(Duration delay, Task task) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (delay <= Duration::zero()) {
    ready_.push_back(std::move(task));
  } else {
    later_.emplace(std::chrono::steady_clock::now() + delay, std::move(task));
  }
  wake_.notify_one();
}

void ControlThread::Stop() {
  std::deque<Task> ready;
  std::multimap<Time, Task> later;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ready.swap(ready_);  // destroyed without the lock
    later.swap(later_);
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ControlThread::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Time now = std::chrono::steady_clock::now();
    while (!later_.empty() && later_.begin()->first <= now) {
      ready_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (!ready_.empty()) {
      Task task = std::move(ready_.front());
      ready_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it captured is destroyed without the lock
      lock.lock();
    } else if (later_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, later_.begin()->first);
    }
  }
}

}  // namespace tollgate::proxy
