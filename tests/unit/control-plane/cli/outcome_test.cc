#include "control-plane/cli/outcome.h"

#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

// A sidecar that serves release 1 and has been offered nothing since.
admin::v1::Proxy Serving1() {
  admin::v1::Proxy proxy;
  proxy.set_connected(true);
  proxy.set_state("SYNCED");
  proxy.set_offered_release(1);
  proxy.set_serving_release(1);
  return proxy;
}

admin::v1::Proxy Unservable(uint64_t release, const char* code) {
  admin::v1::Proxy proxy = Serving1();
  proxy.set_unservable_release(release);
  proxy.add_errors()->set_code(code);
  return proxy;
}

TEST(OutcomeOf, AppliedIsThisReleaseOrANewerOne) {
  EXPECT_EQ(OutcomeOf(Serving1(), 1), Outcome::kApplied);
  EXPECT_EQ(OutcomeOf(Serving1(), 2), Outcome::kPending);
}

TEST(OutcomeOf, WhatWasSaidOfAnOlderReleaseIsNoAnswer) {
  EXPECT_EQ(OutcomeOf(Unservable(0, "NOT_FOUND"), 2), Outcome::kPending);
  EXPECT_EQ(OutcomeOf(Unservable(1, "FAILED_PRECONDITION"), 2), Outcome::kPending);
  admin::v1::Proxy proxy = Serving1();
  proxy.set_refused_release(2);
  proxy.add_errors()->set_code("ADDRESS_IN_USE");
  EXPECT_EQ(OutcomeOf(proxy, 3), Outcome::kPending);
}

TEST(OutcomeOf, AStrangerIsNoObstacleAndAnyOtherReasonIs) {
  EXPECT_EQ(OutcomeOf(Unservable(2, "NOT_FOUND"), 2), Outcome::kStranger);
  EXPECT_EQ(OutcomeOf(Unservable(2, "FAILED_PRECONDITION"), 2), Outcome::kRefused);
}

TEST(OutcomeOf, WhoServesItHasAppliedItThoughItCannotBeOfferedTheNextOne) {
  EXPECT_EQ(OutcomeOf(Unservable(2, "NOT_FOUND"), 1), Outcome::kApplied);
}

TEST(OutcomeOf, ARefusalOfANewerOneIsARefusalOfWhatItDoesNotServe) {
  admin::v1::Proxy proxy = Serving1();
  proxy.set_state("REFUSED");
  proxy.set_offered_release(3);
  proxy.set_refused_release(3);
  EXPECT_EQ(OutcomeOf(proxy, 1), Outcome::kApplied) << "it goes on with this one";
  EXPECT_EQ(OutcomeOf(proxy, 2), Outcome::kRefused);
  EXPECT_EQ(OutcomeOf(proxy, 3), Outcome::kRefused);
}

TEST(OutcomeOf, ADisconnectedSidecarHasNone) {
  admin::v1::Proxy proxy = Serving1();
  proxy.set_connected(false);
  EXPECT_EQ(OutcomeOf(proxy, 1), Outcome::kDisconnected);
}

}  // namespace
}  // namespace tollgate::control
