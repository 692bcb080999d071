#include "control-plane/release/releases.h"

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "tests/unit/control-plane/release/release_fixture.h"

namespace tollgate::control {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ReleasesTest : public StoreFixture {
 protected:
  ReleasesTest() : releases_(MakeReleases()) {}
  PublishRequest Request(std::vector<SourceDocument> documents) {
    PublishRequest request;
    request.environment = "default";
    request.documents = std::move(documents);
    request.author = "ann";
    request.message = "why";
    return request;
  }
  PublishResult Publish(const PublishRequest& request) {
    auto result = releases_->Publish(request);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : PublishResult();
  }
  PublishResult Publish(std::vector<SourceDocument> documents) {
    return Publish(Request(documents));
  }
  std::vector<std::string> Contents(uint64_t number = 0) {
    const auto release = releases_->Load("default", number);
    EXPECT_TRUE(release.ok()) << release.status();
    return release.ok() ? Describe(release->documents) : std::vector<std::string>();
  }
  std::unique_ptr<Releases> releases_;
};

TEST_F(ReleasesTest, BeginWithNothing) {
  EXPECT_EQ(releases_->Head("default")->number, 0u);
  EXPECT_THAT(*releases_->History("default", 10), IsEmpty());
  EXPECT_THAT(Contents(), IsEmpty());
  EXPECT_THAT(*releases_->Environments(), IsEmpty());
}

TEST_F(ReleasesTest, CountFromOneAndRememberWhoAndWhy) {
  const PublishResult first = Publish({PlanOf("a", "1/second")});
  EXPECT_EQ(first.release.number, 1u);
  EXPECT_EQ(first.base, 0u);
  EXPECT_THAT(first.changes, SizeIs(1));
  clock_.Advance(std::chrono::seconds(60));
  const PublishResult second = Publish({PlanOf("a", "2/second"), PlanOf("b", "1/second")});
  EXPECT_EQ(second.release.number, 2u);
  EXPECT_GT(second.release.revision, first.release.revision);
  EXPECT_EQ(second.release.revision, *store_->CurrentRevision());
  EXPECT_THAT(Contents(), ElementsAre("Plan/a=2/second", "Plan/b=1/second"));
  EXPECT_THAT(Contents(1), ElementsAre("Plan/a=1/second"));
  EXPECT_THAT(*releases_->History("default", 10), ElementsAre(second.release, first.release));
  EXPECT_EQ(*releases_->Head("default"), second.release);
  EXPECT_EQ(second.release.author, "ann");
  EXPECT_EQ(second.release.message, "why");
  EXPECT_EQ(second.release.documents, 2u);
  EXPECT_EQ(second.release.created - first.release.created, std::chrono::seconds(60));
}

TEST_F(ReleasesTest, SayThatNothingChangedAndMakeNone) {
  Publish({PlanOf("a", "1/second")});
  const Revision before = *store_->CurrentRevision();
  const PublishResult again = Publish({PlanOf("a", "1/second")});
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.release.number, 1u);
  EXPECT_EQ(*store_->CurrentRevision(), before);
}

TEST_F(ReleasesTest, ShowWhatADryRunWouldChangeAndWriteNothing) {
  Publish({PlanOf("a", "1/second")});
  const Revision before = *store_->CurrentRevision();
  PublishRequest request = Request({PlanOf("a", "2/second")});
  request.dry_run = true;
  const PublishResult result = Publish(request);
  EXPECT_THAT(result.changes, SizeIs(1));
  EXPECT_EQ(result.release.number, 1u);
  EXPECT_EQ(*store_->CurrentRevision(), before);
}

TEST_F(ReleasesTest, RefuseAnInvalidSetBeforeAnythingIsWritten) {
  problems_ = {Problem{.file = "a.yaml",
                       .line = 3,
                       .document = "Plan/a",
                       .field = "limit",
                       .value = "",
                       .message = "no",
                       .remedy = ""}};
  const PublishResult result = Publish({PlanOf("a", "x")});
  EXPECT_EQ(result.problems, problems_);
  EXPECT_EQ(*store_->CurrentRevision(), 0);
}

TEST_F(ReleasesTest, ValidateTheWholeSetAndKnowWhereItsDocumentsComeFrom) {
  Publish({PlanOf("a", "1/second"), PlanOf("b", "1/second")});
  Publish({PlanOf("b", "2/second"), PlanOf("c", "1/second")});
  ASSERT_THAT(validated_, SizeIs(3));
  EXPECT_EQ(validated_[0].document.name(), "a");
  EXPECT_EQ(validated_[0].file, "");
  EXPECT_EQ(validated_[1].file, "b.yaml");
}

TEST_F(ReleasesTest, DeleteReplaceAndPrune) {
  Publish({PlanOf("a", "1", "x"), PlanOf("b", "1", "x"), PlanOf("c", "1", "y"), PlanOf("d", "1")});
  PublishRequest remove = Request({});
  remove.deletes = {{"Plan", "d"}};
  Publish(remove);
  EXPECT_THAT(Contents(), ElementsAre("Plan/a=1", "Plan/b=1", "Plan/c=1"));
  PublishRequest prune = Request({PlanOf("b", "2", "x")});
  prune.prune_owner = "x";
  Publish(prune);
  EXPECT_THAT(Contents(), ElementsAre("Plan/b=2", "Plan/c=1"));
  PublishRequest replace = Request({PlanOf("z", "1")});
  replace.replace = true;
  Publish(replace);
  EXPECT_THAT(Contents(), ElementsAre("Plan/z=1"));
}

TEST_F(ReleasesTest, RefuseRequestsThatMakeNoSense) {
  const auto code = [&](PublishRequest request) {
    return releases_->Publish(request).status().code();
  };
  PublishRequest prune = Request({});
  prune.prune_owner = "";
  EXPECT_EQ(code(prune), absl::StatusCode::kInvalidArgument);
  PublishRequest missing = Request({});
  missing.deletes = {{"Plan", "none"}};
  EXPECT_EQ(code(missing), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(Request({PlanOf("a", "1"), PlanOf("a", "2")})),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Request({PlanOf("", "1")})), absl::StatusCode::kInvalidArgument);
  SourceDocument elsewhere = PlanOf("a", "1");
  elsewhere.document.set_environment("other");
  EXPECT_EQ(code(Request({elsewhere})), absl::StatusCode::kInvalidArgument);
  for (const char* name : {"", "A", "a/b", "-a", "a-", "a_b"}) {
    PublishRequest request = Request({PlanOf("a", "1")});
    request.environment = name;
    EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(*store_->CurrentRevision(), 0);
}

TEST_F(ReleasesTest, RefuseAChangeOfAnOldBaseAndNameBoth) {
  Publish({PlanOf("a", "1")});
  Publish({PlanOf("a", "2")});
  PublishRequest late = Request({PlanOf("a", "3")});
  late.base = 1;
  const absl::Status status = releases_->Publish(late).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("based on release 1"), HasSubstr("the head is now 2 (by ann at 2023-11-14T"),
            HasSubstr("\"why\""), HasSubstr("apply again")));
  late.base = 2;
  EXPECT_EQ(Publish(late).release.number, 3u);
  PublishRequest first = Request({PlanOf("a", "4")});
  first.environment = "empty";
  first.base = 1;
  EXPECT_EQ(releases_->Publish(first).status().code(), absl::StatusCode::kAborted);
  first.base = 0;
  EXPECT_EQ(Publish(first).release.number, 1u);
}

TEST_F(ReleasesTest, LetExactlyOneOfTwoWritersOnOneBaseWin) {
  Publish({PlanOf("a", "0")});
  // Two control planes: nothing but the store between them.
  const auto other = MakeReleases();
  for (uint64_t round = 1; round <= 25; ++round) {
    std::atomic<int> wins{0}, losses{0};
    const auto write = [&](Releases& releases, const std::string& limit) {
      PublishRequest request = Request({PlanOf("a", limit)});
      request.base = round;
      const auto result = releases.Publish(request);
      wins += result.ok();
      losses += absl::IsAborted(result.status());
    };
    std::thread a([&] { write(*releases_, absl::StrCat("a", round)); });
    write(*other, absl::StrCat("b", round));
    a.join();
    ASSERT_EQ(wins, 1);
    ASSERT_EQ(losses, 1);
    ASSERT_EQ(releases_->Head("default")->number, round + 1);
  }
}

TEST_F(ReleasesTest, TakeInBothOfTwoWritersWithoutABase) {
  const auto other = MakeReleases();
  std::thread a([&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(releases_->Publish(Request({PlanOf(absl::StrCat("a", i), "1")})).ok());
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(other->Publish(Request({PlanOf(absl::StrCat("b", i), "1")})).ok());
  }
  a.join();
  EXPECT_EQ(releases_->Head("default")->number, 40u);
  EXPECT_THAT(Contents(), SizeIs(40));
}

TEST_F(ReleasesTest, RollBackAsANewRelease) {
  Publish({PlanOf("a", "1")});
  Publish({PlanOf("a", "2"), PlanOf("b", "1")});
  Publish({PlanOf("a", "3")});
  const auto back = releases_->Rollback("default", 1, "bob", "");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->release.number, 4u);
  EXPECT_EQ(back->release.rollback_of, 1u);
  EXPECT_EQ(back->release.message, "rollback to release 1");
  EXPECT_EQ(back->release.digest, releases_->Load("default", 1)->info.digest);
  EXPECT_THAT(Contents(), ElementsAre("Plan/a=1"));
  const auto before = releases_->Rollback("default", 0, "bob", "oops");
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->release.rollback_of, 3u);
  EXPECT_THAT(Contents(), ElementsAre("Plan/a=3", "Plan/b=1"));
  EXPECT_TRUE(releases_->Rollback("default", 5, "bob", "")->unchanged);
  EXPECT_EQ(releases_->Rollback("default", 9, "bob", "").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(releases_->Rollback("empty", 0, "bob", "").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReleasesTest, ValidateWhatARollbackBrings) {
  Publish({PlanOf("a", "1")});
  Publish({PlanOf("a", "2")});
  problems_.resize(1);
  EXPECT_THAT(releases_->Rollback("default", 1, "bob", "")->problems, SizeIs(1));
  EXPECT_EQ(releases_->Head("default")->number, 2u);
}

TEST_F(ReleasesTest, ListPagesOfTheirHistory) {
  for (int i = 1; i <= 7; ++i) Publish({PlanOf("a", absl::StrCat(i))});
  const auto numbers = [&](size_t limit, uint64_t before) {
    std::vector<uint64_t> out;
    const auto history = releases_->History("default", limit, before);
    for (const ReleaseInfo& info : *history) out.push_back(info.number);
    return out;
  };
  EXPECT_THAT(numbers(3, 0), ElementsAre(7, 6, 5));
  EXPECT_THAT(numbers(3, 5), ElementsAre(4, 3, 2));
  EXPECT_THAT(numbers(3, 2), ElementsAre(1));
  EXPECT_THAT(numbers(3, 1), IsEmpty());
  EXPECT_THAT(numbers(2, 100), ElementsAre(7, 6));
}

TEST_F(ReleasesTest, KeepEnvironmentsApart) {
  Publish({PlanOf("a", "1")});
  PublishRequest request = Request({PlanOf("b", "1")});
  request.environment = "default-2";
  EXPECT_EQ(Publish(request).release.number, 1u);
  EXPECT_THAT(Contents(), ElementsAre("Plan/a=1"));
  EXPECT_THAT(*releases_->Environments(), ElementsAre("default", "default-2"));
  EXPECT_EQ(releases_->Load("default-2", 1)->documents.begin()->second.document->environment(),
            "default-2");
}

TEST_F(ReleasesTest, HoldMoreThanOneTransactionCanCarry) {
  std::vector<SourceDocument> many;
  for (int i = 0; i < 9000; ++i) many.push_back(PlanOf(absl::StrCat("p", i), absl::StrCat(i)));
  many.push_back(PlanOf("large", std::string(700'000, 'x')));
  Publish(many);
  EXPECT_EQ(Count("manifest/"), 3u);
  EXPECT_THAT(Contents(), SizeIs(9001));
  EXPECT_EQ(
      releases_->Publish(Request({PlanOf("too-large", std::string(800'000, 'x'))})).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(ReleasesTest, ShareDocumentsWithWhatIsKnown) {
  Publish({PlanOf("a", "1"), PlanOf("b", "1")});
  const DocumentSet known = releases_->Load("default", 1)->documents;
  Publish({PlanOf("b", "2")});
  const DocumentSet next = releases_->Load("default", 2, known)->documents;
  const DocumentKey a{"Plan", "a"}, b{"Plan", "b"};
  EXPECT_EQ(next.at(a).document, known.at(a).document);
  EXPECT_NE(next.at(b).document, known.at(b).document);
}

TEST_F(ReleasesTest, NoticeContentThatIsNotWhatWasWritten) {
  Publish({PlanOf("a", "1")});
  const auto blobs = store_->Range({.prefix = "/tollgate/v1/default/blob/"});
  ASSERT_THAT(blobs->kvs, SizeIs(1));
  ASSERT_TRUE(store_
                  ->Txn({.then = {Operation::Put(blobs->kvs[0].key,
                                                 PlanOf("a", "999").document.SerializeAsString())}})
                  .ok());
  EXPECT_EQ(releases_->Load("default", 1).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(store_->Txn({.then = {Operation::Delete(blobs->kvs[0].key)}}).ok());
  EXPECT_EQ(releases_->Load("default", 1).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReleasesTest, CollectWhatIsTooOldAndNothingElse) {
  for (int i = 1; i <= 6; ++i) Publish({PlanOf("a", absl::StrCat(i)), PlanOf("b", "1")});
  const auto collected = releases_->Collect({.releases = 2, .revisions = 3});
  ASSERT_TRUE(collected.ok()) << collected.status();
  EXPECT_EQ(collected->releases, 4u);
  EXPECT_EQ(collected->manifests, 4u);
  EXPECT_EQ(collected->blobs, 4u);
  EXPECT_THAT(Contents(6), ElementsAre("Plan/a=6", "Plan/b=1"));
  EXPECT_THAT(Contents(5), ElementsAre("Plan/a=5", "Plan/b=1"));
  EXPECT_EQ(releases_->Load("default", 4).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(*releases_->History("default", 10), SizeIs(2));
  EXPECT_EQ(Publish({PlanOf("a", "4")}).release.number, 7u) << "a collected document comes back";
  EXPECT_THAT(Contents(), ElementsAre("Plan/a=4", "Plan/b=1"));
  const Revision head = *store_->CurrentRevision();
  EXPECT_FALSE(store_->Range({.revision = head - 6}).ok());
  const auto nothing = releases_->Collect({.releases = 2});
  EXPECT_EQ(nothing->releases, 1u);
}

TEST_F(ReleasesTest, CollectBesidePublishesOfOthers) {
  Publish({PlanOf("a", "0"), PlanOf("b", "0")});
  const auto other = MakeReleases();
  std::atomic<bool> done{false};
  std::thread collector([&] {
    while (!done) EXPECT_TRUE(other->Collect({.releases = 1, .revisions = 50}).ok());
  });
  // Contents come and go and come again: what is being collected is what is being published.
  for (int i = 1; i <= 150; ++i) {
    const auto result = releases_->Publish(Request({PlanOf("a", absl::StrCat(i % 3))}));
    ASSERT_TRUE(result.ok()) << result.status();
    const auto head = releases_->Load("default", 0);
    ASSERT_TRUE(head.ok()) << head.status();
  }
  done = true;
  collector.join();
  EXPECT_EQ(releases_->Head("default")->number, 151u);
}

TEST_F(ReleasesTest, LeaveTheHeadAloneWhenThePowerFailsBetweenContentAndHead) {
  int died_with_content = 0;
  for (uint32_t at = 1; at <= 60; ++at) {
    Publish({PlanOf("a", absl::StrCat("old", at))});
    const ReleaseInfo head = *releases_->Head("default");
    std::vector<SourceDocument> many;
    for (int i = 0; i < 150; ++i) many.push_back(PlanOf(absl::StrCat("m", i), absl::StrCat(at)));
    const size_t blobs = Count("blob/");
    disk_.CrashAfter(at * 3);
    const auto result = releases_->Publish(Request(many));
    disk_.Restart(fakes::CrashingDisk::Loss::kRandom);
    Boot();
    releases_ = MakeReleases();
    if (result.ok()) {
      ASSERT_EQ(*releases_->Head("default"), result->release);
      continue;
    }
    ASSERT_THAT(releases_->Head("default")->number, testing::AnyOf(head.number, head.number + 1));
    if (releases_->Head("default")->number != head.number) continue;
    EXPECT_EQ(*releases_->Head("default"), head);
    EXPECT_TRUE(releases_->Load("default", 0).ok());
    if (Count("blob/") > blobs) {
      ++died_with_content;
      ASSERT_TRUE(releases_->Collect({}).ok());
      EXPECT_EQ(Count("blob/"), blobs) << "orphans are collected";
    }
  }
  EXPECT_GT(died_with_content, 5);
}

}  // namespace
}  // namespace tollgate::control
