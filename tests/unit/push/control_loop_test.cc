// Both ends of the push together: a real gRPC server and client over a Unix socket, only the source
// and the sink are fakes.
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"
#include "control-plane/push/ads_server.h"
#include "control-plane/push/agent_server.h"
#include "control-plane/push/listen.h"
#include "gmock/gmock.h"
#include "grpcpp/server.h"
#include "gtest/gtest.h"
#include "proxy/control/control_client.h"
#include "tests/fakes/fake_policy_sink.h"
#include "tests/unit/push/bundle_source.h"

namespace tollgate {
namespace {

using control::AdsServer;
using control::AgentServer;
using control::Fleet;
using control::Hub;
using control::Questions;
using control::SidecarStatus;
using control::SyncState;
using fakes::SampleBundle;

// A control plane without a store.
class ControlPlane {
 public:
  ControlPlane(const std::string& address, BundleSource* source, const Clock* clock)
      : fleet(clock), hub_(source, &fleet), ads_(&hub_, &fleet), agent_(&fleet, &questions) {
    grpc::ServerBuilder builder;
    control::ConfigureStreams(&builder);
    builder.AddListeningPort(*control::ListeningUri(address), grpc::InsecureServerCredentials());
    builder.RegisterService(ads_.service());
    builder.RegisterService(agent_.service());
    server_ = builder.BuildAndStart();
  }
  ~ControlPlane() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  SidecarStatus Sidecar() {
    const std::vector<SidecarStatus> all = fleet.List();
    return all.empty() ? SidecarStatus() : all[0];
  }

  Fleet fleet;
  Questions questions;

 private:
  Hub hub_;
  AdsServer ads_;
  AgentServer agent_;
  std::unique_ptr<grpc::Server> server_;
};

// Answers at once, with the path that it was asked about.
class EchoExplainer final : public proxy::Explainer {
 public:
  void Explain(agent::v1::Explain question,
               std::function<void(agent::v1::Explanation)> done) override {
    agent::v1::Explanation answer;
    answer.add_verdicts()->set_path(question.path());
    done(std::move(answer));
  }
};

class ControlLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/tollgate-push-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    address_ = absl::StrCat("unix:", directory_, "/control.sock");
    StartControlPlane();
  }
  void TearDown() override {
    client_.reset();
    plane_.reset();
    if (directory_.empty()) return;
    unlink((directory_ + "/control.sock").c_str());
    rmdir(directory_.c_str());
  }
  void StartControlPlane() { plane_ = std::make_unique<ControlPlane>(address_, &source_, &clock_); }
  void StartSidecar(proxy::LastKnownGood* last_known_good = nullptr) {
    proxy::ControlClient::Options options;
    options.node = {"payments-1", "payments", "default", "", "0.1.0"};
    options.address = address_;
    options.last_known_good = last_known_good;
    options.usage_interval = std::chrono::milliseconds(20);
    options.usage = [] {
      agent::v1::Usage usage;
      usage.set_requests(42);
      return usage;
    };
    options.explainer = &explainer_;
    auto client = proxy::ControlClient::Create(std::move(options), &sink_, &clock_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }
  // Looks again and again until it holds; what is awaited happens on threads of gRPC.
  template <typename Condition>
  ::testing::AssertionResult Eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return ::testing::AssertionFailure();
      usleep(1000);
    }
    return ::testing::AssertionSuccess();
  }
  bool Serves(uint64_t release) { return client_->status().serving_release == release; }

  SystemClock clock_;
  BundleSource source_;
  fakes::FakePolicySink sink_;
  EchoExplainer explainer_;
  std::string directory_;
  std::string address_;
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<proxy::ControlClient> client_;
};

TEST_F(ControlLoopTest, APublishedPolicyIsAdoptedAndTheFleetKnows) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(1); }));
  EXPECT_TRUE(plane_->fleet.WaitFor("default", 1, std::chrono::seconds(30)));
  const SidecarStatus status = plane_->Sidecar();
  EXPECT_EQ(status.state, SyncState::kSynced);
  EXPECT_EQ(status.serving_release, 1u);
  EXPECT_EQ(status.node.service, "payments");
  // The agent stream: usage, and the counter of adopted cuts.
  EXPECT_TRUE(Eventually([&] { return plane_->Sidecar().usage.adopted() == 1; }));
  EXPECT_EQ(plane_->Sidecar().usage.requests(), 42u);
  client_->ReportUnknownKey("tg_unknown");
  EXPECT_TRUE(Eventually([&] { return plane_->Sidecar().unknown_keys.size() == 1; }));
}

TEST_F(ControlLoopTest, ASidecarAnswersWhatItIsAsked) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  const auto ask = [&](const std::string& path) {
    agent::v1::Explain question;
    question.set_path(path);
    return plane_->questions.Explain("default", "payments-1", question, std::chrono::seconds(30),
                                     [] { return false; });
  };
  // Until the agent stream has said hello, there is nobody to ask.
  ASSERT_TRUE(Eventually([&] { return ask("/hello").ok(); }));
  for (int i = 0; i < 20; ++i) {
    const auto answer = ask(absl::StrCat("/", i));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->verdicts(0).path(), absl::StrCat("/", i));
  }
  client_.reset();
  EXPECT_TRUE(Eventually([&] { return absl::IsFailedPrecondition(ask("/gone").status()); }));
}

TEST_F(ControlLoopTest, TwoHundredRapidReleasesConvergeToTheNewest) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  for (uint64_t release = 2; release <= 200; ++release) source_.Publish(SampleBundle(release));
  ASSERT_TRUE(Eventually([&] { return Serves(200); }));
  EXPECT_TRUE(plane_->fleet.WaitFor("default", 200, std::chrono::seconds(30)));
  EXPECT_EQ(client_->status().refused, 0u);
  // Each adopted policy was one release, whole.
  uint64_t last = 0;
  for (const auto& policy : sink_.adopted()) {
    EXPECT_GT(policy->epoch.release, last);
    last = policy->epoch.release;
    const std::string stamp = absl::StrCat(last);
    EXPECT_EQ(policy->upstreams.at("local/payments").response_headers[0].value, stamp);
    EXPECT_EQ(policy->plans.at("standard").response_headers[0].value, stamp);
    EXPECT_EQ(policy->route_tables.at("cards/v1").routes[0].response_headers[0].value, stamp);
  }
  EXPECT_EQ(last, 200u);
}

TEST_F(ControlLoopTest, ARefusalShowsInTheFleetWithCodeAndFieldPath) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(1); }));
  config::v1::Bundle bundle = SampleBundle(2);
  config::v1::Retry* retry = bundle.mutable_route_tables(0)->mutable_routes(0)->mutable_retry();
  retry->GetReflection()->MutableUnknownFields(retry)->AddVarint(99, 1);
  source_.Publish(bundle);
  EXPECT_TRUE(plane_->fleet.WaitFor("default", 2, std::chrono::seconds(30)));
  const SidecarStatus status = plane_->Sidecar();
  EXPECT_EQ(status.state, SyncState::kRefused);
  EXPECT_EQ(status.refused.release, 2u);
  EXPECT_EQ(status.serving_release, 1u);
  ASSERT_FALSE(status.errors.empty());
  EXPECT_EQ(status.errors[0].code, "UNKNOWN_FIELD");
  EXPECT_EQ(status.errors[0].name, "cards/v1");
  EXPECT_EQ(status.errors[0].field_path, "routes[0].retry");
  EXPECT_TRUE(Serves(1));
  source_.Publish(SampleBundle(3));
  EXPECT_TRUE(Eventually([&] { return Serves(3); }));
}

TEST_F(ControlLoopTest, ATakenPortShowsInTheFleetAndTheOldReleaseGoesOn) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(1); }));
  sink_.RefuseWith({{std::string(TypeUrl(ResourceType::kListener)), "inbound/payments",
                     "ADDRESS_IN_USE", "address", "127.0.0.1:8080 is taken"}});
  source_.Publish(SampleBundle(2));
  EXPECT_TRUE(plane_->fleet.WaitFor("default", 2, std::chrono::seconds(30)));
  EXPECT_EQ(plane_->Sidecar().state, SyncState::kRefused);
  EXPECT_EQ(plane_->Sidecar().errors[0].code, "ADDRESS_IN_USE");
  EXPECT_EQ(plane_->Sidecar().serving_release, 1u);
}

TEST_F(ControlLoopTest, ARevocationIsInForceWhileACutIsStillBeingAdopted) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(1); }));
  sink_.Hold();
  source_.Publish(SampleBundle(2));
  ASSERT_TRUE(Eventually([&] { return sink_.holding(); }));
  source_.Publish(control::WithRevocation(SampleBundle(3), 3, {"tg_till"}));
  EXPECT_TRUE(Eventually([&] { return sink_.revoked().contains("tg_till"); }));
  EXPECT_TRUE(sink_.holding());
  EXPECT_TRUE(Serves(1));
  sink_.Release();
  EXPECT_TRUE(Eventually([&] { return Serves(3); }));
}

TEST_F(ControlLoopTest, ADeniedTokenIsDeniedWhileACutIsBeingAdoptedAndLiftedByAnEpochOnly) {
  const auto with = [](uint64_t release, const std::vector<std::string>& subjects) {
    config::v1::Bundle bundle = SampleBundle(release);
    if (subjects.empty()) return bundle;
    config::v1::Revocation* list = bundle.add_revocations();
    list->set_name("denied");
    list->set_revision(release);
    list->set_incarnation("life-1");
    for (const std::string& subject : subjects) {
      config::v1::TokenDenial* token = list->add_tokens();
      token->set_issuer("https://login.bank.example/");
      token->set_subject(subject);
    }
    return bundle;
  };
  using Denied = std::set<std::string>;
  source_.Publish(with(1, {}));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(1); }));
  sink_.Hold();
  source_.Publish(with(2, {}));
  ASSERT_TRUE(Eventually([&] { return sink_.holding(); }));
  source_.Publish(with(3, {"mallory", "eve"}));
  EXPECT_TRUE(Eventually([&] { return sink_.denied_tokens() == Denied{"eve", "mallory"}; }));
  EXPECT_TRUE(sink_.holding()) << "it did not wait for the cut";
  sink_.Release();
  ASSERT_TRUE(Eventually([&] { return Serves(3); }));
  sink_.Hold();
  source_.Publish(with(4, {"eve"}));
  ASSERT_TRUE(Eventually([&] { return sink_.holding(); }));
  EXPECT_EQ(sink_.denied_tokens(), (Denied{"eve", "mallory"})) << "before its Epoch is adopted";
  sink_.Release();
  EXPECT_TRUE(Eventually([&] { return sink_.denied_tokens() == Denied{"eve"}; }));
  source_.Publish(with(5, {}));
  EXPECT_TRUE(Eventually([&] { return sink_.denied_tokens().empty(); }));
}

TEST_F(ControlLoopTest, SurvivesTheControlPlaneAndAdoptsNothingTwiceWhenItIsBack) {
  source_.Publish(SampleBundle(1));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(1); }));
  plane_.reset();
  EXPECT_TRUE(Eventually([&] { return !client_->status().connected; }));
  EXPECT_TRUE(Serves(1));
  StartControlPlane();
  EXPECT_TRUE(Eventually([&] { return plane_->Sidecar().state == SyncState::kSynced; }));
  EXPECT_TRUE(Eventually([&] { return client_->status().connected; }));
  EXPECT_EQ(sink_.offered(), 1u) << "nothing known is sent again, not even the Epoch";
  source_.Publish(SampleBundle(2));
  EXPECT_TRUE(Eventually([&] { return Serves(2); }));
}

TEST_F(ControlLoopTest, AReplicaThatLagsCannotBringAnOlderRevisionBack) {
  source_.Publish(SampleBundle(5));
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return Serves(5); }));
  plane_.reset();
  source_.Publish(SampleBundle(4));
  StartControlPlane();
  ASSERT_TRUE(Eventually([&] { return plane_->Sidecar().state == SyncState::kRefused; }));
  EXPECT_EQ(plane_->Sidecar().errors[0].code, "LOWER_REVISION");
  EXPECT_TRUE(Serves(5));
}

TEST_F(ControlLoopTest, AnUnknownServiceIsShownAndServedOnceItExists) {
  StartSidecar();
  ASSERT_TRUE(Eventually([&] { return !plane_->Sidecar().errors.empty(); }));
  EXPECT_EQ(plane_->Sidecar().errors[0].code, "NOT_FOUND");
  EXPECT_EQ(plane_->Sidecar().state, SyncState::kPending);
  source_.Publish(SampleBundle(1));
  EXPECT_TRUE(Eventually([&] { return Serves(1); }));
}

TEST_F(ControlLoopTest, AMegabyteOfPolicyArrivesInPieces) {
  config::v1::Bundle bundle = SampleBundle(1);
  for (int i = 0; i < 40; ++i) {
    config::v1::Secret* secret = bundle.add_secrets();
    secret->set_name(absl::StrCat("big/", 10 + i));
    secret->set_value(std::string(200'000, 'x'));
  }
  source_.Publish(bundle);
  StartSidecar();
  EXPECT_TRUE(Eventually([&] { return Serves(1); }));
  EXPECT_EQ(sink_.adopted()[0]->secrets.size(), 41u);
}

TEST_F(ControlLoopTest, PlaintextLeavesThisMachineOnNeitherSide) {
  proxy::ControlClient::Options options;
  options.address = "10.0.0.1:18000";
  EXPECT_TRUE(absl::IsInvalidArgument(
      proxy::ControlClient::Create(std::move(options), &sink_, &clock_).status()));
}

}  // namespace
}  // namespace tollgate
