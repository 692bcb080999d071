// What every RevStore must do, whatever engine it stands on: instantiate RevStoreConformance with a
// maker of engines.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "control-plane/store/rev_store.h"
#include "gtest/gtest.h"

namespace tollgate::control {

// An engine with an empty store. Tests reach it through `store()` only.
class RevStoreEngine {
 public:
  virtual ~RevStoreEngine() = default;
  virtual RevStore& store() = 0;
  // Time passes, and the engine has ended the leases that are over.
  virtual void Advance(Duration d) = 0;
  // The process ends in good order and starts again.
  virtual void Restart() = 0;
};

struct RevStoreMaker {
  std::string name;
  std::function<std::unique_ptr<RevStoreEngine>()> make;
};

class RevStoreConformance : public testing::TestWithParam<RevStoreMaker> {
 protected:
  RevStoreConformance() : engine_(GetParam().make()) {}
  RevStore& store() { return engine_->store(); }
  Revision Put(const std::string& key, const std::string& value, LeaseId lease = 0) {
    const auto result = store().Txn({.then = {Operation::Put(key, value, lease)}});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->revision : -1;
  }
  Revision Delete(const std::string& key) {
    const auto result = store().Txn({.then = {Operation::Delete(key)}});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->revision : -1;
  }
  // "key=value@mod_revision", in order.
  std::vector<std::string> List(const RangeRequest& request);
  std::unique_ptr<RevStoreEngine> engine_;
};

// Collects what a watch delivers. Outlives the watch.
class WatchLog {
 public:
  WatchCallback callback();
  // Waits until `n` batches (or the error) have come. "7: put a=1, delete b"; an error is its code.
  std::vector<std::string> WaitFor(size_t n);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  bool ended_ = false;
};

}  // namespace tollgate::control
