// Which sidecar was offered, acknowledged, refused and serves what. Written by the ADS and agent
// servers, read by the admin API. Thread-safe; callbacks come without its lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/policy/from_proto.h"
#include "control-plane/push/source.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::control {

enum class SyncState {
  kSynced,        // serves the newest that it was offered
  kPending,       // was offered something that it has not answered, or nothing yet
  kRefused,       // refused the newest; `errors` say why; its last good release goes on
  kDisconnected,  // no ADS stream
};
absl::string_view ToString(SyncState state);  // "SYNCED"

struct SidecarStatus {
  NodeInfo node;
  bool connected = false;
  SyncState state = SyncState::kPending;
  CutIdentity offered;  // zero: nothing yet
  CutIdentity acknowledged;
  CutIdentity refused;  // the newest that was refused; zero once a newer one was acknowledged
  std::optional<uint64_t> unservable;  // the release of which nothing can be offered to it
  uint64_t serving_release = 0;        // by its agent, or what it acknowledged
  uint64_t serving_revision = 0;
  // Of the refused cut, or why there is nothing to offer; bounded, long texts are cut.
  std::vector<ResourceError> errors;
  WallTime last_seen{};
  agent::v1::Usage usage;  // by its agent
  // Of its limits, by its agent, bounded; null: it has not said.
  std::shared_ptr<const agent::v1::LimitUsage> limits;
  WallTime limits_at{};
  std::vector<std::string> unknown_keys;  // ids presented there and not known, newest last, bounded
};

class Fleet {
 public:
  // Of those that are away so many are remembered, those seen last, and none longer than `keep`.
  static constexpr size_t kMaxAway = 1000;
  explicit Fleet(const Clock* clock, Duration keep = std::chrono::hours(24));
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Readers.
  std::vector<SidecarStatus> List() const;  // by environment and node id
  std::vector<SidecarStatus> List(absl::string_view environment) const;
  std::optional<SidecarStatus> Find(absl::string_view environment, absl::string_view node) const;

  // Calls `settled` once, as soon as every connected sidecar of the environment has acknowledged or
  // refused this release or a newer one, or cannot be offered anything of it; at once when that is
  // so. Returns an id for Cancel. `settled` may come before this returns, on the caller's thread.
  uint64_t Await(absl::string_view environment, uint64_t release, std::function<void()> settled);
  // After it returns true, `settled` never comes; false: it has come or is coming.
  bool Cancel(uint64_t waiter);
  // Blocks the caller until the same, or the timeout (false).
  bool WaitFor(absl::string_view environment, uint64_t release, std::chrono::milliseconds timeout);

  // Writers (ADS). `Connected` gives a session; what an older session of the same sidecar says is
  // ignored from then on.
  uint64_t Connected(const NodeInfo& node);
  void Disconnected(const NodeInfo& node, uint64_t session);
  void Offered(const NodeInfo& node, uint64_t session, const CutIdentity& cut);
  void Acknowledged(const NodeInfo& node, uint64_t session, const CutIdentity& cut);
  void Refused(const NodeInfo& node, uint64_t session, const CutIdentity& cut,
               std::vector<ResourceError> errors);
  // There is nothing to offer to it: an unknown service, a schema that it does not understand.
  // `release` is the newest, which that was said of; 0: there is none.
  void Unservable(const NodeInfo& node, uint64_t session, uint64_t release, ResourceError error);
  void RevocationRefused(const NodeInfo& node, uint64_t session, std::vector<ResourceError> errors);

  // Writers (agent). Unknown sidecars are ignored: the ADS stream introduces them.
  void Report(absl::string_view environment, absl::string_view node,
              const agent::v1::Report& report);

 private:
  using Key = std::pair<std::string, std::string>;  // environment, id
  struct Entry {
    SidecarStatus status;
    uint64_t session = 0;
  };
  static constexpr size_t kMaxUnknownKeys = 32;
  static constexpr size_t kMaxErrors = 64;
  static constexpr size_t kMaxTextBytes = 1024;  // of one text of an error
  static constexpr size_t kMaxWordBytes = 64;    // of a key's id, of a version
  static constexpr int kMaxLimitKeys = 100;      // of one report about limits
  struct Waiter {
    std::string environment;
    uint64_t release;
    std::function<void()> settled;
  };
  // Runs `change` on the entry, if this is its newest session, then calls the waiters that it
  // settled.
  void Update(const NodeInfo& node, uint64_t session, const std::function<void(Entry&)>& change);
  static std::vector<ResourceError> Bounded(std::vector<ResourceError> errors);
  static std::shared_ptr<const agent::v1::LimitUsage> Bounded(agent::v1::LimitUsage limits);
  void Forget(WallTime now);
  bool Settled(absl::string_view environment, uint64_t release) const;
  std::vector<std::function<void()>> TakeSettled();

  const Clock* const clock_;
  const Duration keep_;
  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::map<uint64_t, Waiter> waiters_;
  uint64_t next_id_ = 1;
};

}  // namespace tollgate::control
