// Hub, sessions, ADS client and last-known-good together on their real threads, without gRPC.
#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/control/ads_client.h"
#include "tests/fakes/crashing_files.h"
#include "tests/fakes/fake_policy_sink.h"
#include "tests/fakes/memory_ads.h"
#include "tests/unit/push/bundle_source.h"

namespace tollgate {
namespace {

using fakes::SampleBundle;
using ::testing::IsSupersetOf;

class SessionStreamTest : public ::testing::Test {
 protected:
  ~SessionStreamTest() override { thread_->Stop(); }

  void StartSidecar(proxy::ActiveSet active = {}, proxy::Revocations revocations = {}) {
    proxy::AdsClient::Options options;
    options.node = {"payments-1", "payments", "default", "", ""};
    options.active = std::move(active);
    options.revocations = std::move(revocations);
    options.last_known_good = lkg_.get();
    options.on_outcome = [this](const agent::v1::ApplyStatus& status) {
      const std::lock_guard lock(mutex_);
      serving_ = status.serving_release();
      wake_.notify_all();
    };
    client_ = std::make_unique<proxy::AdsClient>(std::move(options), &transport_, &sink_, thread_,
                                                 &clock_);
    client_->Start();
  }
  bool AwaitServing(uint64_t release) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, std::chrono::seconds(60), [&] { return serving_ == release; });
  }
  bool AwaitFleet(uint64_t release) {
    return fleet_.WaitFor("default", release, std::chrono::seconds(60));
  }
  void OpenLastKnownGood() {
    lkg_.reset();
    proxy::LastKnownGood::Options options{"/lkg", "payments-1", SecretBytes(std::string(32, 'k'))};
    auto opened = proxy::LastKnownGood::Open(std::move(options), &files_, &clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    lkg_ = *std::move(opened);
  }

  SystemClock clock_;
  fakes::CrashingDisk disk_{1};
  fakes::CrashingFiles files_{&disk_};
  std::unique_ptr<proxy::LastKnownGood> lkg_;
  BundleSource source_;
  control::Fleet fleet_{&clock_};
  control::Hub hub_{&source_, &fleet_, {std::chrono::milliseconds(1)}};
  fakes::FakePolicySink sink_;
  fakes::MemoryAds transport_{&hub_, &fleet_};
  std::mutex mutex_;
  std::condition_variable wake_;
  uint64_t serving_ = 0;
  std::shared_ptr<proxy::ControlThread> thread_ = std::make_shared<proxy::ControlThread>();
  std::unique_ptr<proxy::AdsClient> client_;
};

TEST_F(SessionStreamTest, TwoHundredRapidReleasesConvergeAndEachIsWhole) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  for (uint64_t release = 2; release <= 200; ++release) source_.Publish(SampleBundle(release));
  ASSERT_TRUE(AwaitServing(200));
  ASSERT_TRUE(AwaitFleet(200));
  EXPECT_EQ(client_->status().refused, 0u);
  for (const auto& policy : sink_.adopted()) {
    const std::string stamp = absl::StrCat(policy->epoch.release);
    EXPECT_EQ(policy->upstreams.at("local/payments").response_headers[0].value, stamp);
    EXPECT_EQ(policy->plans.at("standard").response_headers[0].value, stamp);
    EXPECT_EQ(policy->route_tables.at("cards/v1").routes[0].response_headers[0].value, stamp);
  }
}

TEST_F(SessionStreamTest, AReconnectSendsNothingKnown) {
  source_.Publish(control::WithRevocation(SampleBundle(1), 1, {"tg_a"}));
  StartSidecar();
  ASSERT_TRUE(AwaitServing(1));
  ASSERT_TRUE(AwaitFleet(1));
  EXPECT_EQ(transport_.resources(), 9);  // one of each type
  for (int i = 0; i < 3; ++i) {
    transport_.Break();
    source_.Publish(control::WithRevocation(SampleBundle(2 + i), 1, {"tg_a"}));
    ASSERT_TRUE(AwaitServing(2 + i));
    ASSERT_TRUE(AwaitFleet(2 + i));
    // Upstream, PolicySet, RouteTable and Epoch bear the release's number; nothing else came.
    EXPECT_EQ(transport_.resources(), 9 + 4 * (i + 1));
  }
}

TEST_F(SessionStreamTest, StreamsThatBreakAtAnyMomentLoseNothing) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  ASSERT_TRUE(AwaitServing(1));
  for (uint64_t release = 2; release <= 20; ++release) {
    source_.Publish(SampleBundle(release));
    if (release % 4 == 0) transport_.Break();
  }
  EXPECT_TRUE(AwaitServing(20));
  EXPECT_EQ(client_->status().refused, 0u);
}

TEST_F(SessionStreamTest, RevocationsRaceWithCutsAndAreNeverLost) {
  OpenLastKnownGood();
  source_.Publish(SampleBundle(1));
  StartSidecar();
  std::vector<std::string> ids;
  for (uint64_t release = 2; release <= 50; ++release) {
    ids.push_back(absl::StrCat("tg_", release));
    source_.Publish(control::WithRevocation(SampleBundle(release), release, ids));
  }
  ASSERT_TRUE(AwaitServing(50));
  ASSERT_TRUE(AwaitFleet(50));
  EXPECT_THAT(sink_.revoked(), IsSupersetOf(ids));
  thread_->Stop();
  client_.reset();
  // The next process serves the last release and denies the same keys, with no control plane.
  OpenLastKnownGood();
  const auto loaded = lkg_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->bundle.epoch().release(), 50u);
  EXPECT_THAT(proxy::KeyIds(loaded->revocations), IsSupersetOf(ids));
  // And is sent nothing known once there is one again but the revocations: what was kept may have
  // been kept by a version that understood less of them.
  const int before = transport_.resources();
  thread_ = std::make_shared<proxy::ControlThread>();
  StartSidecar(loaded->active, loaded->revocations);
  source_.Publish(control::WithRevocation(SampleBundle(51), 50, ids));
  ASSERT_TRUE(AwaitServing(51));
  EXPECT_LE(transport_.resources() - before, 4 + 1);
}

}  // namespace
}  // namespace tollgate
