// A process's readiness and its end: signals, drain, and why it is not ready. Any thread unless it says
// otherwise.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "proxy/server/server.h"

namespace tollgate::proxy {

// Collects the reasons for which this sidecar should get no traffic.
class Readiness {
 public:
  void SetServing(bool serving) { serving_ = serving; }
  void SetDraining() { draining_ = true; }
  // A standing reason that does not make it unready: "serving last-known-good, 340 s old".
  void SetNote(std::string note);
  bool ready() const { return serving_ && !draining_; }
  bool draining() const { return draining_; }
  // Why not, or, when ready, what an operator should know.
  std::vector<std::string> reasons() const;

 private:
  std::atomic<bool> serving_{false};
  std::atomic<bool> draining_{false};
  mutable std::mutex mutex_;
  std::string note_;
};

// Blocks SIGTERM, SIGINT and SIGHUP in this thread and those that it starts: call it first.
void BlockSignals();

// Waits for signals on the main thread: SIGHUP calls `on_hup`, SIGTERM, SIGINT or RequestStop
// return. (The admin endpoint's drain is RequestStop.)
class SignalWaiter {
 public:
  void Wait(const std::function<void()>& on_hup);
  void RequestStop();  // any thread
};

// Not ready, but still accepting for `delay`; then inbound finishes; then outbound, which inbound
// requests may still need; what is left at `deadline` is cut.
void DrainServer(Server& server, Readiness& readiness, const Clock& clock, Duration delay,
                 Duration deadline);

}  // namespace tollgate::proxy
