#include "proxy/server/start.h"

#include <future>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/crashing_files.h"
#include "tests/fakes/sample_bundle.h"
#include "tests/fakes/wire_set.h"

namespace tollgate::proxy {
namespace {

using ::testing::HasSubstr;

// Starts a sidecar on what is kept in /lkg; nobody answers at the control plane's address.
class StartControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = Server::Create({}, clock_, metrics_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    bootstrap_.mutable_node()->set_id("payments-1");
    bootstrap_.mutable_node()->set_service("payments");
    bootstrap_.set_control("127.0.0.1:1");
    bootstrap_.set_state_dir("/lkg");
    auto lkg = LastKnownGood::Open({"/lkg", "payments-1", std::nullopt}, &files_, &clock_);
    ASSERT_TRUE(lkg.ok()) << lkg.status();
    (*lkg)->SaveRevocations({{{"revoked", {"v", 7, {"tg_a"}}}}, {}}, [](const absl::Status&) {});
    (*lkg)->SavePolicy(
        std::make_shared<const ActiveSet>(fakes::ToActiveSet(fakes::SampleBundle(3))),
        [](const absl::Status&) {});
  }  // the destructor of `lkg` has written both
  void Damage(const std::string& path) { ASSERT_TRUE(files_.Write(path, "rubbish").ok()); }
  void Keep(const config::v1::Bundle& bundle) {
    auto lkg = LastKnownGood::Open({"/lkg", "payments-1", std::nullopt}, &files_, &clock_);
    ASSERT_TRUE(lkg.ok()) << lkg.status();
    (*lkg)->SavePolicy(std::make_shared<const ActiveSet>(fakes::ToActiveSet(bundle)),
                       [](const absl::Status&) {});
  }
  absl::StatusOr<std::unique_ptr<ControlClient>> Start() {
    return StartControl(bootstrap_, *server_, serving(), metrics_, readiness_, files_, clock_,
                        &kept_);
  }
  Serving& serving() {
    if (!serving_.has_value()) serving_.emplace(*server_, readiness_);
    return *serving_;
  }

  fakes::CrashingDisk disk_{1};
  fakes::CrashingFiles files_{&disk_};
  SystemClock clock_;
  Metrics metrics_;
  Readiness readiness_;
  std::unique_ptr<Server> server_;
  std::optional<Serving> serving_;
  config::v1::Bootstrap bootstrap_;
  std::unique_ptr<LastKnownGood> kept_;
};

TEST_F(StartControlTest, RefusesToStartWhenWhatWasRevokedCannotBeRead) {
  Damage("/lkg/revocations.lkg");
  const absl::Status status = Start().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/lkg/revocations.lkg: damaged"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("restore the file"));
  EXPECT_EQ(*files_.Read("/lkg/revocations.lkg", 100), "rubbish");
  EXPECT_EQ(server_->policy(), nullptr);
}

TEST_F(StartControlTest, StartsWithoutAPolicyThatIsDamagedAndKeepsWhatIsRevoked) {
  Damage("/lkg/policy.lkg");
  const auto client = Start();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(server_->policy(), nullptr);
  EXPECT_FALSE(readiness_.ready());
  const auto loaded = kept_->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(KeyIds(loaded->revocations), ::testing::ElementsAre("tg_a"));
}

config::v1::Bundle ServableBundle() {
  config::v1::Bundle bundle = fakes::SampleBundle(4);
  bundle.mutable_listeners(0)->set_address("127.0.0.1:0");
  return bundle;
}

TEST_F(StartControlTest, ServesWhatWasKept) {
  Keep(ServableBundle());
  const auto client = Start();
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_NE(server_->policy(), nullptr);
  EXPECT_EQ(server_->policy()->epoch.release, 4u);
}

// Kept by a process that was started to allow faults; this one was not.
TEST_F(StartControlTest, DoesNotServeFaultsThatWereKept) {
  config::v1::Bundle bundle = ServableBundle();
  config::v1::FaultAbort* abort =
      bundle.mutable_route_tables(0)->mutable_routes(0)->mutable_faults()->mutable_abort();
  abort->set_status(503);
  abort->set_per_ten_thousand(10'000);
  Keep(bundle);
  const auto client = Start();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(server_->policy(), nullptr);
  EXPECT_FALSE(readiness_.ready());
}

TEST(ReadPolicyFile, RefusesFaultsUnlessTheyAreAllowed) {
  fakes::CrashingDisk disk(1);
  fakes::CrashingFiles files(&disk);
  ASSERT_TRUE(files
                  .Write("/policy.json", R"({
    "epoch": {"incarnation": "i", "revision": 1, "release": 1, "schema": 1},
    "upstreams": [{"name": "local/p", "protocol": "PROTOCOL_HTTP1", "balance": "BALANCE_RANDOM",
                   "connect_timeout_ms": 1000, "idle_timeout_ms": 60000, "max_connections": 1}],
    "endpoints": [{"upstream": "local/p", "endpoints": [{"address": "127.0.0.1:9", "weight": 1}]}],
    "route_tables": [{"name": "p/v1", "api": "p", "version": "v1", "state": "VERSION_STATE_ACTIVE",
      "routes": [{"name": "r", "path": "/r", "public": true, "timeout_ms": 1000,
                  "upstream": "local/p",
                  "faults": {"delay": {"duration_ms": 5, "per_ten_thousand": 1}}}]}],
    "listeners": []})")
                  .ok());
  const absl::Status refused = ReadPolicyFile("/policy.json", files).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("route r injects faults"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--allow-faults"));
  const auto allowed = ReadPolicyFile("/policy.json", files, /*allow_faults=*/true);
  EXPECT_TRUE(allowed.ok()) << allowed.status();
}

}  // namespace
}  // namespace tollgate::proxy
