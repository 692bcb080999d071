// A PolicySink that adopts at once, or when the test says so, or refuses. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proxy/control/policy_sink.h"

namespace tollgate::fakes {

class FakePolicySink final : public proxy::PolicySink {
 public:
  using Done = std::function<void(std::vector<ResourceError>)>;

  void Adopt(std::shared_ptr<const Policy> policy, Done done) override {
    std::unique_lock lock(mutex_);
    offered_.push_back(policy);
    if (hold_) {
      held_policy_ = std::move(policy);
      held_ = std::move(done);
      return;
    }
    const std::vector<ResourceError> errors = errors_;
    if (errors.empty()) adopted_.push_back(std::move(policy));
    lock.unlock();
    done(errors);
  }
  void Deny(proxy::Denials denials, std::function<void()> done) override {
    {
      const std::lock_guard lock(mutex_);
      revoked_.insert(denials.key_ids.begin(), denials.key_ids.end());
      tokens_ = std::move(denials.tokens);
    }
    done();
  }

  // From now on adoptions wait for Release.
  void Hold() {
    const std::lock_guard lock(mutex_);
    hold_ = true;
  }
  void Release() {
    Done done;
    std::vector<ResourceError> errors;
    {
      const std::lock_guard lock(mutex_);
      hold_ = false;
      if (held_ == nullptr) return;
      errors = errors_;
      if (errors.empty()) adopted_.push_back(std::move(held_policy_));
      done = std::exchange(held_, nullptr);
    }
    done(std::move(errors));
  }
  bool holding() const {
    const std::lock_guard lock(mutex_);
    return held_ != nullptr;
  }
  // From now on adoptions fail with these; none: they succeed.
  void RefuseWith(std::vector<ResourceError> errors) {
    const std::lock_guard lock(mutex_);
    errors_ = std::move(errors);
  }

  std::vector<std::shared_ptr<const Policy>> adopted() const {
    const std::lock_guard lock(mutex_);
    return adopted_;
  }
  size_t offered() const {
    const std::lock_guard lock(mutex_);
    return offered_.size();
  }
  std::set<std::string> revoked() const {
    const std::lock_guard lock(mutex_);
    return revoked_;
  }
  // Values that are denied now.
  std::set<std::string> denied_tokens() const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> values;
    for (const TokenDenial& denial : tokens_) values.insert(denial.token.value);
    return values;
  }

 private:
  mutable std::mutex mutex_;
  bool hold_ = false;
  std::vector<ResourceError> errors_;
  std::shared_ptr<const Policy> held_policy_;
  Done held_;
  std::vector<std::shared_ptr<const Policy>> offered_;
  std::vector<std::shared_ptr<const Policy>> adopted_;
  std::set<std::string> revoked_;
  std::vector<TokenDenial> tokens_;
};

}  // namespace tollgate::fakes
