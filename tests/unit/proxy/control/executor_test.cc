#include "proxy/control/executor.h"

#include <future>
#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

TEST(ControlThread, RunsTasksInOrder) {
  ControlThread thread;
  std::vector<int> order;
  std::promise<void> done;
  for (int i = 0; i < 100; ++i) thread.Post([&order, i] { order.push_back(i); });
  thread.Post([&done] { done.set_value(); });
  done.get_future().wait();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(ControlThread, RunsDelayedTasksByTheirTime) {
  ControlThread thread;
  std::vector<int> order;
  std::promise<void> done;
  thread.PostAfter(std::chrono::milliseconds(20), [&] {
    order.push_back(2);
    done.set_value();
  });
  thread.PostAfter(std::chrono::milliseconds(5), [&] { order.push_back(1); });
  thread.Post([&] { order.push_back(0); });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(ControlThread, StopDropsWhatWaitsAndIgnoresWhatComesLater) {
  ControlThread thread;
  auto held = std::make_shared<int>(1);
  thread.PostAfter(std::chrono::hours(1), [held] {});
  thread.Stop();
  EXPECT_EQ(held.use_count(), 1);
  thread.Post([held] {});
  EXPECT_EQ(held.use_count(), 1);
  thread.Stop();
}

TEST(ControlThread, ATaskMayPost) {
  ControlThread thread;
  std::promise<void> done;
  thread.Post([&] { thread.Post([&] { done.set_value(); }); });
  done.get_future().wait();
}

}  // namespace
}  // namespace tollgate::proxy
