#include "control-plane/push/hub.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "control-plane/push/listen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/control-plane/push/sets_for_test.h"

namespace tollgate::control {
namespace {

using fakes::SampleBundle;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A value that the test waits for.
template <typename T>
class Watched {
 public:
  template <typename Change>
  void Update(Change change) {
    const std::lock_guard lock(mutex_);
    change(value_);
    wake_.notify_all();
  }
  template <typename Condition>
  T Wait(Condition condition) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(wake_.wait_for(lock, std::chrono::seconds(60), [&] { return condition(value_); }));
    return value_;
  }
  T Get() {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  T value_{};
};

class FakeSource final : public ResourceSource {
 public:
  Answer Resources(const NodeInfo& node) override {
    asked.Update([&](auto& ids) { ids.push_back(node.id); });
    gate.Wait([](bool closed) { return !closed; });
    const uint64_t number = release.Get();
    if (node.service != "payments") return {absl::NotFoundError("no such service"), number};
    return {SetOf(SampleBundle(number), &pool, schema), number};
  }
  void OnChange(std::function<void()> changed) override {
    const std::lock_guard lock(mutex);
    changed_ = std::move(changed);
  }
  void Publish(uint64_t number) {
    release.Update([&](uint64_t& r) { r = number; });
    const std::lock_guard lock(mutex);
    if (changed_ != nullptr) changed_();
  }

  Watched<std::vector<std::string>> asked;
  Watched<bool> gate;  // true: closed
  Watched<uint64_t> release;
  uint32_t schema = 1;
  ResourcePool pool;
  std::mutex mutex;
  std::function<void()> changed_;
};

struct FakePeer final : Peer {
  void Offer(std::shared_ptr<const ResourceSet> set) override {
    offers.Update([&](auto& all) { all.push_back(set->identity.release); });
  }
  void Close(absl::Status why) override {
    closed.Update([&](absl::Status& status) { status = std::move(why); });
  }
  Watched<std::vector<uint64_t>> offers;
  Watched<absl::Status> closed;
};

class HubTest : public ::testing::Test {
 protected:
  HubTest() { source_.Publish(1); }
  std::shared_ptr<FakePeer> Connect(const std::string& id, uint64_t* session = nullptr,
                                    const std::string& service = "payments") {
    NodeInfo node;
    node.id = id;
    node.service = service;
    node.schema = 1;
    auto peer = std::make_shared<FakePeer>();
    const uint64_t number = fleet_.Connected(node);
    if (session != nullptr) *session = number;
    hub_.Attach(node, number, peer);
    return peer;
  }

  FakeClock clock_;
  Fleet fleet_{&clock_};
  FakeSource source_;
  Hub hub_{&source_, &fleet_};
};

TEST_F(HubTest, OffersToANewcomerAndThenEveryChange) {
  const auto peer = Connect("a");
  peer->offers.Wait([](const auto& all) { return !all.empty(); });
  source_.Publish(2);
  EXPECT_THAT(peer->offers.Wait([](const auto& all) { return all.size() == 2; }),
              ElementsAre(1, 2));
}

TEST_F(HubTest, ChangesThatComeWhileItIsBusyGoTogether) {
  const auto peer = Connect("a");
  peer->offers.Wait([](const auto& all) { return all.size() == 1; });
  source_.gate.Update([](bool& closed) { closed = true; });
  source_.Publish(2);
  source_.asked.Wait([](const auto& ids) { return ids.size() == 2; });
  for (uint64_t release = 3; release <= 100; ++release) source_.Publish(release);
  source_.gate.Update([](bool& closed) { closed = false; });
  // The one that was under way sees the newest too, and one more round is owed.
  EXPECT_THAT(peer->offers.Wait([](const auto& all) { return all.size() == 3; }),
              ElementsAre(1, 100, 100));
  EXPECT_EQ(source_.asked.Get().size(), 3u);
}

TEST_F(HubTest, SaysOfWhichReleaseASidecarCannotBeServed) {
  Connect("a", nullptr, "nobody-knows");
  EXPECT_TRUE(fleet_.WaitFor("default", 1, std::chrono::seconds(60)));
  source_.Publish(2);
  EXPECT_TRUE(fleet_.WaitFor("default", 2, std::chrono::seconds(60)));
  EXPECT_EQ(fleet_.List()[0].unservable, 2u);
  EXPECT_EQ(fleet_.List()[0].errors[0].code, "NOT_FOUND");
}

TEST_F(HubTest, ADetachedStreamIsNotOfferedAnythingMore) {
  uint64_t session = 0;
  const auto gone = Connect("a", &session);
  gone->offers.Wait([](const auto& all) { return all.size() == 1; });
  hub_.Detach(session);
  const auto other = Connect("b");
  source_.Publish(2);
  other->offers.Wait([](const auto& all) { return !all.empty() && all.back() == 2; });
  EXPECT_THAT(gone->offers.Get(), ElementsAre(1));
}

TEST_F(HubTest, ASecondStreamOfOneSidecarReplacesTheFirst) {
  const auto first = Connect("a");
  const auto second = Connect("a");
  second->offers.Wait([](const auto& all) { return !all.empty(); });
  EXPECT_TRUE(absl::IsAlreadyExists(
      first->closed.Wait([](const absl::Status& status) { return !status.ok(); })));
}

TEST_F(HubTest, RefusesASidecarThatIsTooOldAndSaysSo) {
  source_.schema = 2;
  const auto peer = Connect("old");
  const absl::Status why =
      peer->closed.Wait([](const absl::Status& status) { return !status.ok(); });
  EXPECT_TRUE(absl::IsFailedPrecondition(why)) << why;
  EXPECT_THAT(peer->offers.Get(), IsEmpty());
  EXPECT_EQ(fleet_.List()[0].errors[0].code, "UNSUPPORTED_SCHEMA");
}

TEST(Listen, AllowsPlaintextOnThisMachineOnly) {
  EXPECT_TRUE(CheckControlAddress("127.0.0.1:18000").ok());
  EXPECT_TRUE(CheckControlAddress("[::1]:18000").ok());
  EXPECT_TRUE(CheckControlAddress("unix:/run/tollgate/control.sock").ok());
  EXPECT_FALSE(CheckControlAddress("0.0.0.0:18000").ok());
  EXPECT_FALSE(CheckControlAddress("10.0.0.1:18000").ok());
  EXPECT_FALSE(CheckControlAddress("control.example:18000").ok());
  EXPECT_FALSE(CheckControlAddress("rubbish").ok());
  EXPECT_EQ(*ListeningUri("unix:/run/x.sock"), "unix:/run/x.sock");
}

}  // namespace
}  // namespace tollgate::control
