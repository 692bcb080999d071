#include "control-plane/release/denial_store.h"

#include <atomic>
#include <thread>

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

class DenialsTest : public StoreFixture {
 protected:
  DenialsTest() : denials_(std::make_unique<DenialStore>(*store_, clock_)) {}

  static NewDenial Subject(const std::string& value, Duration lasts = Duration::zero()) {
    NewDenial denial;
    denial.issuer = "login";
    denial.token = {"https://login.bank.example/", DeniedClaim::kSubject, value};
    denial.lasts = lasts;
    denial.reason = "stolen";
    denial.author = "alice";
    return denial;
  }
  AddedDenial Add(const NewDenial& denial) {
    auto added = denials_->Add("default", denial);
    EXPECT_TRUE(added.ok()) << added.status();
    return added.ok() ? *added : AddedDenial();
  }
  std::vector<std::string> Values() {
    std::vector<std::string> values;
    const std::vector<DenialRecord> records = denials_->List("default").value();
    for (const DenialRecord& record : records) {
      values.push_back(record.denial.token.value);
    }
    return values;
  }
  int64_t now() const { return UnixSeconds(clock_.Wall()); }

  std::unique_ptr<DenialStore> denials_;
};

TEST_F(DenialsTest, KeepsWhatIsDeniedByWhomAndWhy) {
  const AddedDenial added = Add(Subject("mallory", hours(1)));
  EXPECT_FALSE(added.existed);
  EXPECT_EQ(added.record.revision, *store_->CurrentRevision());
  EXPECT_EQ(added.record.denial.until, FromUnixSeconds(now() + 3600));
  EXPECT_EQ(added.record.created, now());
  EXPECT_EQ(added.record.author, "alice");
  EXPECT_EQ(added.record.reason, "stolen");
  EXPECT_THAT(*denials_->List("default"), ElementsAre(added.record));
  EXPECT_THAT(*denials_->List("other"), IsEmpty());
}

TEST_F(DenialsTest, SurvivesARestart) {
  const AddedDenial added = Add(Subject("mallory"));
  disk_.Crash();
  disk_.Restart(fakes::CrashingDisk::Loss::kAll);
  Boot();
  DenialStore again(*store_, clock_);
  EXPECT_THAT(*again.List("default"), ElementsAre(added.record));
}

TEST_F(DenialsTest, DenyingAgainMayProlongNeverShorten) {
  const DenialRecord first = Add(Subject("mallory", hours(2))).record;
  const AddedDenial shorter = Add(Subject("mallory", hours(1)));
  EXPECT_TRUE(shorter.existed);
  EXPECT_EQ(shorter.record, first) << "it says all of that already";
  EXPECT_EQ(*store_->CurrentRevision(), first.revision) << "nothing was written";
  clock_.Advance(seconds(10));
  NewDenial longer = Subject("mallory", hours(3));
  longer.author = "bob";
  const AddedDenial prolonged = Add(longer);
  EXPECT_TRUE(prolonged.existed);
  EXPECT_EQ(prolonged.record.id, first.id);
  EXPECT_EQ(prolonged.record.denial.until, FromUnixSeconds(now() + 3 * 3600));
  EXPECT_EQ(prolonged.record.author, "bob");
  EXPECT_EQ(prolonged.record.created, first.created);
  EXPECT_GT(prolonged.record.revision, first.revision);
  EXPECT_EQ(Add(Subject("mallory")).record.denial.until, kNoEnd);
  EXPECT_EQ(Add(Subject("mallory", hours(1))).record.denial.until, kNoEnd);
  EXPECT_THAT(Values(), ElementsAre("mallory"));
}

TEST_F(DenialsTest, OneThatIsOverIsDeniedAnew) {
  Add(Subject("mallory", hours(1)));
  clock_.Advance(hours(1));
  const AddedDenial added = Add(Subject("mallory", hours(1)));
  EXPECT_FALSE(added.existed);
  EXPECT_EQ(added.record.created, now());
}

TEST_F(DenialsTest, TokensOfOtherClaimsAndIssuersAreOtherDenials) {
  const std::string id = Add(Subject("x")).record.id;
  NewDenial other = Subject("x");
  other.token.claim = DeniedClaim::kClient;
  EXPECT_NE(Add(other).record.id, id);
  other = Subject("x");
  other.token.issuer = "https://other.example/";
  EXPECT_NE(Add(other).record.id, id);
  EXPECT_THAT(Values(), SizeIs(3));
}

TEST_F(DenialsTest, LiftsById) {
  const AddedDenial added = Add(Subject("mallory"));
  Add(Subject("eve"));
  const auto lifted = denials_->Lift("default", added.record.id);
  ASSERT_TRUE(lifted.ok()) << lifted.status();
  EXPECT_EQ(lifted->record, added.record);
  EXPECT_EQ(lifted->revision, *store_->CurrentRevision());
  EXPECT_THAT(Values(), ElementsAre("eve"));
  const absl::Status again = denials_->Lift("default", added.record.id).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(again.message()), HasSubstr("tollgatectl deny list"));
  EXPECT_EQ(denials_->Lift("default", "../x").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DenialsTest, RefusesWhatCouldNotBeInAToken) {
  const auto why = [&](const NewDenial& denial, const std::string& environment = "default") {
    const absl::Status status = denials_->Add(environment, denial).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(why(Subject("")), HasSubstr("sub: is empty"));
  EXPECT_THAT(why(Subject("a\nb")), HasSubstr("control characters"));
  EXPECT_THAT(why(Subject(std::string(1025, 'x'))), HasSubstr("expected at most 1024"));
  EXPECT_THAT(why(Subject("x", seconds(-1))), HasSubstr("in the past"));
  EXPECT_THAT(why(Subject("x"), "No Name"), HasSubstr("environment"));
  NewDenial denial = Subject("x");
  denial.reason = std::string(513, 'r');
  EXPECT_THAT(why(denial), HasSubstr("reason: 513 bytes"));
  EXPECT_THAT(Values(), IsEmpty());
}

TEST_F(DenialsTest, WhatIsLongOverMakesRoomWithTheNextOne) {
  Add(Subject("over", hours(1)));
  Add(Subject("stays"));
  clock_.Advance(seconds(kKeepEndedSeconds));
  Add(Subject("a"));
  EXPECT_THAT(Values(), SizeIs(3)) << "it is still listed";
  clock_.Advance(hours(1));
  Add(Subject("b"));
  EXPECT_THAT(Values(), testing::UnorderedElementsAre("stays", "a", "b"));
  EXPECT_EQ(Count("lifted"), 1u);
}

TEST_F(DenialsTest, HoldsSoManyAndSaysWhatToDoThen) {
  for (size_t i = 0; i < 1023; ++i) {
    Add(Subject(absl::StrCat(std::string(994, 'x'), 1000 + i)));
  }
  absl::Status status = absl::OkStatus();
  for (size_t i = 0; i < 3 && status.ok(); ++i) {
    status = denials_->Add("default", Subject(absl::StrCat(std::string(994, 'y'), i))).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("deny a subject or client"));
  EXPECT_TRUE(
      denials_->Add("default", Subject(absl::StrCat(std::string(994, 'x'), 1000), hours(1))).ok())
      << "what is there can be denied again";
}

TEST_F(DenialsTest, WhatIsOverTakesNoRoomFromWhatIsNeeded) {
  for (size_t i = 0; i < 1023; ++i) {
    Add(Subject(absl::StrCat(std::string(994, 'x'), 1000 + i), hours(1)));
  }
  clock_.Advance(hours(1) + std::chrono::minutes(5));
  for (size_t i = 0; i < 3; ++i) {
    const auto added = denials_->Add("default", Subject(absl::StrCat(std::string(994, 'y'), i)));
    EXPECT_TRUE(added.ok()) << added.status();
  }
}

TEST_F(DenialsTest, TwoWhoDenyAndLiftAtOnceLoseNothing) {
  std::atomic<int> failures{0};
  const auto work = [&](int who) {
    DenialStore mine(*store_, clock_);
    for (int i = 0; i < 20; ++i) {
      if (!mine.Add("default", Subject(absl::StrCat("shared-", i))).ok()) ++failures;
      const auto own = mine.Add("default", Subject(absl::StrCat("own-", who, "-", i)));
      if (!own.ok() || (i % 2 == 0 && !mine.Lift("default", own->record.id).ok())) ++failures;
    }
  };
  std::thread other([&] { work(1); });
  work(2);
  other.join();
  EXPECT_EQ(failures, 0);
  EXPECT_THAT(Values(), SizeIs(20 + 10 + 10));
}

TEST_F(DenialsTest, AStoredDenialThatIsNotUnderstoodIsAnErrorNotAnOmission) {
  ASSERT_TRUE(
      store_->Txn({.then = {Operation::Put("/tollgate/v1/default/denied/dn-1", "\xff")}}).ok());
  EXPECT_EQ(denials_->List("default").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace tollgate::control
