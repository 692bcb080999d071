// One epoll thread: descriptors, timers, a mailbox, and work deferred to the end of the iteration.
// Everything registered with a Loop is called on the loop's thread; only Post and Stop may be
// called from another. Owned by the worker that runs it.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "proxy/event/callback.h"
#include "proxy/event/timer.h"

namespace tollgate::proxy {

// What epoll reported, edge-triggered.
struct IoEvents {
  bool readable = false;  // also on error and hang-up: the read tells which
  bool writable = false;  // also on error: the write (or ConnectResult) tells which
  bool hangup = false;    // the peer closed or half-closed, or an error is pending: read until
                          // kEof or kError now, for no further edge will tell
};

class IoHandler {
 public:
  virtual void OnIo(IoEvents events) = 0;

 protected:
  ~IoHandler() = default;
};

// Runs once at the end of the current iteration, after all descriptors' events: output gathered
// meanwhile goes out in one write. Intrusive: arming is free of allocation; destruction cancels.
// It may destroy itself while it runs.
class Deferred {
 public:
  template <typename F>  // void()
  explicit Deferred(F run) : run_(std::move(run)) {}
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

 private:
  friend class Loop;
  void Unlink();
  const Callback run_;
  Deferred* prev_ = nullptr;  // not null: armed (circular list)
  Deferred* next_ = nullptr;
};

class Loop {
 public:
  // `clock` outlives the loop. Errors: the kernel refuses epoll or eventfd.
  static absl::StatusOr<std::unique_ptr<Loop>> Create(const Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Iterates until Stop; what was posted before Stop has run when it returns.
  void Run();
  // One iteration: waits at most `max_wait` (and not past the next timer; zero polls), then runs
  // what is due: descriptors, mailbox, timers, deferred tasks. A FakeClock is asked before and
  // after the wait, so a test advances it and calls RunOnce(Duration::zero()).
  void RunOnce(Duration max_wait);
  // Thread-safe.
  void Stop();

  // Time of this iteration: read once after epoll_wait. Timers compare against it.
  MonoTime now() const { return now_; }
  const Clock& clock() const { return clock_; }

  // Registers once for read, write and peer hang-up, edge-triggered: a handler must read or write
  // until it would block (or until a short read tells so). No epoll_ctl is needed per request.
  absl::Status Watch(int fd, IoHandler* handler);
  // Level-triggered, readable only: for listeners, which may stop accepting half way. When several
  // loops watch one socket, one of them is woken (EPOLLEXCLUSIVE).
  absl::Status WatchLevel(int fd, IoHandler* handler);
  // After this the handler is not called again, not even for events already collected.
  void Unwatch(int fd, IoHandler* handler);

  // Arms (or moves) a timer; granularity 1 ms, never early. O(1).
  void Arm(Timer& timer, MonoTime when) { wheel_.Arm(timer, when); }
  void ArmAfter(Timer& timer, Duration d) {
    wheel_.Arm(timer, d < kNever - now_ ? now_ + d : kNever);
  }

  // Arms a deferred task; arming twice runs it once. A task armed by a deferred task runs in the
  // same iteration.
  void Defer(Deferred& task);
  // The same, in the next iteration, which does not wait: for work that takes turns with others.
  void DeferToNext(Deferred& task);

  // Thread-safe: runs `fn` on the loop's thread, in order of posting.
  void Post(absl::AnyInvocable<void()> fn);

 private:
  explicit Loop(const Clock& clock);
  absl::Status Register(int fd, IoHandler* handler, uint32_t events);
  int WaitMillis(Duration max_wait) const;
  void Dispatch(const epoll_event& event);
  void RunMailbox();
  static void Append(Deferred& head, Deferred& task);
  void RunDeferred();
  void Wake();

  // A descriptor's registration. Events carry the generation that they were collected under, so
  // those of an earlier use of the same descriptor number are told apart, and dropped.
  struct Watched {
    IoHandler* handler = nullptr;
    uint32_t generation = 0;
  };

  const Clock& clock_;
  MonoTime now_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  TimerWheel wheel_;
  std::vector<Watched> watched_;  // by descriptor
  std::vector<epoll_event> events_;
  Deferred deferred_head_{nullptr};  // sentinel of a circular list
  Deferred next_head_{nullptr};      // likewise, of the next iteration's

  std::atomic<bool> stop_{false};
  // False only while the loop is about to sleep or sleeps: a post then, and only the first, must
  // write to the eventfd. A busy loop is never woken by a system call.
  std::atomic<bool> awake_{true};
  std::atomic<bool> has_mail_{false};
  std::mutex mailbox_mutex_;  // not absl's: Debian's is invisible to ThreadSanitizer
  std::vector<absl::AnyInvocable<void()>> mailbox_;       // guarded by mailbox_mutex_
  std::vector<absl::AnyInvocable<void()>> running_mail_;  // loop thread; keeps its capacity
};

}  // namespace tollgate::proxy
