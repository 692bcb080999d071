#include "proxy/control/revocation_book.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/wire_set.h"

namespace tollgate::proxy {
namespace {

using fakes::RevocationResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

config::v1::Epoch Epoch(uint64_t revision, const std::string& incarnation = "life-1") {
  config::v1::Epoch epoch;
  epoch.set_incarnation(incarnation);
  epoch.set_revision(revision);
  return epoch;
}

fakes::DeltaDiscoveryResponse Removal() {
  auto response = fakes::EmptyResponse(ResourceType::kRevocation, "gone");
  response.add_removed_resources("revoked");
  return response;
}

TEST(RevocationBook, TellsWhatToDenyAndWhatItHolds) {
  RevocationBook book({});
  const RevocationBook::Change change = book.Apply(RevocationResponse(5, {"a", "b"}, "1"));
  EXPECT_THAT(change.key_ids, ElementsAre("a", "b"));
  EXPECT_THAT(change.errors, IsEmpty());
  EXPECT_THAT(KeyIds(book.held()), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(book.Versions().size(), 1u);
}

TEST(RevocationBook, WhatIsNoLongerListedLingersUntilAPolicyWithoutTheKeyIsKept) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a", "b"}, "1"));
  book.Apply(RevocationResponse(9, {"b"}, "2"));
  EXPECT_THAT(KeyIds(book.held()), UnorderedElementsAre("a", "b"));
  EXPECT_FALSE(book.Kept(Epoch(4)));  // that policy may still hold a
  EXPECT_THAT(KeyIds(book.held()), UnorderedElementsAre("a", "b"));
  EXPECT_TRUE(book.Kept(Epoch(5)));
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("b"));
}

TEST(RevocationBook, ARemovedResourceLingersToo) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a"}, "1"));
  book.Apply(Removal());
  EXPECT_THAT(book.Versions(), IsEmpty());
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("a"));
  EXPECT_TRUE(book.Kept(Epoch(6)));
  EXPECT_THAT(KeyIds(book.held()), IsEmpty());
}

TEST(RevocationBook, ARestoredStoreRevivesNothing) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a"}, "1"));
  book.Adopted(Epoch(3, "life-2"));
  book.Apply(Removal());
  book.Kept(Epoch(100, "life-2"));
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("a"));
}

TEST(RevocationBook, ARestoredStoreRevivesNothingAfterRestarts) {
  RevocationBook before(Revocations{{}, {{"a", 50}}, "life-1"});  // no policy was applied at boot
  EXPECT_TRUE(before.Adopted(Epoch(60, "life-2")));               // to be saved
  EXPECT_FALSE(before.Kept(Epoch(60, "life-2")));
  RevocationBook after(before.held());
  EXPECT_FALSE(after.Adopted(Epoch(70, "life-2")));
  EXPECT_FALSE(after.Kept(Epoch(70, "life-2")));
  EXPECT_THAT(KeyIds(after.held()), ElementsAre("a"));
}

TEST(RevocationBook, ForgetsAfterARestartWithinOneLifeOfTheStore) {
  RevocationBook book(Revocations{{}, {{"a", 50}}, "life-1"});
  EXPECT_FALSE(book.Adopted(Epoch(60)));
  EXPECT_TRUE(book.Kept(Epoch(60)));
  EXPECT_THAT(KeyIds(book.held()), IsEmpty());
}

TEST(RevocationBook, WhatIsOfAnUnknownLifeOfTheStoreIsKeptForEver) {
  RevocationBook book(Revocations{{{"revoked", {"v", 7, {"b"}}}}, {{"a", 50}}});
  book.Adopted(Epoch(60));
  book.Apply(Removal());
  EXPECT_FALSE(book.Kept(Epoch(60)));
  EXPECT_THAT(KeyIds(book.held()), UnorderedElementsAre("a", "b"));
}

TEST(RevocationBook, APolicyOfAnotherLifeOfTheStoreSaysNothing) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a"}, "1"));
  book.Apply(Removal());
  EXPECT_FALSE(book.Kept(Epoch(100, "life-0")));
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("a"));
}

TEST(RevocationBook, RefusesWhatIsNoRevocation) {
  RevocationBook book({});
  auto response = RevocationResponse(5, {"a"}, "1");
  response.mutable_resources(0)->mutable_resource()->set_value("\xff");
  const RevocationBook::Change change = book.Apply(response);
  ASSERT_EQ(change.errors.size(), 1u);
  EXPECT_EQ(change.errors[0].code, "INVALID");
  EXPECT_THAT(KeyIds(book.held()), IsEmpty());
}

}  // namespace
}  // namespace tollgate::proxy
