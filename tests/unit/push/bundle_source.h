// A ResourceSource that gives everybody the same bundle. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "control-plane/push/source.h"
#include "tests/unit/control-plane/push/sets_for_test.h"

namespace tollgate {

class BundleSource final : public control::ResourceSource {
 public:
  Answer Resources(const control::NodeInfo&) override {
    const std::lock_guard lock(mutex_);
    if (set_ == nullptr) return {absl::NotFoundError("no such service")};
    return {set_, set_->identity.release};
  }
  void OnChange(std::function<void()> changed) override {
    const std::lock_guard lock(mutex_);
    changed_ = std::move(changed);
  }
  void Publish(const config::v1::Bundle& bundle) {
    auto set = control::SetOf(bundle, &pool_);
    const std::lock_guard lock(mutex_);
    set_ = std::move(set);
    if (changed_ != nullptr) changed_();
  }

 private:
  control::ResourcePool pool_;
  std::mutex mutex_;
  std::shared_ptr<const control::ResourceSet> set_;
  std::function<void()> changed_;
};

}  // namespace tollgate
