// A process that has no descriptor left.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "gtest/gtest.h"
#include "proxy/event/loop.h"
#include "proxy/net/listener.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {

// While it lives, the process cannot open one descriptor more.
class NoDescriptors {
 public:
  NoDescriptors() {
    // UBSan probes objects of a kind it has not seen through a pipe, which it cannot open later.
    spdlog::info("running out of descriptors, on purpose");
    AcceptOne();
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &old_), 0);
    const int lowest_free = dup(0);
    close(lowest_free);
    rlimit none = old_;
    none.rlim_cur = static_cast<rlim_t>(lowest_free);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &old_), 0); }

 private:
  static void AcceptOne() {
    FakeClock clock;
    const auto loop = *Loop::Create(clock);
    bool accepted = false;
    const auto acceptor = *Acceptor::Create(*loop, *Listen(*Address::Parse("127.0.0.1:0")),
                                            [&](AcceptedConnection) { accepted = true; });
    const auto client = Connect(acceptor->address());
    loop->RunOnce(std::chrono::seconds(1));
    EXPECT_TRUE(accepted);
  }

  rlimit old_;
};

}  // namespace tollgate::proxy
