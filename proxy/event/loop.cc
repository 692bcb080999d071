#include "proxy/event/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::proxy {
namespace {

constexpr int kBatch = 256;
constexpr uint64_t kWakeKey = ~uint64_t{0};
constexpr int kMaxWaitMillis = 3'600'000;

}  // namespace

Deferred::~Deferred() { Unlink(); }

void Deferred::Unlink() {
  if (prev_ == nullptr) return;
  prev_->next_ = next_;
  next_->prev_ = prev_;
  prev_ = next_ = nullptr;
}

Loop::Loop(const Clock& clock) : clock_(clock), now_(clock.Mono()), wheel_(now_), events_(kBatch) {
  deferred_head_.prev_ = deferred_head_.next_ = &deferred_head_;
  next_head_.prev_ = next_head_.next_ = &next_head_;
}

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create(const Clock& clock) {
  auto loop = absl::WrapUnique(new Loop(clock));
  loop->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (loop->epoll_fd_ < 0) return ErrnoStatus(errno, "epoll_create1");
  loop->wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (loop->wake_fd_ < 0) return ErrnoStatus(errno, "eventfd");
  // Edge-triggered: every write is an edge, so the counter need never be read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeKey;
  if (epoll_ctl(loop->epoll_fd_, EPOLL_CTL_ADD, loop->wake_fd_, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl of the loop's eventfd");
  }
  return loop;
}

Loop::~Loop() {
  while (deferred_head_.next_ != &deferred_head_) deferred_head_.next_->Unlink();
  while (next_head_.next_ != &next_head_) next_head_.next_->Unlink();
  // Letters are destroyed unread; what they own may post again while it goes.
  for (std::vector<absl::AnyInvocable<void()>> letters;;) {
    {
      std::lock_guard lock(mailbox_mutex_);
      letters.swap(mailbox_);
    }
    if (letters.empty()) break;
    letters.clear();
  }
  if (wake_fd_ >= 0) close(wake_fd_);
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

void Loop::Run() {
  while (!stop_.load()) RunOnce(Duration::max());
  // Whoever posted before Stop had it in the mailbox by now.
  RunMailbox();
  RunDeferred();
  stop_ = false;
}

void Loop::Stop() {
  stop_ = true;
  Wake();
}

void Loop::RunOnce(Duration max_wait) {
  // Sleep is announced before the mailbox is looked at, and a letter is delivered before the
  // announcement is looked at (Post): one of the two sides sees the other.
  awake_ = false;
  while (next_head_.next_ != &next_head_) {
    Deferred* task = next_head_.next_;
    task->Unlink();
    Append(deferred_head_, *task);
  }
  const int timeout = WaitMillis(max_wait);
  const int count = epoll_wait(epoll_fd_, events_.data(), kBatch, timeout);  // EINTR: no events
  awake_ = true;
  now_ = clock_.Mono();
  for (int i = 0; i < count; ++i) Dispatch(events_[i]);
  RunMailbox();
  wheel_.Advance(now_);
  RunDeferred();
}

int Loop::WaitMillis(Duration max_wait) const {
  if (has_mail_ || stop_ || deferred_head_.next_ != &deferred_head_) return 0;
  Duration wait = max_wait;
  if (const MonoTime deadline = wheel_.NextDeadline(); deadline != kNever) {
    wait = std::min(wait, deadline - clock_.Mono());
  }
  if (wait <= Duration::zero()) return 0;
  if (wait >= std::chrono::milliseconds(kMaxWaitMillis)) return kMaxWaitMillis;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
}

void Loop::Dispatch(const epoll_event& event) {
  if (event.data.u64 == kWakeKey) return;  // it did its work by ending epoll_wait
  const Watched& watched = watched_[event.data.u64 & 0xffffffff];
  if (watched.handler == nullptr || watched.generation != event.data.u64 >> 32) return;
  const uint32_t e = event.events;
  IoEvents events;
  events.readable = (e & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  events.writable = (e & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  events.hangup = (e & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  watched.handler->OnIo(events);
}

absl::Status Loop::Watch(int fd, IoHandler* handler) {
  return Register(fd, handler, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

absl::Status Loop::WatchLevel(int fd, IoHandler* handler) {
  return Register(fd, handler, EPOLLIN | EPOLLEXCLUSIVE);
}

absl::Status Loop::Register(int fd, IoHandler* handler, uint32_t events) {
  if (fd < 0) return absl::InvalidArgumentError("watch: the descriptor is negative");
  const auto index = static_cast<size_t>(fd);
  if (index >= watched_.size()) watched_.resize(std::max(index + 1, 2 * watched_.size()));
  Watched& watched = watched_[index];
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{watched.generation + 1} << 32 | static_cast<uint32_t>(fd);
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, absl::StrCat("epoll_ctl add of descriptor ", fd));
  }
  ++watched.generation;
  watched.handler = handler;
  return absl::OkStatus();
}

void Loop::Unwatch(int fd, IoHandler* handler) {
  if (fd < 0 || static_cast<size_t>(fd) >= watched_.size()) return;
  Watched& watched = watched_[fd];
  if (watched.handler != handler) return;
  watched.handler = nullptr;
  ++watched.generation;
  // Closing would do, were the descriptor not duplicated; the error (it is closed already) is none.
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::Append(Deferred& head, Deferred& task) {
  if (task.prev_ != nullptr) return;
  task.prev_ = head.prev_;
  task.next_ = &head;
  task.prev_->next_ = &task;
  head.prev_ = &task;
}

void Loop::Defer(Deferred& task) { Append(deferred_head_, task); }

void Loop::DeferToNext(Deferred& task) { Append(next_head_, task); }

void Loop::RunDeferred() {
  while (deferred_head_.next_ != &deferred_head_) {
    Deferred* task = deferred_head_.next_;
    task->Unlink();
    task->run_();  // may destroy the task
  }
}

void Loop::Post(absl::AnyInvocable<void()> fn) {
  {
    std::lock_guard lock(mailbox_mutex_);
    mailbox_.push_back(std::move(fn));
    has_mail_ = true;
  }
  Wake();
}

void Loop::Wake() {
  if (awake_.exchange(true)) return;
  const uint64_t one = 1;
  // Can only fail by overflow of a 64-bit counter.
  [[maybe_unused]] const ssize_t n = write(wake_fd_, &one, sizeof(one));
}

void Loop::RunMailbox() {
  if (!has_mail_) return;
  {
    std::lock_guard lock(mailbox_mutex_);
    running_mail_.swap(mailbox_);
    has_mail_ = false;
  }
  // What these post waits for the next iteration.
  for (absl::AnyInvocable<void()>& letter : running_mail_) letter();
  running_mail_.clear();
}

}  // namespace tollgate::proxy
