// A store in front of another one that fails when a test says so, and works again when it says so.
// Thread-safe.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/store/rev_store.h"

namespace tollgate::fakes {

class FlakyStore final : public control::RevStore {
 public:
  explicit FlakyStore(control::RevStore& store) : store_(store) {}  // borrows it

  // From now on every call fails with `why`, and the running watches have ended with it.
  void Fail(const absl::Status& why) {
    std::vector<std::shared_ptr<Relay>> ended;
    {
      const std::lock_guard lock(mutex_);
      failure_ = why;
      ended.swap(relays_);
    }
    for (const auto& relay : ended) relay->End(why);
  }
  void Recover() {
    const std::lock_guard lock(mutex_);
    failure_ = absl::OkStatus();
  }
  // Calls that were refused.
  int refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

  std::string incarnation() const override { return store_.incarnation(); }
  absl::StatusOr<control::Revision> CurrentRevision() override {
    if (absl::Status failure = Failure(); !failure.ok()) return failure;
    return store_.CurrentRevision();
  }
  absl::StatusOr<control::RangeResult> Range(const control::RangeRequest& request) override {
    if (absl::Status failure = Failure(); !failure.ok()) return failure;
    return store_.Range(request);
  }
  absl::StatusOr<control::TxnResult> Txn(const control::TxnRequest& request) override {
    if (absl::Status failure = Failure(); !failure.ok()) return failure;
    return store_.Txn(request);
  }
  absl::StatusOr<std::unique_ptr<control::Watcher>> Watch(
      const std::string& prefix, control::Revision from, control::WatchCallback callback) override {
    if (absl::Status failure = Failure(); !failure.ok()) return failure;
    auto relay = std::make_shared<Relay>(std::move(callback));
    auto watcher = store_.Watch(
        prefix, from,
        [relay](const absl::StatusOr<control::WatchBatch>& batch) { relay->Pass(batch); });
    if (!watcher.ok()) return watcher.status();
    const std::lock_guard lock(mutex_);
    relays_.push_back(relay);
    return std::make_unique<RelayWatcher>(*std::move(watcher), std::move(relay));
  }
  absl::StatusOr<control::LeaseId> GrantLease(Duration ttl) override {
    return store_.GrantLease(ttl);
  }
  absl::Status KeepAlive(control::LeaseId lease) override { return store_.KeepAlive(lease); }
  absl::Status RevokeLease(control::LeaseId lease) override { return store_.RevokeLease(lease); }
  absl::Status Compact(control::Revision revision) override { return store_.Compact(revision); }

 private:
  // One watch's callback, until an error was its last call.
  class Relay {
   public:
    explicit Relay(control::WatchCallback callback) : callback_(std::move(callback)) {}
    void Pass(const absl::StatusOr<control::WatchBatch>& batch) {
      const std::lock_guard lock(mutex_);
      if (callback_ != nullptr) callback_(batch);
    }
    void End(const absl::Status& why) {
      const std::lock_guard lock(mutex_);
      if (callback_ != nullptr) callback_(why);
      callback_ = nullptr;
    }
    void Drop() {
      const std::lock_guard lock(mutex_);
      callback_ = nullptr;
    }

   private:
    std::mutex mutex_;
    control::WatchCallback callback_;
  };
  class RelayWatcher final : public control::Watcher {
   public:
    RelayWatcher(std::unique_ptr<control::Watcher> watcher, std::shared_ptr<Relay> relay)
        : watcher_(std::move(watcher)), relay_(std::move(relay)) {}
    ~RelayWatcher() override { relay_->Drop(); }

   private:
    const std::unique_ptr<control::Watcher> watcher_;
    const std::shared_ptr<Relay> relay_;
  };

  absl::Status Failure() {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) ++refused_;
    return failure_;
  }

  control::RevStore& store_;
  mutable std::mutex mutex_;
  absl::Status failure_;
  int refused_ = 0;
  std::vector<std::shared_ptr<Relay>> relays_;
};

}  // namespace tollgate::fakes
