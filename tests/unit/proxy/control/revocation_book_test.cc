#include "proxy/control/revocation_book.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/wire_set.h"

namespace tollgate::proxy {
namespace {

using fakes::DenyingSubjects;
using fakes::ResponseOf;
using fakes::RevocationResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const WallTime kNow = FromUnixSeconds(1'700'000'000);

config::v1::Epoch Epoch(uint64_t revision, const std::string& incarnation = "life-1") {
  config::v1::Epoch epoch;
  epoch.set_incarnation(incarnation);
  epoch.set_revision(revision);
  return epoch;
}

fakes::DeltaDiscoveryResponse Removal(const std::string& name = "revoked") {
  auto response = fakes::EmptyResponse(ResourceType::kRevocation, "gone");
  response.add_removed_resources(name);
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
  EXPECT_FALSE(book.Kept(Epoch(4), kNow));  // that policy may still hold a
  EXPECT_THAT(KeyIds(book.held()), UnorderedElementsAre("a", "b"));
  EXPECT_TRUE(book.Kept(Epoch(5), kNow));
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("b"));
}

TEST(RevocationBook, ARemovedResourceLingersToo) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a"}, "1"));
  book.Apply(Removal());
  EXPECT_THAT(book.Versions(), IsEmpty());
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("a"));
  EXPECT_TRUE(book.Kept(Epoch(6), kNow));
  EXPECT_THAT(KeyIds(book.held()), IsEmpty());
}

TEST(RevocationBook, ARestoredStoreRevivesNothing) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a"}, "1"));
  book.Adopted(Epoch(3, "life-2"));
  book.Apply(Removal());
  book.Kept(Epoch(100, "life-2"), kNow);
  EXPECT_THAT(KeyIds(book.held()), ElementsAre("a"));
}

TEST(RevocationBook, ARestoredStoreRevivesNothingAfterRestarts) {
  RevocationBook before(Revocations{{}, {{"a", 50}}, "life-1"});  // no policy was applied at boot
  EXPECT_TRUE(before.Adopted(Epoch(60, "life-2")));               // to be saved
  EXPECT_FALSE(before.Kept(Epoch(60, "life-2"), kNow));
  RevocationBook after(before.held());
  EXPECT_FALSE(after.Adopted(Epoch(70, "life-2")));
  EXPECT_FALSE(after.Kept(Epoch(70, "life-2"), kNow));
  EXPECT_THAT(KeyIds(after.held()), ElementsAre("a"));
}

TEST(RevocationBook, ForgetsAfterARestartWithinOneLifeOfTheStore) {
  RevocationBook book(Revocations{{}, {{"a", 50}}, "life-1"});
  EXPECT_FALSE(book.Adopted(Epoch(60)));
  EXPECT_TRUE(book.Kept(Epoch(60), kNow));
  EXPECT_THAT(KeyIds(book.held()), IsEmpty());
}

TEST(RevocationBook, WhatIsOfAnUnknownLifeOfTheStoreIsKeptForEver) {
  RevocationBook book(Revocations{{{"revoked", {"v", 7, {"b"}}}}, {{"a", 50}}});
  book.Adopted(Epoch(60));
  book.Apply(Removal());
  EXPECT_FALSE(book.Kept(Epoch(60), kNow));
  EXPECT_THAT(KeyIds(book.held()), UnorderedElementsAre("a", "b"));
}

TEST(RevocationBook, APolicyOfAnotherLifeOfTheStoreSaysNothing) {
  RevocationBook book({});
  book.Adopted(Epoch(4));
  book.Apply(RevocationResponse(5, {"a"}, "1"));
  book.Apply(Removal());
  EXPECT_FALSE(book.Kept(Epoch(100, "life-0"), kNow));
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

// An Epoch that vouches for these lists.
config::v1::Epoch Vouching(uint64_t revision, const std::vector<config::v1::Revocation>& lists,
                           const std::string& incarnation = "life-1") {
  config::v1::Epoch epoch = Epoch(revision, incarnation);
  (*epoch.mutable_digests())[std::string(TypeUrl(ResourceType::kRevocation))] =
      fakes::RevocationDigest(lists);
  return epoch;
}
std::vector<std::string> Subjects(const RevocationBook& book) {
  std::vector<std::string> subjects;
  for (const TokenDenial& denial : DeniedTokens(book.held())) {
    subjects.push_back(denial.token.value);
  }
  return subjects;
}
config::v1::Revocation Ending(config::v1::Revocation list, WallTime until) {
  list.mutable_tokens(0)->set_until(UnixSeconds(until));
  return list;
}

TEST(RevocationBookOfTokens, DeniesWhatIsListedAtOnce) {
  RevocationBook book({});
  const auto change = book.Apply(ResponseOf(DenyingSubjects(5, {"eve", "mallory"}), "1"));
  EXPECT_THAT(change.errors, IsEmpty());
  EXPECT_THAT(Subjects(book), UnorderedElementsAre("eve", "mallory"));
}

TEST(RevocationBookOfTokens, LiftsOnceAnEpochVouchesForTheListWithoutIt) {
  RevocationBook book({});
  const auto shorter = DenyingSubjects(5, {"eve"});
  book.Apply(ResponseOf(DenyingSubjects(6, {"eve", "mallory"}), "1"));
  book.Apply(ResponseOf(shorter, "2"));
  EXPECT_THAT(Subjects(book), UnorderedElementsAre("eve", "mallory"));
  EXPECT_FALSE(book.Kept(Epoch(7), kNow)) << "it vouches for nothing";
  EXPECT_FALSE(book.Kept(Vouching(7, {DenyingSubjects(6, {"eve", "mallory"})}), kNow))
      << "it vouches for another list";
  EXPECT_FALSE(book.Kept(Vouching(5, {shorter}), kNow)) << "it is older than the denial";
  EXPECT_FALSE(book.Kept(Vouching(7, {shorter}, "life-2"), kNow)) << "that life never knew it";
  EXPECT_THAT(Subjects(book), UnorderedElementsAre("eve", "mallory"));
  EXPECT_TRUE(book.Kept(Vouching(7, {shorter}), kNow));
  EXPECT_THAT(Subjects(book), ElementsAre("eve"));
  EXPECT_FALSE(book.Kept(Vouching(7, {shorter}), kNow)) << "nothing more to forget";
}

TEST(RevocationBookOfTokens, LiftsTheLastOneWhenTheListIsGone) {
  RevocationBook book({});
  book.Apply(ResponseOf(DenyingSubjects(6, {"mallory"}), "1"));
  book.Apply(Removal("denied"));
  EXPECT_THAT(Subjects(book), ElementsAre("mallory"));
  EXPECT_TRUE(book.Kept(Vouching(7, {}), kNow));
  EXPECT_THAT(Subjects(book), IsEmpty());
}

TEST(RevocationBookOfTokens, WhatIsListedAgainNoLongerLingers) {
  RevocationBook book({});
  book.Apply(ResponseOf(DenyingSubjects(6, {"mallory"}), "1"));
  book.Apply(Removal("denied"));
  const auto again = DenyingSubjects(8, {"mallory"});
  book.Apply(ResponseOf(again, "3"));
  EXPECT_THAT(book.held().lingering_tokens, IsEmpty());
  book.Kept(Vouching(9, {again}), kNow);
  EXPECT_THAT(Subjects(book), ElementsAre("mallory"));
}

TEST(RevocationBookOfTokens, ARestoredStoreLiftsNothingThatItNeverKnew) {
  RevocationBook book({});
  book.Apply(ResponseOf(DenyingSubjects(6, {"mallory"}), "1"));
  book.Apply(Removal("denied"));
  EXPECT_FALSE(book.Kept(Vouching(100, {}, "life-2"), kNow));
  EXPECT_THAT(Subjects(book), ElementsAre("mallory"));
  // Denied and lifted anew, by the life that is now: then it has known it.
  book.Apply(ResponseOf(DenyingSubjects(101, {"mallory"}, "life-2"), "3"));
  book.Apply(Removal("denied"));
  EXPECT_FALSE(book.Kept(Vouching(100, {}, "life-2"), kNow));
  EXPECT_THAT(Subjects(book), ElementsAre("mallory"));
  EXPECT_TRUE(book.Kept(Vouching(102, {}, "life-2"), kNow));
  EXPECT_THAT(Subjects(book), IsEmpty());
}

TEST(RevocationBookOfTokens, AnotherLifeThatDeniesATokenForAShorterTimeCannotLiftItSooner) {
  RevocationBook book({});
  book.Apply(ResponseOf(DenyingSubjects(6, {"mallory"}), "1"));
  book.Apply(Removal("denied"));
  const WallTime soon = kNow + std::chrono::hours(1);
  book.Apply(ResponseOf(Ending(DenyingSubjects(101, {"mallory"}, "life-2"), soon), "3"));
  book.Apply(Removal("denied"));
  EXPECT_TRUE(book.Kept(Vouching(102, {}, "life-2"), kNow)) << "what life-2 said";
  ASSERT_THAT(Subjects(book), ElementsAre("mallory"));
  EXPECT_EQ(DeniedTokens(book.held())[0].until, kNoEnd);
}

TEST(RevocationBookOfTokens, DropsWhatIsNoLongerListedAndLongOver) {
  RevocationBook book({});
  book.Apply(ResponseOf(Ending(DenyingSubjects(6, {"mallory"}), kNow), "1"));
  book.Apply(Removal("denied"));
  EXPECT_FALSE(book.Kept(Epoch(7), kNow + std::chrono::minutes(59)));
  EXPECT_TRUE(book.Kept(Epoch(7), kNow + std::chrono::hours(1)));
  EXPECT_THAT(Subjects(book), IsEmpty());
}

TEST(RevocationBookOfTokens, AListThatShortensADenialDoesNotShortenIt) {
  RevocationBook book({});
  book.Apply(ResponseOf(DenyingSubjects(6, {"mallory"}), "1"));
  book.Apply(ResponseOf(Ending(DenyingSubjects(7, {"mallory"}), kNow), "2"));
  const std::vector<TokenDenial> denied = DeniedTokens(book.held());
  ASSERT_EQ(denied.size(), 1u);
  EXPECT_EQ(denied[0].until, kNoEnd);
}

TEST(RevocationBookOfTokens, DeniesWhatItUnderstandsAndReportsTheRest) {
  RevocationBook book({});
  auto list = DenyingSubjects(5, {"mallory"});
  list.add_tokens()->set_issuer("https://login.bank.example/");  // says not what
  const auto change = book.Apply(ResponseOf(list, "1"));
  ASSERT_EQ(change.errors.size(), 1u);
  EXPECT_EQ(change.errors[0].code, "MISSING");
  EXPECT_EQ(change.errors[0].field_path, "tokens[1]");
  EXPECT_THAT(Subjects(book), ElementsAre("mallory"));
  book.Apply(ResponseOf(DenyingSubjects(6, {}), "2"));
  auto whole = ResponseOf(list, "3");
  book.Apply(whole);
  EXPECT_NE(book.Versions().at("denied"), whole.resources(0).version());
  EXPECT_FALSE(book.Kept(Vouching(7, {list}), kNow)) << "nobody can vouch for half a list";
  EXPECT_THAT(Subjects(book), ElementsAre("mallory"));
}

}  // namespace
}  // namespace tollgate::proxy
