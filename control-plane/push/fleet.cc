#include "control-plane/push/fleet.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>

namespace tollgate::control {
namespace {

bool Same(const CutIdentity& a, const CutIdentity& b) {
  return a.incarnation == b.incarnation && a.revision == b.revision && a.release == b.release;
}

bool IsSet(const CutIdentity& cut) { return cut.revision != 0; }

SyncState StateOf(const SidecarStatus& status) {
  if (!status.connected) return SyncState::kDisconnected;
  if (!IsSet(status.offered)) return SyncState::kPending;
  if (Same(status.refused, status.offered)) return SyncState::kRefused;
  if (Same(status.acknowledged, status.offered)) return SyncState::kSynced;
  return SyncState::kPending;
}

// Sidecars report it, operators read it.
bool IsWord(absl::string_view text, size_t most) {
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Cuts a long text, between characters of UTF-8.
void Cut(size_t most, std::string* text) {
  if (text->size() <= most) return;
  while (most > 0 && (static_cast<uint8_t>((*text)[most]) & 0xc0) == 0x80) --most;
  text->resize(most);
  text->append("...");
}

}  // namespace

absl::string_view ToString(SyncState state) {
  switch (state) {
    case SyncState::kSynced:
      return "SYNCED";
    case SyncState::kPending:
      return "PENDING";
    case SyncState::kRefused:
      return "REFUSED";
    case SyncState::kDisconnected:
      return "DISCONNECTED";
  }
  return "UNKNOWN";
}

Fleet::Fleet(const Clock* clock, Duration keep) : clock_(clock), keep_(keep) {}

std::vector<SidecarStatus> Fleet::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<SidecarStatus> out;
  out.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    out.push_back(entry.status);
    out.back().state = StateOf(entry.status);
  }
  return out;
}

std::vector<SidecarStatus> Fleet::List(absl::string_view environment) const {
  std::vector<SidecarStatus> out = List();
  std::erase_if(out, [&](const auto& status) { return status.node.environment != environment; });
  return out;
}

std::optional<SidecarStatus> Fleet::Find(absl::string_view environment,
                                         absl::string_view node) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(Key(std::string(environment), std::string(node)));
  if (it == entries_.end()) return std::nullopt;
  SidecarStatus status = it->second.status;
  status.state = StateOf(status);
  return status;
}

std::vector<ResourceError> Fleet::Bounded(std::vector<ResourceError> errors) {
  if (errors.size() > kMaxErrors) errors.resize(kMaxErrors);
  for (ResourceError& error : errors) {
    for (std::string* text :
         {&error.type_url, &error.name, &error.code, &error.field_path, &error.message}) {
      Cut(kMaxTextBytes, text);
    }
  }
  return errors;
}

std::shared_ptr<const agent::v1::LimitUsage> Fleet::Bounded(agent::v1::LimitUsage limits) {
  if (limits.top_size() > kMaxLimitKeys) {
    limits.mutable_top()->DeleteSubrange(kMaxLimitKeys, limits.top_size() - kMaxLimitKeys);
  }
  for (agent::v1::LimitKeyUsage& key : *limits.mutable_top()) {
    for (std::string* text : {key.mutable_plan(), key.mutable_key(), key.mutable_window()}) {
      Cut(kMaxTextBytes, text);
    }
  }
  return std::make_shared<const agent::v1::LimitUsage>(std::move(limits));
}

void Fleet::Forget(WallTime now) {
  std::erase_if(entries_, [&](const auto& item) {
    return !item.second.status.connected && now - item.second.status.last_seen > keep_;
  });
  if (entries_.size() <= kMaxAway) return;
  std::vector<std::pair<WallTime, Key>> away;
  for (const auto& [key, entry] : entries_) {
    if (!entry.status.connected) away.emplace_back(entry.status.last_seen, key);
  }
  if (away.size() <= kMaxAway) return;
  const auto first_kept = away.end() - kMaxAway;
  std::nth_element(away.begin(), first_kept, away.end());
  for (auto it = away.begin(); it != first_kept; ++it) entries_.erase(it->second);
}

bool Fleet::Settled(absl::string_view environment, uint64_t release) const {
  return std::all_of(entries_.begin(), entries_.end(), [&](const auto& item) {
    const SidecarStatus& status = item.second.status;
    return status.node.environment != environment || !status.connected ||
           status.unservable.value_or(0) >= release || status.acknowledged.release >= release ||
           status.refused.release >= release;
  });
}

std::vector<std::function<void()>> Fleet::TakeSettled() {
  std::vector<std::function<void()>> settled;
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    if (Settled(it->second.environment, it->second.release)) {
      settled.push_back(std::move(it->second.settled));
      it = waiters_.erase(it);
    } else {
      ++it;
    }
  }
  return settled;
}

uint64_t Fleet::Await(absl::string_view environment, uint64_t release,
                      std::function<void()> settled) {
  std::unique_lock lock(mutex_);
  const uint64_t id = next_id_++;
  if (!Settled(environment, release)) {
    waiters_[id] = {std::string(environment), release, std::move(settled)};
    return id;
  }
  lock.unlock();
  settled();
  return id;
}

bool Fleet::Cancel(uint64_t waiter) {
  const std::lock_guard lock(mutex_);
  return waiters_.erase(waiter) > 0;
}

bool Fleet::WaitFor(absl::string_view environment, uint64_t release,
                    std::chrono::milliseconds timeout) {
  struct Signal {
    std::mutex mutex;
    std::condition_variable wake;
    bool settled = false;
  };
  auto signal = std::make_shared<Signal>();  // a late callback may outlive this call
  const uint64_t id = Await(environment, release, [signal] {
    const std::lock_guard lock(signal->mutex);
    signal->settled = true;
    signal->wake.notify_all();
  });
  std::unique_lock lock(signal->mutex);
  if (signal->wake.wait_for(lock, timeout, [&] { return signal->settled; })) return true;
  lock.unlock();
  return !Cancel(id);
}

uint64_t Fleet::Connected(const NodeInfo& node) {
  const std::lock_guard lock(mutex_);
  const WallTime now = clock_->Wall();
  Forget(now);
  Entry& entry = entries_[Key(node.environment, node.id)];
  entry.session = next_id_++;
  entry.status.unservable.reset();
  entry.status.node = node;
  entry.status.connected = true;
  entry.status.last_seen = now;
  // What another stream said is not known to hold: the sidecar may have restarted.
  entry.status.offered = entry.status.acknowledged = entry.status.refused = CutIdentity();
  entry.status.errors.clear();
  return entry.session;
}

void Fleet::Update(const NodeInfo& node, uint64_t session,
                   const std::function<void(Entry&)>& change) {
  std::unique_lock lock(mutex_);
  const auto it = entries_.find(Key(node.environment, node.id));
  if (it == entries_.end() || it->second.session != session) return;
  it->second.status.last_seen = clock_->Wall();
  change(it->second);
  const std::vector<std::function<void()>> settled = TakeSettled();
  lock.unlock();
  for (const auto& call : settled) call();
}

void Fleet::Disconnected(const NodeInfo& node, uint64_t session) {
  Update(node, session, [](Entry& entry) { entry.status.connected = false; });
}

void Fleet::Offered(const NodeInfo& node, uint64_t session, const CutIdentity& cut) {
  Update(node, session, [&](Entry& entry) {
    entry.status.offered = cut;
    std::optional<uint64_t>& unservable = entry.status.unservable;
    if (!unservable.has_value() || cut.release < *unservable) return;
    unservable.reset();
    entry.status.errors.clear();
  });
}

void Fleet::Acknowledged(const NodeInfo& node, uint64_t session, const CutIdentity& cut) {
  Update(node, session, [&](Entry& entry) {
    entry.status.acknowledged = cut;
    entry.status.refused = CutIdentity();
    if (!entry.status.unservable.has_value()) entry.status.errors.clear();
    entry.status.serving_release = cut.release;
    entry.status.serving_revision = cut.revision;
  });
}

void Fleet::Refused(const NodeInfo& node, uint64_t session, const CutIdentity& cut,
                    std::vector<ResourceError> errors) {
  Update(node, session, [&](Entry& entry) {
    entry.status.refused = cut;
    // Of an older cut: why nothing newer is offered says more.
    if (entry.status.unservable.has_value()) return;
    entry.status.errors = Bounded(std::move(errors));
  });
}

void Fleet::Unservable(const NodeInfo& node, uint64_t session, uint64_t release,
                       ResourceError error) {
  Update(node, session, [&](Entry& entry) {
    entry.status.unservable = release;
    entry.status.errors = Bounded({std::move(error)});
  });
}

void Fleet::RevocationRefused(const NodeInfo& node, uint64_t session,
                              std::vector<ResourceError> errors) {
  Update(node, session, [&](Entry& entry) {
    std::vector<ResourceError>& all = entry.status.errors;
    all.insert(all.end(), errors.begin(), errors.end());
    all = Bounded(std::move(all));
  });
}

void Fleet::Report(absl::string_view environment, absl::string_view id,
                   const agent::v1::Report& report) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(Key(std::string(environment), std::string(id)));
  if (it == entries_.end()) return;
  SidecarStatus& status = it->second.status;
  status.last_seen = clock_->Wall();
  switch (report.kind_case()) {
    case agent::v1::Report::kHello:
      if (IsWord(report.hello().version(), kMaxWordBytes)) {
        status.node.version = report.hello().version();
      }
      break;
    case agent::v1::Report::kApply:
      status.serving_release = report.apply().serving_release();
      status.serving_revision = report.apply().serving_revision();
      break;
    case agent::v1::Report::kUsage:
      status.usage = report.usage();
      break;
    case agent::v1::Report::kLimits:
      status.limits = Bounded(report.limits());
      status.limits_at = status.last_seen;
      break;
    case agent::v1::Report::kUnknownKeys:
      for (const std::string& key : report.unknown_keys().key_ids()) {
        if (!IsWord(key, kMaxWordBytes)) continue;
        std::erase(status.unknown_keys, key);
        status.unknown_keys.push_back(key);
      }
      if (status.unknown_keys.size() > kMaxUnknownKeys) {
        status.unknown_keys.erase(status.unknown_keys.begin(),
                                  status.unknown_keys.end() - kMaxUnknownKeys);
      }
      break;
    case agent::v1::Report::kExplanation:
    case agent::v1::Report::KIND_NOT_SET:
      break;
  }
}

}  // namespace tollgate::control
