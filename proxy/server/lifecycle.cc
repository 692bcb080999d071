#include "proxy/server/lifecycle.h"

#include <signal.h>
#include <unistd.h>

#include <thread>

#include "common/base/log.h"

namespace tollgate::proxy {
namespace {

sigset_t Handled() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

// Until nothing of this direction is connected, or the deadline: false.
bool AwaitEmpty(const Server& server, Direction direction, const Clock& clock, MonoTime deadline) {
  while (server.connections(direction) > 0) {
    if (clock.Mono() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

void Readiness::SetNote(std::string note) {
  std::lock_guard lock(mutex_);
  note_ = std::move(note);
}

std::vector<std::string> Readiness::reasons() const {
  std::vector<std::string> reasons;
  if (!serving_) reasons.push_back("no policy yet");
  if (draining_) reasons.push_back("draining");
  std::lock_guard lock(mutex_);
  if (!note_.empty()) reasons.push_back(note_);
  return reasons;
}

void BlockSignals() {
  const sigset_t set = Handled();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void SignalWaiter::Wait(const std::function<void()>& on_hup) {
  const sigset_t set = Handled();
  for (;;) {
    siginfo_t info;
    const int signal = sigwaitinfo(&set, &info);
    if (signal == SIGHUP) {
      on_hup();
    } else if (signal == SIGTERM || signal == SIGINT) {
      return;
    }
  }
}

void SignalWaiter::RequestStop() { kill(getpid(), SIGTERM); }

void DrainServer(Server& server, Readiness& readiness, const Clock& clock, Duration delay,
                 Duration deadline) {
  readiness.SetDraining();
  spdlog::info("draining: not ready, accepting for {} s more",
               std::chrono::duration_cast<std::chrono::seconds>(delay).count());
  std::this_thread::sleep_for(delay);
  const MonoTime end = clock.Mono() + deadline;
  server.Drain(Direction::kInbound);
  const bool inbound = AwaitEmpty(server, Direction::kInbound, clock, end);
  server.Drain(Direction::kOutbound);
  const bool outbound = AwaitEmpty(server, Direction::kOutbound, clock, end);
  if (!inbound || !outbound) {
    spdlog::warn("drain deadline: {} inbound and {} outbound connections are cut",
                 server.connections(Direction::kInbound),
                 server.connections(Direction::kOutbound));
  }
}

}  // namespace tollgate::proxy
