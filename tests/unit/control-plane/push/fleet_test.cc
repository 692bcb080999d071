#include "control-plane/push/fleet.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

CutIdentity Cut(uint64_t release) { return {"life-1", release * 10, release}; }
NodeInfo Node(const std::string& id, const std::string& environment = "default") {
  NodeInfo node;
  node.id = id;
  node.service = "payments";
  node.environment = environment;
  return node;
}

class FleetTest : public ::testing::Test {
 protected:
  SidecarStatus Status(const std::string& id) {
    for (const SidecarStatus& status : fleet_.List()) {
      if (status.node.id == id) return status;
    }
    ADD_FAILURE() << "no sidecar " << id;
    return {};
  }
  SyncState State(const std::string& id) { return Status(id).state; }

  FakeClock clock_;
  Fleet fleet_{&clock_};
};

TEST_F(FleetTest, FollowsASidecarFromPendingToSyncedToRefusedToDisconnected) {
  const NodeInfo node = Node("a");
  const uint64_t session = fleet_.Connected(node);
  EXPECT_EQ(State("a"), SyncState::kPending);
  fleet_.Offered(node, session, Cut(1));
  EXPECT_EQ(State("a"), SyncState::kPending);
  fleet_.Acknowledged(node, session, Cut(1));
  EXPECT_EQ(State("a"), SyncState::kSynced);
  EXPECT_EQ(Status("a").serving_release, 1u);
  fleet_.Offered(node, session, Cut(2));
  EXPECT_EQ(State("a"), SyncState::kPending);
  fleet_.Refused(node, session, Cut(2), {{"t", "cards/v1", "UNKNOWN_FIELD", "routes[0].x", "no"}});
  EXPECT_EQ(State("a"), SyncState::kRefused);
  EXPECT_EQ(Status("a").serving_release, 1u);
  EXPECT_EQ(Status("a").errors[0].field_path, "routes[0].x");
  fleet_.Offered(node, session, Cut(3));
  fleet_.Acknowledged(node, session, Cut(3));
  EXPECT_EQ(State("a"), SyncState::kSynced);
  EXPECT_THAT(Status("a").errors, IsEmpty());
  fleet_.Disconnected(node, session);
  EXPECT_EQ(State("a"), SyncState::kDisconnected);
  EXPECT_EQ(ToString(State("a")), "DISCONNECTED");
}

TEST_F(FleetTest, WhatAnOlderStreamSaysIsIgnored) {
  const NodeInfo node = Node("a");
  const uint64_t old = fleet_.Connected(node);
  const uint64_t now = fleet_.Connected(node);
  fleet_.Offered(node, now, Cut(1));
  fleet_.Disconnected(node, old);
  EXPECT_EQ(State("a"), SyncState::kPending);
  EXPECT_THAT(fleet_.List(), SizeIs(1));
}

TEST_F(FleetTest, ForgetsWhoHasBeenAwayLong) {
  const NodeInfo node = Node("a");
  fleet_.Disconnected(node, fleet_.Connected(node));
  clock_.Advance(std::chrono::hours(23));
  fleet_.Connected(Node("b"));
  EXPECT_THAT(fleet_.List(), SizeIs(2));
  clock_.Advance(std::chrono::hours(2));
  fleet_.Connected(Node("c"));
  EXPECT_THAT(fleet_.List(), SizeIs(2));
}

TEST_F(FleetTest, AWaiterIsToldWhenEveryConnectedSidecarHasAppliedOrRefused) {
  const NodeInfo a = Node("a"), b = Node("b"), c = Node("c");
  const uint64_t sa = fleet_.Connected(a), sb = fleet_.Connected(b), sc = fleet_.Connected(c);
  int settled = 0;
  fleet_.Await("default", 2, [&] { ++settled; });
  fleet_.Acknowledged(a, sa, Cut(1));
  fleet_.Acknowledged(a, sa, Cut(2));
  fleet_.Refused(b, sb, Cut(2), {});
  EXPECT_EQ(settled, 0);
  fleet_.Disconnected(c, sc);
  EXPECT_EQ(settled, 1);
  fleet_.Await("default", 2, [&] { ++settled; });
  EXPECT_EQ(settled, 2) << "at once";
}

TEST_F(FleetTest, AWaiterDoesNotWaitForOtherEnvironmentsNorForWhatCannotBeServed) {
  fleet_.Connected(Node("x", "staging"));
  const NodeInfo a = Node("a");
  const uint64_t session = fleet_.Connected(a);
  int settled = 0;
  fleet_.Await("default", 1, [&] { ++settled; });
  EXPECT_EQ(settled, 0);
  fleet_.Unservable(a, session, 1, {"", "payments", "NOT_FOUND", "", "no such service"});
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(State("a"), SyncState::kPending);
  EXPECT_EQ(Status("a").errors[0].code, "NOT_FOUND");
  fleet_.Offered(a, session, Cut(1));
  EXPECT_THAT(Status("a").errors, IsEmpty());
}

TEST_F(FleetTest, WhatCannotBeServedOfAnOlderReleaseIsNoAnswerToANewerOne) {
  const NodeInfo a = Node("a");
  const uint64_t session = fleet_.Connected(a);
  fleet_.Unservable(a, session, 0, {"", "payments", "NOT_FOUND", "", "no release yet"});
  int settled = 0;
  fleet_.Await("default", 1, [&] { ++settled; });
  EXPECT_EQ(settled, 0) << "it has not been offered release 1 yet";
  fleet_.Offered(a, session, Cut(1));
  fleet_.Acknowledged(a, session, Cut(1));
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(Status("a").unservable, std::nullopt);
}

TEST_F(FleetTest, ALateAnswerToAnOlderCutDoesNotHideThatTheNewestCannotBeServed) {
  const NodeInfo a = Node("a");
  const uint64_t session = fleet_.Connected(a);
  fleet_.Offered(a, session, Cut(1));
  fleet_.Unservable(a, session, 3, {"", "payments", "NOT_FOUND", "", "no such service"});
  fleet_.Acknowledged(a, session, Cut(1));
  fleet_.Offered(a, session, Cut(2));
  fleet_.Refused(a, session, Cut(2), {{"", "payments", "ADDRESS_IN_USE", "", "taken"}});
  EXPECT_EQ(Status("a").unservable, 3u);
  ASSERT_THAT(Status("a").errors, SizeIs(1));
  EXPECT_EQ(Status("a").errors[0].code, "NOT_FOUND");
  int settled = 0;
  fleet_.Await("default", 3, [&] { ++settled; });
  EXPECT_EQ(settled, 1);
}

TEST_F(FleetTest, ACancelledWaiterIsNotCalled) {
  const NodeInfo a = Node("a");
  const uint64_t session = fleet_.Connected(a);
  int settled = 0;
  const uint64_t waiter = fleet_.Await("default", 1, [&] { ++settled; });
  EXPECT_TRUE(fleet_.Cancel(waiter));
  EXPECT_FALSE(fleet_.Cancel(waiter));
  fleet_.Acknowledged(a, session, Cut(1));
  EXPECT_EQ(settled, 0);
}

TEST_F(FleetTest, WaitForBlocksUntilSettledOrTheTimeout) {
  const NodeInfo a = Node("a");
  const uint64_t session = fleet_.Connected(a);
  EXPECT_FALSE(fleet_.WaitFor("default", 1, std::chrono::milliseconds(1)));
  std::thread other([&] { fleet_.Acknowledged(a, session, Cut(1)); });
  EXPECT_TRUE(fleet_.WaitFor("default", 1, std::chrono::seconds(60)));
  other.join();
}

TEST_F(FleetTest, RecordsWhatTheAgentReports) {
  const NodeInfo a = Node("a");
  fleet_.Connected(a);
  agent::v1::Report report;
  report.mutable_hello()->set_version("0.1.0");
  fleet_.Report("default", "a", report);
  report.mutable_apply()->set_serving_release(4);
  fleet_.Report("default", "a", report);
  report.mutable_usage()->set_adopted(17);
  fleet_.Report("default", "a", report);
  fleet_.Report("default", "stranger", report);
  const SidecarStatus status = Status("a");
  EXPECT_EQ(status.node.version, "0.1.0");
  EXPECT_EQ(status.serving_release, 4u);
  EXPECT_EQ(status.usage.adopted(), 17u);
  EXPECT_THAT(fleet_.List("default"), SizeIs(1));
}

TEST_F(FleetTest, KeepsTheLastReportAboutLimitsAndBoundsIt) {
  fleet_.Connected(Node("a"));
  EXPECT_EQ(fleet_.Find("default", "a")->limits, nullptr);
  agent::v1::Report report;
  for (int i = 0; i < 500; ++i) {
    agent::v1::LimitKeyUsage* key = report.mutable_limits()->add_top();
    key->set_plan("standard");
    key->set_key(std::string(5000, 'x'));
    key->set_used(static_cast<uint64_t>(i));
  }
  fleet_.Report("default", "a", report);
  report.mutable_limits()->clear_top();
  report.mutable_limits()->set_keys(3);
  const auto first = fleet_.Find("default", "a")->limits;
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->top_size(), 100);
  EXPECT_EQ(first->top(99).used(), 99u);
  EXPECT_LT(first->top(0).key().size(), 1100u);
  fleet_.Report("default", "a", report);
  EXPECT_EQ(fleet_.Find("default", "a")->limits->keys(), 3u);
  EXPECT_EQ(fleet_.Find("default", "a")->limits->top_size(), 0);
}

TEST_F(FleetTest, KeepsTheNewestUnknownKeysOnly) {
  fleet_.Connected(Node("a"));
  agent::v1::Report report;
  for (int i = 0; i < 100; ++i) report.mutable_unknown_keys()->add_key_ids(std::to_string(i));
  fleet_.Report("default", "a", report);
  EXPECT_THAT(Status("a").unknown_keys, SizeIs(32));
  EXPECT_EQ(Status("a").unknown_keys.back(), "99");
}

TEST_F(FleetTest, ShowsOperatorsNoKeyIdThatIsNoWord) {
  fleet_.Connected(Node("a"));
  agent::v1::Report report;
  for (const std::string& id : {std::string("tg_a"), std::string("two words"),
                                std::string("x\x1b[2J"), std::string(65, 'x'), std::string()}) {
    report.mutable_unknown_keys()->add_key_ids(id);
  }
  fleet_.Report("default", "a", report);
  EXPECT_THAT(Status("a").unknown_keys, ElementsAre("tg_a"));
}

TEST_F(FleetTest, FindsOneSidecarOfOneEnvironment) {
  fleet_.Connected(Node("a"));
  ASSERT_TRUE(fleet_.Find("default", "a").has_value());
  EXPECT_EQ(fleet_.Find("default", "a")->state, SyncState::kPending);
  EXPECT_FALSE(fleet_.Find("staging", "a").has_value());
  EXPECT_FALSE(fleet_.Find("default", "b").has_value());
}

TEST_F(FleetTest, RemembersOnlySoManyWhoAreAwayThoseSeenLast) {
  for (size_t i = 0; i < Fleet::kMaxAway + 10; ++i) {
    const NodeInfo node = Node(std::to_string(i));
    fleet_.Disconnected(node, fleet_.Connected(node));
    clock_.Advance(std::chrono::milliseconds(1));
  }
  fleet_.Connected(Node("here"));
  EXPECT_THAT(fleet_.List(), SizeIs(Fleet::kMaxAway + 1));
  EXPECT_FALSE(fleet_.Find("default", "0").has_value());
  EXPECT_TRUE(fleet_.Find("default", std::to_string(Fleet::kMaxAway + 9)).has_value());
}

}  // namespace
}  // namespace tollgate::control
