#include "control-plane/release/state.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "gmock/gmock.h"
#include "tests/fakes/flaky_store.h"
#include "tests/unit/control-plane/release/release_fixture.h"

namespace tollgate::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The states that a view has called back with.
class Seen {
 public:
  StateView::Callback callback() {
    return [this](const std::shared_ptr<const State>& state) {
      const std::lock_guard<std::mutex> lock(mutex_);
      states_.push_back(state);
      changed_.notify_all();
    };
  }
  // Waits for the state of this revision.
  std::shared_ptr<const State> WaitFor(Revision revision) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return !states_.empty() && states_.back()->revision >= revision;
    });
    EXPECT_TRUE(came) << "no state of revision " << revision;
    return came ? states_.back() : nullptr;
  }
  std::vector<Revision> revisions() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<Revision> revisions;
    for (const auto& state : states_) revisions.push_back(state->revision);
    return revisions;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<const State>> states_;
};

class StateTest : public StoreFixture {
 protected:
  StateTest()
      : peppers_(*Peppers::LoadOrCreate(files_, "/data/peppers")),
        releases_(MakeReleases()),
        credentials_(*store_, clock_, peppers_),
        denials_(*store_, clock_) {}
  ReleaseInfo Publish(std::vector<SourceDocument> documents,
                      const std::string& environment = "default") {
    PublishRequest request;
    request.environment = environment;
    request.documents = std::move(documents);
    const auto result = releases_->Publish(request);
    EXPECT_TRUE(result.ok()) << result.status();
    return result->release;
  }
  std::unique_ptr<StateView> Start(StateView::Callback callback = nullptr) {
    auto view = StateView::Start(*store_, *releases_, std::move(callback), backoff_);
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }
  // A view that reads through `store`, not through the fixture's own.
  std::unique_ptr<StateView> StartOn(RevStore& store, StateView::Callback callback) {
    auto view = StateView::Start(store, *releases_, std::move(callback), backoff_);
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }
  // The view learns of its store on its own thread.
  static bool Until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return holds();
  }
  // Short waits, so that the tests are quick.
  const Backoff backoff_{
      1, {.first = std::chrono::milliseconds(1), .most = std::chrono::milliseconds(4)}};
  AddedDenial Deny(const std::string& subject) {
    NewDenial denial;
    denial.issuer = "login";
    denial.token = {"https://login.bank.example/", DeniedClaim::kSubject, subject};
    const auto added = denials_.Add("default", denial);
    EXPECT_TRUE(added.ok()) << added.status();
    return *added;
  }
  Peppers peppers_;
  std::unique_ptr<Releases> releases_;
  CredentialStore credentials_;
  DenialStore denials_;
};

TEST_F(StateTest, OfAnEmptyStoreIsEmpty) {
  const auto view = Start();
  EXPECT_EQ(view->Current()->revision, 0);
  EXPECT_EQ(view->Current()->incarnation, store_->incarnation());
  EXPECT_THAT(view->Current()->environments, IsEmpty());
}

TEST_F(StateTest, FollowsReleasesAndCredentials) {
  Seen seen;
  const auto view = Start(seen.callback());
  const ReleaseInfo first = Publish({PlanOf("a", "1")});
  auto state = seen.WaitFor(first.revision);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->revision, first.revision);
  EXPECT_EQ(state->environments.at("default")->release, 1u);
  EXPECT_THAT(Describe(*state->environments.at("default")->documents), ElementsAre("Plan/a=1"));

  const IssuedKey key = *credentials_.Issue("default", "shop", "till", Duration::zero());
  state = seen.WaitFor(key.revision);
  ASSERT_THAT(state->environments.at("default")->keys, SizeIs(1));
  EXPECT_EQ(state->environments.at("default")->keys[0].id, key.id);
  EXPECT_EQ(state->environments.at("default")->release, 1u);

  const Revision revoked = credentials_.RevokeId("default", key.id)->revision;
  state = seen.WaitFor(revoked);
  EXPECT_THAT(state->environments.at("default")->keys, IsEmpty());
  ASSERT_THAT(state->environments.at("default")->revoked, SizeIs(1));
  EXPECT_EQ(state->environments.at("default")->revoked[0].id, key.id);
  EXPECT_EQ(state->environments.at("default")->revoked[0].revision, revoked);
  // One call for each, none for the writes of content.
  EXPECT_THAT(seen.revisions(), ElementsAre(first.revision, key.revision, revoked));
}

TEST_F(StateTest, FollowsDenialsAndTheirLifting) {
  Seen seen;
  const auto view = Start(seen.callback());
  Publish({PlanOf("a", "1")});
  const DenialRecord mallory = Deny("mallory").record;
  const DenialRecord eve = Deny("eve").record;
  auto state = seen.WaitFor(eve.revision);
  EXPECT_THAT(state->environments.at("default")->denied,
              testing::UnorderedElementsAre(mallory, eve));
  EXPECT_EQ(state->environments.at("default")->release, 1u);
  // A rollback is none.
  Publish({PlanOf("a", "2")});
  const auto rolled = releases_->Rollback("default", 1, "", "");
  state = seen.WaitFor(rolled->release.revision);
  EXPECT_THAT(state->environments.at("default")->denied, SizeIs(2));
  const Revision lifted = denials_.Lift("default", mallory.id)->revision;
  state = seen.WaitFor(lifted);
  EXPECT_EQ(state->revision, lifted);
  EXPECT_EQ(state->environments.at("default")->revision, lifted);
  EXPECT_THAT(state->environments.at("default")->denied, ElementsAre(eve));
  // Whoever begins now sees the same, at the same revision.
  const auto read = Start();
  EXPECT_EQ(read->Current()->revision, lifted);
  EXPECT_THAT(read->Current()->environments.at("default")->denied, ElementsAre(eve));
  EXPECT_TRUE(view->Health().ok());
}

TEST_F(StateTest, IsTheSameForOneWhoReadsAndOneWhoFollowed) {
  Seen seen;
  const auto followed = Start(seen.callback());
  Publish({PlanOf("a", "1"), PlanOf("b", "1")});
  const IssuedKey key = *credentials_.Issue("default", "shop", "till", Duration::zero());
  ASSERT_TRUE(credentials_.Issue("other", "shop", "till", std::chrono::seconds(9)).ok());
  Publish({PlanOf("a", "2")});
  ASSERT_TRUE(releases_->Rollback("default", 1, "", "").ok());
  Deny("mallory");
  ASSERT_TRUE(denials_.Lift("default", Deny("eve").record.id).ok());
  const Revision last = credentials_.RevokeId("default", key.id)->revision;
  const auto a = seen.WaitFor(last);
  ASSERT_NE(a, nullptr);
  ASSERT_TRUE(releases_->Collect({.releases = 1, .revisions = 1}).ok());
  const auto read = Start();
  const auto b = read->Current();
  EXPECT_EQ(a->revision, b->revision);
  EXPECT_EQ(a->incarnation, b->incarnation);
  ASSERT_EQ(a->environments.size(), 2u);
  ASSERT_EQ(b->environments.size(), 2u);
  for (const auto& [name, x] : a->environments) {
    const auto& y = b->environments.at(name);
    EXPECT_EQ(x->release, y->release);
    EXPECT_EQ(x->revision, y->revision);
    EXPECT_EQ(*x->documents, *y->documents);
    EXPECT_EQ(x->keys, y->keys);
    EXPECT_EQ(x->revoked, y->revoked);
    EXPECT_EQ(x->denied, y->denied);
  }
}

TEST_F(StateTest, SharesWhatDidNotChange) {
  Seen seen;
  const auto view = Start(seen.callback());
  Publish({PlanOf("a", "1"), PlanOf("b", "1")});
  const auto before = seen.WaitFor(Publish({PlanOf("a", "1")}, "other").revision);
  const auto after = seen.WaitFor(Publish({PlanOf("a", "2")}).revision);
  EXPECT_EQ(before->environments.at("other"), after->environments.at("other"));
  const DocumentKey b{"Plan", "b"};
  EXPECT_EQ(before->environments.at("default")->documents->at(b).document,
            after->environments.at("default")->documents->at(b).document);
}

TEST_F(StateTest, SeesWhatAnotherControlPlanePublished) {
  Seen seen;
  const auto view = Start(seen.callback());
  const auto other = MakeReleases();
  PublishRequest request;
  request.environment = "default";
  request.documents = {PlanOf("a", "1")};
  const auto published = other->Publish(request);
  ASSERT_TRUE(published.ok());
  EXPECT_EQ(seen.WaitFor(published->release.revision)->environments.at("default")->release, 1u);
}

TEST_F(StateTest, CatchesUpWhenTheLogWasCompactedUnderIt) {
  Seen seen;
  std::mutex mutex;
  std::condition_variable changed;
  bool release = false;
  auto record = seen.callback();
  const auto view = Start([&](const std::shared_ptr<const State>& state) {
    record(state);
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return release; });
  });
  Publish({PlanOf("a", "0")});
  Revision last = 0;
  for (int i = 1; i <= 30; ++i) last = Publish({PlanOf("a", absl::StrCat(i))}).revision;
  ASSERT_TRUE(releases_->Collect({.releases = 1, .revisions = 1}).ok());
  {
    const std::lock_guard<std::mutex> lock(mutex);
    release = true;
  }
  changed.notify_all();
  const auto state = seen.WaitFor(last);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->environments.at("default")->release, 31u);
  EXPECT_TRUE(view->Health().ok());
}

TEST_F(StateTest, SaysWhenTheStoreHasFailedAndKeepsWhatItHas) {
  const ReleaseInfo head = Publish({PlanOf("a", "1")});
  const auto view = Start();
  disk_.Crash();
  EXPECT_FALSE(credentials_.Issue("default", "shop", "till", Duration::zero()).ok());
  EXPECT_TRUE(Until([&] { return !view->Health().ok(); }));
  EXPECT_TRUE(absl::IsDataLoss(view->Health())) << "for good: " << view->Health();
  EXPECT_EQ(view->Current()->revision, head.revision);
}

TEST_F(StateTest, KeepsWhatItHasWhileTheStoreFailsAndCatchesUpWhenItWorksAgain) {
  Seen seen;
  const Revision first = Publish({PlanOf("a", "1")}).revision;
  fakes::FlakyStore flaky(*store_);
  const auto view = StartOn(flaky, seen.callback());
  EXPECT_TRUE(view->Health().ok());

  flaky.Fail(absl::UnavailableError("disk I/O error"));
  ASSERT_TRUE(Until([&] { return flaky.refused() >= 3; })) << "it does not try again";
  EXPECT_TRUE(absl::IsUnavailable(view->Health())) << view->Health();
  EXPECT_EQ(view->Current()->revision, first);
  const Revision second = Publish({PlanOf("a", "2")}).revision;
  EXPECT_EQ(view->Current()->revision, first);

  flaky.Recover();
  const auto state = seen.WaitFor(second);
  ASSERT_NE(state, nullptr);
  EXPECT_THAT(Describe(*state->environments.at("default")->documents), ElementsAre("Plan/a=2"));
  EXPECT_TRUE(view->Health().ok()) << view->Health();
  // It follows again, and does not only read once.
  const IssuedKey key = *credentials_.Issue("default", "shop", "till", Duration::zero());
  const auto later = seen.WaitFor(key.revision);
  ASSERT_NE(later, nullptr);
  EXPECT_THAT(later->environments.at("default")->keys, SizeIs(1));
}

TEST_F(StateTest, RecoversEachTimeTheStoreDoes) {
  Seen seen;
  fakes::FlakyStore flaky(*store_);
  const auto view = StartOn(flaky, seen.callback());
  for (int i = 1; i <= 3; ++i) {
    const int refused = flaky.refused();
    flaky.Fail(absl::ResourceExhaustedError("disk full"));
    ASSERT_TRUE(Until([&] { return flaky.refused() > refused; }));
    EXPECT_FALSE(view->Health().ok());
    flaky.Recover();
    ASSERT_NE(seen.WaitFor(Publish({PlanOf("a", absl::StrCat(i))}).revision), nullptr);
    EXPECT_TRUE(Until([&] { return view->Health().ok(); }));
  }
}

TEST_F(StateTest, ClosesAtOnceWhileItWaitsForTheStore) {
  fakes::FlakyStore flaky(*store_);
  auto started =
      StateView::Start(flaky, *releases_, nullptr, Backoff(1, {.first = std::chrono::hours(1)}));
  ASSERT_TRUE(started.ok()) << started.status();
  flaky.Fail(absl::UnavailableError("disk I/O error"));
  ASSERT_TRUE(Until([&] { return flaky.refused() >= 1; }));
  started->reset();  // or the test's time limit ends it
}

TEST_F(StateTest, DoesNotTakeAStoreThatLostAReleaseForTheTruth) {
  Publish({PlanOf("a", "1")});
  const Revision second = Publish({PlanOf("a", "2")}).revision;
  fakes::FlakyStore flaky(*store_);
  const auto view = StartOn(flaky, nullptr);
  flaky.Fail(absl::UnavailableError("disk I/O error"));
  ASSERT_TRUE(Until([&] { return flaky.refused() >= 1; }));
  ASSERT_TRUE(store_->Txn({.then = {Operation::Delete("/tollgate/v1/default/head")}}).ok());
  flaky.Recover();
  EXPECT_TRUE(Until([&] { return absl::IsDataLoss(view->Health()); })) << view->Health();
  EXPECT_EQ(view->Current()->revision, second);
}

TEST_F(StateTest, ShowsNoEnvironmentThatHoldsOnlyTheRemainsOfAPublish) {
  ASSERT_TRUE(store_->Txn({.then = {Operation::Put("/tollgate/v1/ghost/blob/00", "x")}}).ok());
  EXPECT_THAT(Start()->Current()->environments, IsEmpty());
  EXPECT_THAT(*releases_->Environments(), IsEmpty());
  ASSERT_TRUE(releases_->Collect({}).ok());
  EXPECT_THAT(store_->Range({.prefix = "/tollgate/v1/ghost/blob/"})->kvs, IsEmpty());
}

}  // namespace
}  // namespace tollgate::control
