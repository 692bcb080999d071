// The control thread: everything of proxy/control that has state runs on it, one task at a time, in
// order. gRPC's threads, the compiler and the last-known-good's writer only post to it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "common/base/clock.h"

namespace tollgate::proxy {

class Executor {
 public:
  using Task = std::function<void()>;
  virtual ~Executor() = default;
  virtual void Post(Task task) = 0;                       // any thread
  virtual void PostAfter(Duration delay, Task task) = 0;  // any thread
};

// The real one: a thread. Thread-safe.
class ControlThread final : public Executor {
 public:
  ControlThread();
  ~ControlThread() override { Stop(); }
  void Post(Task task) override { PostAfter(Duration::zero(), std::move(task)); }
  void PostAfter(Duration delay, Task task) override;
  // Lets the running task end and drops the others; later posts do nothing. Not on the thread
  // itself.
  void Stop();

 private:
  using Time = std::chrono::steady_clock::time_point;
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> ready_;
  std::multimap<Time, Task> later_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tollgate::proxy
