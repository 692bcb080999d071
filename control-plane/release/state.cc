#include "control-plane/release/state.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "control-plane/release/key_records.h"
#include "control-plane/release/store_keys.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {
namespace {

// What one environment is made of, while it is followed.
struct Environment {
  uint64_t release = 0;
  Revision revision = 0;
  std::shared_ptr<const DocumentSet> documents = std::make_shared<const DocumentSet>();
  std::map<std::string, std::vector<KeyRecord>> rings;  // by store key
  std::map<std::string, KeyRecord> revoked;             // by id
  std::map<std::string, DenialRecord> denied;           // by store key

  std::shared_ptr<const EnvironmentState> ToState() const {
    auto state = std::make_shared<EnvironmentState>();
    state->release = release;
    state->revision = revision;
    state->documents = documents;
    for (const auto& [key, ring] : rings) {
      state->keys.insert(state->keys.end(), ring.begin(), ring.end());
    }
    std::sort(state->keys.begin(), state->keys.end(),
              [](const KeyRecord& a, const KeyRecord& b) { return a.id < b.id; });
    for (const auto& [id, record] : revoked) state->revoked.push_back(record);
    std::stable_sort(
        state->revoked.begin(), state->revoked.end(),
        [](const KeyRecord& a, const KeyRecord& b) { return a.revision > b.revision; });
    for (const auto& [key, record] : denied) state->denied.push_back(record);
    return state;
  }
};

bool IsRelevant(absl::string_view kind) {
  return kind == "head" || kind == "keys" || kind == "revoked" || kind == "denied" ||
         kind == "lifted";
}

class StoreView final : public StateView {
 public:
  StoreView(RevStore& store, Releases& releases, Callback callback, Backoff backoff)
      : store_(store), releases_(releases), callback_(std::move(callback)), backoff_(backoff) {}

  ~StoreView() override {
    watcher_mutex_.lock();
    std::unique_ptr<Watcher> watcher = std::move(watcher_);
    closing_watch_ = true;
    watcher_mutex_.unlock();
    watcher.reset();  // no more events
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start() {
    RETURN_IF_ERROR(ReadAndWatch());
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  std::shared_ptr<const State> Current() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return current_;
  }
  absl::Status Health() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return health_;
  }

 private:
  // Reads all at one revision, then watches from the next.
  absl::Status ReadAndWatch() {
    ASSIGN_OR_RETURN(const Revision revision, store_.CurrentRevision());
    environments_.clear();
    if (revision > 0) {
      ASSIGN_OR_RETURN(const std::vector<std::string> names, ListEnvironments(store_, revision));
      for (const std::string& name : names) {
        RETURN_IF_ERROR(Read(name, revision, &environments_[name]));
      }
    }
    RETURN_IF_ERROR(CheckNothingIsGone());
    SetCurrent(MakeState({}));
    auto watcher = store_.Watch(std::string(kStoreRoot), revision + 1,
                                [this](const auto& batch) { Enqueue(batch); });
    RETURN_IF_ERROR(watcher.status());
    const std::lock_guard<std::mutex> lock(watcher_mutex_);
    if (!closing_watch_) watcher_ = *std::move(watcher);
    return absl::OkStatus();
  }

  // Heads are never deleted and never go back: what was read anew must not hold less.
  absl::Status CheckNothingIsGone() const {
    const std::shared_ptr<const State> before = Current();
    if (before == nullptr) return absl::OkStatus();
    for (const auto& [name, environment] : before->environments) {
      const auto now = environments_.find(name);
      const uint64_t release = now == environments_.end() ? 0 : now->second.release;
      if (release >= environment->release) continue;
      return absl::DataLossError(absl::StrCat(
          "store: the head of environment '", name, "' was ", environment->release, " and is ",
          release, " now; restore the store's newest backup, then restart"));
    }
    return absl::OkStatus();
  }

  absl::Status Read(const std::string& name, Revision revision, Environment* out) {
    ASSIGN_OR_RETURN(const auto head, Get(store_, HeadKey(name), revision));
    if (head.has_value()) RETURN_IF_ERROR(ApplyHead(name, *head, out));
    ASSIGN_OR_RETURN(const auto lifted, Get(store_, LiftedKey(name), revision));
    if (lifted.has_value()) RETURN_IF_ERROR(ApplyCredential(*lifted, out));
    for (const std::string& prefix :
         {KeyRingsPrefix(name), RevokedPrefix(name), DeniedPrefix(name)}) {
      ASSIGN_OR_RETURN(const std::vector<KeyValue> kvs,
                       ReadAll(store_, prefix, /*keys_only=*/false, revision));
      for (const KeyValue& kv : kvs) RETURN_IF_ERROR(ApplyCredential(kv, out));
    }
    return absl::OkStatus();
  }

  absl::Status ApplyHead(const std::string& name, const KeyValue& kv, Environment* out) {
    ASSIGN_OR_RETURN(const store::v1::Head head, ParseStored<store::v1::Head>(kv));
    ASSIGN_OR_RETURN(Release release, releases_.Load(name, head.release(), *out->documents));
    out->release = head.release();
    out->documents = std::make_shared<const DocumentSet>(std::move(release.documents));
    out->revision = std::max(out->revision, kv.mod_revision);
    return absl::OkStatus();
  }

  absl::Status ApplyCredential(const KeyValue& kv, Environment* out) {
    StoreKey key;
    ParseStoreKey(kv.key, &key);
    if (key.kind == "keys") {
      ASSIGN_OR_RETURN(out->rings[kv.key], ParseKeyRing(kv));
    } else if (key.kind == "revoked") {
      ASSIGN_OR_RETURN(KeyRecord record, ParseRevokedKey(kv));
      out->revoked[record.id] = std::move(record);
    } else if (key.kind == "denied") {
      ASSIGN_OR_RETURN(out->denied[kv.key], ParseDenial(kv));
    }  // "lifted" has nothing but its revision
    out->revision = std::max(out->revision, kv.mod_revision);
    return absl::OkStatus();
  }

  // On the watch's thread: only what matters is kept (blobs are not), so the queue stays small.
  void Enqueue(const absl::StatusOr<WatchBatch>& batch) {
    absl::StatusOr<WatchBatch> kept = absl::StatusOr<WatchBatch>(WatchBatch());
    if (!batch.ok()) {
      kept = batch.status();
    } else {
      kept->revision = batch->revision;
      for (const Event& event : batch->events) {
        StoreKey key;
        if (ParseStoreKey(event.kv.key, &key) && IsRelevant(key.kind)) {
          kept->events.push_back(event);
        }
      }
      if (kept->events.empty()) return;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      queue_.push_back(std::move(kept));
    }
    wake_.notify_all();
  }

  void Run() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (closing_) return;
      const absl::StatusOr<WatchBatch> batch = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      const absl::Status status = batch.ok() ? Apply(*batch) : batch.status();
      if (!status.ok() && !Recover(status)) return;
      if (callback_) callback_(Current());
    }
  }

  // Reads anew and follows from there, until that succeeds. False: never again, because the view is
  // being closed, or the store is damaged or has closed itself (DataLoss): trying again would not
  // help then, and might take for granted what is missing.
  bool Recover(absl::Status why) {
    // Behind a compaction, all that lies between is in the state as it is now: no trouble.
    bool trouble = false;
    for (bool first = true;; first = false) {
      EndWatch();
      if (absl::IsDataLoss(why)) {
        SetHealth(why);
        spdlog::error(
            absl::StrCat("state: the store is damaged or closed for good: what is pushed ",
                         "stays at revision ", Current()->revision, ": ", why.message()));
        return false;
      }
      const bool known = trouble;
      trouble = trouble || !(first && absl::IsOutOfRange(why));
      if (trouble) SetHealth(why);
      if (trouble && !known) {
        spdlog::error(absl::StrCat("state: cannot follow the store, trying again; what is pushed ",
                                   "stays at revision ", Current()->revision, ": ", why.message()));
      }
      if (!Pause(backoff_.Next())) return false;
      why = ReadAndWatch();
      if (why.ok()) break;
    }
    backoff_.Succeeded();
    if (!trouble) return true;
    SetHealth(absl::OkStatus());
    spdlog::info(absl::StrCat("state: follows the store again, at revision ", Current()->revision));
    return true;
  }

  // False: the view is being closed.
  bool Pause(Duration length) {
    std::unique_lock<std::mutex> lock(mutex_);
    return !wake_.wait_for(lock, length, [&] { return closing_; });
  }

  // Nothing of it is in the queue any more.
  void EndWatch() {
    std::unique_ptr<Watcher> watcher;
    {
      const std::lock_guard<std::mutex> lock(watcher_mutex_);
      watcher = std::move(watcher_);
    }
    watcher.reset();
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.clear();
  }

  void SetHealth(const absl::Status& health) {
    const std::lock_guard<std::mutex> lock(mutex_);
    health_ = health;
  }

  absl::Status Apply(const WatchBatch& batch) {
    std::vector<std::string> changed;
    for (const Event& event : batch.events) {
      StoreKey key;
      ParseStoreKey(event.kv.key, &key);
      const std::string name(key.environment);
      Environment& environment = environments_[name];
      if (event.kind == Event::Kind::kDelete) {
        // Heads, rings and revocations are never deleted: somebody else's hand.
        if (key.kind != "denied") {
          return absl::DataLossError(absl::StrCat("store: key '", event.kv.key, "' was deleted"));
        }
        environment.denied.erase(event.kv.key);
      } else if (key.kind == "head") {
        const absl::Status status = ApplyHead(name, event.kv, &environment);
        // Collected already, because we are that late: a newer head is in the queue.
        if (absl::IsNotFound(status)) continue;
        RETURN_IF_ERROR(status);
      } else {
        RETURN_IF_ERROR(ApplyCredential(event.kv, &environment));
      }
      changed.push_back(name);
    }
    SetCurrent(MakeState(changed));
    return absl::OkStatus();
  }

  // Environments that are not in `changed` are shared with the state before; {}: all are made.
  std::shared_ptr<const State> MakeState(const std::vector<std::string>& changed) const {
    auto state = std::make_shared<State>();
    state->incarnation = store_.incarnation();
    const std::shared_ptr<const State> before = changed.empty() ? nullptr : Current();
    for (const auto& [name, environment] : environments_) {
      const bool same = before != nullptr && before->environments.contains(name) &&
                        std::find(changed.begin(), changed.end(), name) == changed.end();
      // One that holds nothing but the remains of a publish that died is not there yet.
      if (environment.revision == 0) continue;
      state->environments[name] = same ? before->environments.at(name) : environment.ToState();
      state->revision = std::max(state->revision, environment.revision);
    }
    return state;
  }

  void SetCurrent(std::shared_ptr<const State> state) {
    const std::lock_guard<std::mutex> lock(mutex_);
    current_ = std::move(state);
  }

  RevStore& store_;
  Releases& releases_;
  const Callback callback_;
  Backoff backoff_;                                  // the view's thread
  std::map<std::string, Environment> environments_;  // Start(), then the view's thread

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<const State> current_;
  std::deque<absl::StatusOr<WatchBatch>> queue_;
  absl::Status health_;
  bool closing_ = false;

  std::mutex watcher_mutex_;
  std::unique_ptr<Watcher> watcher_;
  bool closing_watch_ = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StateView>> StateView::Start(RevStore& store, Releases& releases,
                                                            Callback callback, Backoff backoff) {
  auto view = std::make_unique<StoreView>(store, releases, std::move(callback), backoff);
  RETURN_IF_ERROR(view->Start());
  return view;
}

}  // namespace tollgate::control
