// The writer thread of the access log. Batches wait in a bounded queue; each is one write(2). A
// write that fails drops what is left of its batch and the next batch tries again, so that a disk
// that has room again is used again. A slow reader of a pipe is waited for: there the queue's bound
// drops. A line of which only a part was written is completed as soon as anything can be written.
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "proxy/net/socket.h"
#include "proxy/observe/access_log.h"

namespace tollgate::proxy {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using WriteFunction = std::function<ssize_t(int fd, const char* data, size_t size)>;

// Between attempts to complete a torn line while nothing else is to be written.
constexpr auto kRetry = std::chrono::milliseconds(250);
// How long a reader may take nothing when somebody waits for us to finish.
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kComplainEvery = std::chrono::seconds(10);
constexpr size_t kSpareBuffers = 8;
constexpr size_t kSpareBytes = 128 << 10;

// A path is opened non-blocking, which matters to FIFOs.
ssize_t WriteFile(int fd, const char* data, size_t size) { return write(fd, data, size); }

// Standard output is shared with others, so O_NONBLOCK is not ours to set. What poll(2) calls
// writable takes PIPE_BUF bytes without blocking (pipe(7)).
ssize_t WritePipe(int fd, const char* data, size_t size) {
  pollfd ready{fd, POLLOUT, 0};
  if (poll(&ready, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return write(fd, data, std::min<size_t>(size, PIPE_BUF));
}

ssize_t WriteSocket(int fd, const char* data, size_t size) {
  return send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

absl::StatusOr<UniqueFd> OpenPath(const std::string& path) {
  UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("access log '", path, "' cannot be opened to append"));
  }
  return fd;
}

absl::StatusOr<UniqueFd> DuplicateStandardOutput(WriteFunction* write_function) {
  UniqueFd fd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) {
    return ErrnoStatus(errno, "access log '-': standard output cannot be used");
  }
  if (S_ISSOCK(info.st_mode)) {
    *write_function = WriteSocket;
  } else if (!S_ISREG(info.st_mode)) {
    *write_function = WritePipe;
  }
  return fd;
}

// A process that was killed within a write left half a line.
bool EndsWithinLine(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) return false;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char last = '\n';
  return fd.valid() && pread(fd.get(), &last, 1, info.st_size - 1) == 1 && last != '\n';
}

class ThreadedWriter final : public AccessLogWriter {
 public:
  ThreadedWriter(std::string path, UniqueFd fd, size_t queue_bytes, WriteFunction write_function,
                 bool within_line)
      : path_(std::move(path)),
        queue_bytes_(queue_bytes),
        write_(std::move(write_function)),
        fd_(std::move(fd)),
        owed_(within_line ? "\n" : ""),
        thread_([this] { Run(); }) {}

  ~ThreadedWriter() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
      ++hurry_;
    }
    wake_.notify_one();
    thread_.join();
  }

  bool Submit(std::string&& lines, uint32_t count) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (queued_ + lines.size() > queue_bytes_) {
        lines.clear();
        dropped_ += count;
        return false;
      }
      queued_ += lines.size();
      ++submitted_;
      queue_.push_back({std::move(lines), count});
      lines.clear();
      if (!spare_.empty()) {
        lines = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    wake_.notify_one();
    return true;
  }

  absl::Status Reopen() override {
    if (path_ == "-") return absl::OkStatus();
    ASSIGN_OR_RETURN(UniqueFd fd, OpenPath(path_));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      next_fd_ = std::move(fd);
      reopening_ = true;
    }
    wake_.notify_one();
    return absl::OkStatus();
  }

  void Flush() override {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t target = submitted_;
    ++hurry_;
    wake_.notify_one();
    done_wake_.wait(lock, [&] { return done_ >= target && !torn_; });
    --hurry_;
  }

  uint64_t written() const override { return written_; }
  uint64_t dropped() const override { return dropped_; }

 private:
  struct Batch {
    std::string lines;
    uint32_t count;
  };

  void Run() {
    pthread_setname_np(pthread_self(), "access-log");
    // Whoever reads our pipe may go: that is EPIPE, and counted.
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      const auto due = [this] {
        return !queue_.empty() || next_fd_.valid() || stop_ || (torn_ && hurry_ > 0);
      };
      if (owed_.empty()) {
        wake_.wait(lock, due);
      } else {
        wake_.wait_for(lock, kRetry, due);
      }
      Batch batch;
      UniqueFd next = std::move(next_fd_);
      reopening_ = false;
      const bool found = !queue_.empty();
      if (found) {
        batch = std::move(queue_.front());
        queue_.pop_front();
      } else if (stop_ && owed_.empty()) {
        return;
      }
      lock.unlock();
      if (next.valid()) SwitchTo(std::move(next));
      const size_t size = batch.lines.size();
      PayOwed();
      if (found) WriteBatch(batch);
      if (owes_line_ && hurry_ > 0) ForgoTornLine();
      lock.lock();
      torn_ = owes_line_;
      if (found) {
        queued_ -= size;
        ++done_;
        Recycle(std::move(batch.lines));
      }
      if (hurry_ > 0) done_wake_.notify_all();
      if (stop_ && queue_.empty()) return;
    }
  }

  void Recycle(std::string&& buffer) {
    if (spare_.size() >= kSpareBuffers || buffer.capacity() > kSpareBytes) return;
    buffer.clear();
    spare_.push_back(std::move(buffer));
  }

  // --- Writer thread, without the lock.

  void WriteBatch(const Batch& batch) {
    if (!owed_.empty()) {  // nothing can be written
      dropped_ += batch.count;
      return;
    }
    const size_t size = Push(batch.lines);
    if (size == batch.lines.size()) {
      written_ += batch.count;
      return;
    }
    const absl::string_view put = absl::string_view(batch.lines).substr(0, size);
    const auto whole = static_cast<uint64_t>(std::count(put.begin(), put.end(), '\n'));
    uint64_t lost = batch.count - whole;
    if (!put.empty() && put.back() != '\n') {
      const absl::string_view rest = absl::string_view(batch.lines).substr(size);
      owed_ = std::string(rest.substr(0, rest.find('\n') + 1));
      owes_line_ = true;
      --lost;
    }
    written_ += whole;
    dropped_ += lost;
  }

  void PayOwed() {
    if (owed_.empty()) return;
    owed_.erase(0, Push(owed_));
    if (owed_.empty() && std::exchange(owes_line_, false)) ++written_;
  }

  // Somebody wants the count now. What is in the file of that line will be ended when it can be.
  void ForgoTornLine() {
    owes_line_ = false;
    owed_ = "\n";
    ++dropped_;
  }

  void SwitchTo(UniqueFd next) {
    PayOwed();
    if (owes_line_) ForgoTornLine();
    owed_.clear();
    fd_ = std::move(next);
  }

  // Writes as much as can be; returns how much.
  size_t Push(absl::string_view bytes) {
    size_t put = 0;
    while (put < bytes.size()) {
      const ssize_t n = write_(fd_.get(), bytes.data() + put, bytes.size() - put);
      if (n > 0) {
        put += static_cast<size_t>(n);
        stalled_since_ = SteadyTime::max();
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        if (AwaitReader()) continue;
        errno = EAGAIN;
      }
      Complain(n < 0 ? errno : EIO);
      return put;
    }
    if (std::exchange(complained_, false)) {
      spdlog::info("{}", std::string(absl::StrCat("access log '", path_, "': writing again; ",
                                                  dropped_.load(), " lines are lost so far")));
    }
    return put;
  }

  // False: write elsewhere, or give up, because somebody waits and nothing has moved for long.
  bool AwaitReader() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (stalled_since_ == SteadyTime::max()) stalled_since_ = now;
    if (reopening_ || (hurry_ > 0 && now - stalled_since_ >= kPatience)) return false;
    pollfd ready{fd_.get(), POLLOUT, 0};
    // Writable, and yet the write said otherwise: sleep all the same.
    if (now != stalled_since_ && poll(&ready, 1, 0) != 0) poll(nullptr, 0, 5);
    poll(&ready, 1, 50);
    return true;
  }

  void Complain(int error) {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now < complain_next_) return;
    complain_next_ = now + kComplainEvery;
    complained_ = true;
    spdlog::warn(
        "{}",
        std::string(ErrnoStatus(error, absl::StrCat("access log '", path_, "': lines are dropped"))
                        .message()));
  }

  const std::string path_;
  const size_t queue_bytes_;
  const WriteFunction write_;

  std::mutex mutex_;
  std::condition_variable wake_;       // the writer thread waits
  std::condition_variable done_wake_;  // Flush waits
  // Guarded by mutex_:
  std::deque<Batch> queue_;
  std::vector<std::string> spare_;  // empty, with memory
  size_t queued_ = 0;               // bytes, of the batch being written too
  uint64_t submitted_ = 0;          // batches
  uint64_t done_ = 0;
  bool torn_ = false;  // owes_line_, for Flush
  bool stop_ = false;
  UniqueFd next_fd_;

  std::atomic<int> hurry_{0};           // who waits for us to finish; written under mutex_
  std::atomic<bool> reopening_{false};  // next_fd_ is valid; written under mutex_
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> dropped_{0};

  // Writer thread only:
  UniqueFd fd_;
  std::string owed_;         // must be written before anything else: the rest of a torn line
  bool owes_line_ = false;   // and that line is not counted yet
  bool complained_ = false;  // and has not written since
  SteadyTime stalled_since_ = SteadyTime::max();
  SteadyTime complain_next_ = SteadyTime::min();

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

absl::StatusOr<std::unique_ptr<AccessLogWriter>> AccessLogWriter::Open(const std::string& path,
                                                                       Options options) {
  if (path.empty()) return nullptr;
  WriteFunction write_function = WriteFile;
  UniqueFd fd;
  if (path == "-") {
    ASSIGN_OR_RETURN(fd, DuplicateStandardOutput(&write_function));
  } else {
    ASSIGN_OR_RETURN(fd, OpenPath(path));
  }
  if (options.write) write_function = std::move(options.write);
  const bool within_line = path != "-" && EndsWithinLine(path);
  return std::make_unique<ThreadedWriter>(path, std::move(fd), options.queue_bytes,
                                          std::move(write_function), within_line);
}

}  // namespace tollgate::proxy
