#include <gtest/gtest.h>

#include "tests/fakes/data_path.h"

namespace tollgate::proxy {
namespace {

std::shared_ptr<const Snapshot> CompileOne(const Policy& policy) {
  return *Snapshot::Compile(std::make_shared<const Policy>(policy), nullptr);
}

// The allocator gives the next snapshot the place of one that was freed: what the listener
// remembered of that place must be forgotten when a policy is adopted.
TEST(ListenerState, AnswersForASnapshotThatLiesWhereAnOlderOneLay) {
  const Policy policy = DataPath::PublicPolicy({});
  ListenerState state(policy.listeners.at("in"));
  for (int i = 0; i < 100; ++i) {
    auto old = CompileOne(policy);
    const Snapshot* place = old.get();
    ASSERT_EQ(state.In(*old), old->FindListener("in"));
    // What is compiled first takes most of what is freed last; try until the place fits.
    old.reset();
    auto next = CompileOne(policy);
    state.Update(policy.listeners.at("in"));  // as every adoption does
    ASSERT_EQ(state.In(*next), next->FindListener("in")) << (next.get() == place);
  }
}

}  // namespace
}  // namespace tollgate::proxy
