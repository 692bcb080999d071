// A loop on a fake clock, and endpoints that are listening sockets of the test.
#pragma once

#include <functional>
#include <memory>

#include "gtest/gtest.h"
#include "proxy/event/loop.h"
#include "tests/fakes/fake_upstream.h"

namespace tollgate::proxy {

class HealthCheckTest : public testing::Test {
 protected:
  // Runs the loop, without letting time pass, until `done`; ends the test if it never is.
  void Until(const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) loop_->RunOnce(std::chrono::milliseconds(1));
    ASSERT_TRUE(done());
  }
  // What is on its way arrives.
  void Settle() {
    for (int i = 0; i < 5; ++i) loop_->RunOnce(Duration::zero());
  }
  void Advance(Duration time) {
    clock_.Advance(time);
    Settle();
  }

  FakeClock clock_;
  std::unique_ptr<Loop> loop_ = *Loop::Create(clock_);
};

}  // namespace tollgate::proxy
