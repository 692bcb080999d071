// Questions: asks connected sidecars over their agent streams and waits for the answers. Owned by
// main; the agent server brings streams and answers, the admin API asks. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::control {

// One sidecar's agent stream, as far as it can be written to.
class AgentPeer {
 public:
  virtual ~AgentPeer() = default;
  // Any thread, with the lock of Questions held: must neither block nor call back.
  virtual void Ask(const agent::v1::Question& question) = 0;
};

class Questions {
 public:
  // Open at one sidecar at a time: who asks more has a loop.
  static constexpr size_t kMaxOpen = 32;

  // A stream has said hello. Gives it a session; the newest one of a sidecar is asked. The peer
  // outlives its session.
  uint64_t Opened(absl::string_view environment, const agent::v1::Hello& hello, AgentPeer* peer);
  // The stream has ended: its peer is called no more, and whoever waits for it is told.
  void Closed(uint64_t session);
  // An answer to a question that nobody asked, or waits for any more, is dropped.
  void Answered(uint64_t session, agent::v1::Explanation explanation);

  // Blocks until the sidecar answers, goes away, `timeout` is over or `cancelled` says so.
  // FailedPrecondition: it is not connected, cannot be asked, went away, or did not answer in
  // time; ResourceExhausted: it is being asked kMaxOpen questions; Cancelled.
  absl::StatusOr<agent::v1::Explanation> Explain(absl::string_view environment,
                                                 absl::string_view node,
                                                 const agent::v1::Explain& question,
                                                 std::chrono::milliseconds timeout,
                                                 const std::function<bool()>& cancelled);

 private:
  using Key = std::pair<std::string, std::string>;  // environment, node
  struct Session {
    Key key;
    std::string version;
    bool explains = false;
    AgentPeer* peer;
    size_t open = 0;  // questions
  };
  struct Open {
    uint64_t session;
    std::optional<agent::v1::Explanation> answer;
    bool gone = false;  // the stream has ended
  };
  // With the lock held. OK: it may be asked.
  absl::StatusOr<uint64_t> SessionOf(absl::string_view environment, absl::string_view node) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Session> sessions_;
  std::map<Key, uint64_t> newest_;  // session by sidecar
  std::map<uint64_t, Open> open_;   // by the question's id
  uint64_t next_id_ = 1;
};

}  // namespace tollgate::control
