#include "control-plane/release/credential_store.h"

#include <atomic>
#include <thread>

#include "common/crypto/api_key.h"
#include "gmock/gmock.h"
#include "tests/unit/control-plane/release/release_fixture.h"

namespace tollgate::control {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class CredentialsTest : public StoreFixture {
 protected:
  CredentialsTest()
      : peppers_(*Peppers::LoadOrCreate(files_, "/data/peppers")),
        credentials_(std::make_unique<CredentialStore>(*store_, clock_, peppers_)) {}

  IssuedKey Issue(const std::string& name = "till", Duration expires_in = Duration::zero()) {
    auto key = credentials_->Issue("default", "shop", name, expires_in);
    EXPECT_TRUE(key.ok()) << key.status();
    return key.ok() ? *key : IssuedKey();
  }
  std::vector<KeyRecord> List() { return *credentials_->List("default", ""); }
  int64_t now() const { return UnixSeconds(clock_.Wall()); }
  // "id" for each that could be used now.
  std::vector<std::string> Live() {
    std::vector<std::string> ids;
    for (const KeyRecord& key : List()) {
      if (key.revoked == 0 && (key.not_after == 0 || now() < key.not_after)) ids.push_back(key.id);
    }
    return ids;
  }

  Peppers peppers_;
  std::unique_ptr<CredentialStore> credentials_;
};

TEST_F(CredentialsTest, IssueAKeyAndKeepOnlyItsHash) {
  const IssuedKey issued = Issue();
  const auto parsed = ParseApiKey(issued.text);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->id, issued.id);
  EXPECT_EQ(issued.revision, *store_->CurrentRevision());
  const std::vector<KeyRecord> keys = List();
  ASSERT_THAT(keys, SizeIs(1));
  EXPECT_EQ(keys[0].consumer, "shop");
  EXPECT_EQ(keys[0].name, "till");
  EXPECT_EQ(keys[0].created, now());
  EXPECT_EQ(keys[0].not_after, 0);
  EXPECT_EQ(keys[0].pepper, peppers_.current());
  EXPECT_EQ(keys[0].hash,
            AsBytes(HashApiKeySecret(peppers_.all().at(keys[0].pepper), parsed->secret)));
  const auto everything = store_->Range({});
  for (const KeyValue& kv : everything->kvs) {
    EXPECT_EQ(kv.value.find(std::string(parsed->secret)), std::string::npos);
    EXPECT_EQ(kv.value.find(peppers_.all().at(keys[0].pepper)), std::string::npos);
  }
}

TEST_F(CredentialsTest, GiveEachChangeARevisionOfItsOwn) {
  EXPECT_EQ(Issue("a").revision, 1);
  EXPECT_EQ(Issue("b").revision, 2);
  EXPECT_EQ(credentials_->RevokeName("default", "shop", "a")->revision, 3);
}

TEST_F(CredentialsTest, LetAKeyExpire) {
  const IssuedKey issued = Issue("till", seconds(10));
  EXPECT_EQ(List()[0].not_after, now() + 10);
  clock_.Advance(seconds(9));
  EXPECT_THAT(Live(), ElementsAre(issued.id));
  clock_.Advance(seconds(1));
  EXPECT_THAT(Live(), IsEmpty());
  EXPECT_THAT(List(), SizeIs(1));
}

TEST_F(CredentialsTest, AllowTwoLiveKeysAndNoThird) {
  const IssuedKey first = Issue("till", seconds(10));
  const IssuedKey second = Issue();
  const auto third = credentials_->Issue("default", "shop", "till", Duration::zero());
  EXPECT_EQ(third.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(third.status().message()), HasSubstr(first.id));
  Issue("another");
  clock_.Advance(seconds(10));
  Issue();
}

TEST_F(CredentialsTest, RotateToASecondKeyWhileTheOldOneEnds) {
  const IssuedKey old_key = Issue();
  const auto new_key = credentials_->Rotate("default", "shop", "till", Duration::zero(), hours(24));
  ASSERT_TRUE(new_key.ok()) << new_key.status();
  EXPECT_THAT(Live(), UnorderedElementsAre(old_key.id, new_key->id));
  EXPECT_EQ(
      credentials_->Rotate("default", "shop", "till", Duration::zero(), hours(24)).status().code(),
      absl::StatusCode::kFailedPrecondition);
  clock_.Advance(hours(24));
  EXPECT_THAT(Live(), ElementsAre(new_key->id));
  EXPECT_TRUE(credentials_->Rotate("default", "shop", "till", Duration::zero(), hours(24)).ok());
}

TEST_F(CredentialsTest, NeverProlongAKeyByRotating) {
  Issue("till", hours(1));
  ASSERT_TRUE(credentials_->Rotate("default", "shop", "till", Duration::zero(), hours(24)).ok());
  EXPECT_EQ(List()[0].not_after, now() + 3600);
}

TEST_F(CredentialsTest, RotateNothingThatIsNotThere) {
  EXPECT_EQ(
      credentials_->Rotate("default", "shop", "till", Duration::zero(), hours(1)).status().code(),
      absl::StatusCode::kNotFound);
}

TEST_F(CredentialsTest, RevokeOneKeyById) {
  const IssuedKey first = Issue();
  const IssuedKey second = Issue();
  clock_.Advance(seconds(5));
  const auto revoked = credentials_->RevokeId("default", first.id);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_THAT(revoked->ids, ElementsAre(first.id));
  EXPECT_THAT(Live(), ElementsAre(second.id));
  const std::vector<KeyRecord> keys = List();
  ASSERT_THAT(keys, SizeIs(2));
  const KeyRecord& record = keys[0].id == first.id ? keys[0] : keys[1];
  EXPECT_EQ(record.revoked, now());
  EXPECT_EQ(record.created, now() - 5);
  EXPECT_EQ(record.revision, revoked->revision);
  EXPECT_EQ(record.hash, "");
  // Again: nothing new.
  EXPECT_EQ(credentials_->RevokeId("default", first.id)->revision, revoked->revision);
  EXPECT_EQ(*store_->CurrentRevision(), revoked->revision);
  EXPECT_EQ(credentials_->RevokeId("default", "tg_none").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CredentialsTest, RevokeAllKeysOfANameInOneRevision) {
  const IssuedKey first = Issue();
  const IssuedKey second = Issue();
  const IssuedKey other = Issue("other");
  const auto revoked = credentials_->RevokeName("default", "shop", "till");
  ASSERT_TRUE(revoked.ok());
  EXPECT_THAT(revoked->ids, UnorderedElementsAre(first.id, second.id));
  for (const KeyRecord& key : List()) {
    if (key.revoked != 0) {
      EXPECT_EQ(key.revision, revoked->revision);
    }
  }
  EXPECT_THAT(Live(), ElementsAre(other.id));
  EXPECT_THAT(credentials_->RevokeName("default", "shop", "till")->ids, IsEmpty());
  EXPECT_EQ(credentials_->RevokeName("default", "shop", "none").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CredentialsTest, RevokeMoreKeysThanOneTransactionCarries) {
  for (int i = 0; i < 150; ++i) {
    Issue("till", seconds(1));
    clock_.Advance(seconds(1));
  }
  const auto revoked = credentials_->RevokeName("default", "shop", "till");
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_THAT(revoked->ids, SizeIs(150));
}

TEST_F(CredentialsTest, ForgetKeysThatExpiredLongAgo) {
  Issue("till", seconds(1));
  clock_.Advance(hours(24 * 31));
  const IssuedKey next = Issue();
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].id, next.id);
}

TEST_F(CredentialsTest, SurviveApplyPruneAndRollback) {
  const auto releases = MakeReleases();
  const auto publish = [&](PublishRequest request) {
    request.environment = "default";
    EXPECT_TRUE(releases->Publish(request).ok());
  };
  PublishRequest with, without;
  with.documents = {PlanOf("shop", "1", "x")};
  without.prune_owner = "x";
  publish(with);  // release 1
  const IssuedKey revoked = Issue();
  publish(without);  // 2
  const IssuedKey live = Issue();
  ASSERT_TRUE(credentials_->RevokeId("default", revoked.id).ok());
  const std::vector<KeyRecord> before = List();
  ASSERT_TRUE(releases->Rollback("default", 1, "ann", "").ok());
  ASSERT_TRUE(releases->Rollback("default", 2, "ann", "").ok());
  ASSERT_TRUE(releases->Collect({.releases = 1, .revisions = 1}).ok());
  EXPECT_EQ(List(), before);
  EXPECT_THAT(Live(), ElementsAre(live.id));
}

TEST_F(CredentialsTest, RefuseNamesThatAreNone) {
  EXPECT_EQ(credentials_->Issue("default", "a/b", "till", Duration::zero()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(credentials_->Issue("default", "shop", "", Duration::zero()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(credentials_->Issue("", "shop", "till", Duration::zero()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(credentials_->Issue("default", "shop", "till", seconds(-1)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(CredentialsTest, ListOneConsumerOrAll) {
  Issue("b");
  Issue("a");
  ASSERT_TRUE(credentials_->Issue("default", "shop-2", "a", Duration::zero()).ok());
  const auto names = [&](const std::string& consumer) {
    std::vector<std::string> out;
    const auto keys = credentials_->List("default", consumer);
    for (const KeyRecord& key : *keys) out.push_back(key.consumer + "/" + key.name);
    return out;
  };
  EXPECT_THAT(names(""), ElementsAre("shop/a", "shop/b", "shop-2/a"));
  EXPECT_THAT(names("shop"), ElementsAre("shop/a", "shop/b"));
  EXPECT_THAT(*credentials_->List("other", ""), IsEmpty());
}

TEST_F(CredentialsTest, NeverLetRacingWritersMakeAThirdKey) {
  CredentialStore other(*store_, clock_, peppers_);
  std::atomic<int> issued{0};
  const auto issue = [&](CredentialStore& credentials) {
    for (int i = 0; i < 5; ++i) {
      issued += credentials.Issue("default", "shop", "till", Duration::zero()).ok();
    }
  };
  std::thread a([&] { issue(other); });
  issue(*credentials_);
  a.join();
  EXPECT_EQ(issued, 2);
  EXPECT_THAT(Live(), SizeIs(2));
}

TEST_F(CredentialsTest, KeepARevocationThatWasAcknowledgedOverAPowerLoss) {
  for (uint32_t at = 1; at <= 30; ++at) {
    const IssuedKey key = Issue(absl::StrCat("k", at));
    disk_.CrashAfter(at);
    const bool acknowledged = credentials_->RevokeId("default", key.id).ok();
    disk_.Restart(fakes::CrashingDisk::Loss::kRandom);
    Boot();
    credentials_ = std::make_unique<CredentialStore>(*store_, clock_, peppers_);
    const std::vector<KeyRecord> keys = List();
    size_t times = 0;
    for (const KeyRecord& record : keys) {
      if (record.id != key.id) continue;
      ++times;
      if (acknowledged) {
        EXPECT_NE(record.revoked, 0);
      }
    }
    EXPECT_EQ(times, 1u) << "either live or revoked";
  }
}

TEST_F(CredentialsTest, SayWhenAPepperIsMissing) {
  const IssuedKey key = Issue();
  EXPECT_TRUE(credentials_->CheckPeppers().ok());
  const Peppers others = *Peppers::LoadOrCreate(files_, "/data/other-peppers");
  CredentialStore stranger(*store_, clock_, others);
  const absl::Status status = stranger.CheckPeppers();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(key.id));
  ASSERT_TRUE(credentials_->RevokeId("default", key.id).ok());
  EXPECT_TRUE(stranger.CheckPeppers().ok());
}

TEST_F(CredentialsTest, PeppersAreMadeOnceAndCanBeAddedTo) {
  EXPECT_EQ(Peppers::LoadOrCreate(files_, "/data/peppers")->all(), peppers_.all());
  EXPECT_EQ(peppers_.all().begin()->second.size(), 32u);
  ASSERT_TRUE(Peppers::Add(files_, "/data/peppers").ok());
  const Peppers two = *Peppers::LoadOrCreate(files_, "/data/peppers");
  EXPECT_THAT(two.all(), SizeIs(2));
  EXPECT_NE(two.current(), peppers_.current());
  EXPECT_EQ(two.all().at(peppers_.current()), peppers_.all().at(peppers_.current()));
}

TEST_F(CredentialsTest, PepperFilesThatAreNoneAreRefused) {
  for (const std::string text : {"", "# only a comment\n", "zz\n", "00ff\n"}) {
    ASSERT_TRUE(files_.Write("/data/bad", text).ok());
    EXPECT_EQ(Peppers::LoadOrCreate(files_, "/data/bad").status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_EQ(*files_.Read("/data/bad", 100), text) << "never overwritten";
  }
}

TEST_F(CredentialsTest, PepperFilesSurviveAPowerLossWhenTheyWereMade) {
  for (uint32_t at = 1; at <= 12; ++at) {
    const std::string path = absl::StrCat("/data/p", at);
    disk_.CrashAfter(at);
    const auto made = Peppers::LoadOrCreate(files_, path);
    disk_.Restart(fakes::CrashingDisk::Loss::kRandom);
    const auto again = Peppers::LoadOrCreate(files_, path);
    ASSERT_TRUE(again.ok()) << again.status();
    if (made.ok()) {
      EXPECT_EQ(again->current(), made->current());
    }
  }
}

}  // namespace
}  // namespace tollgate::control
