#include "proxy/control/ads_client.h"

#include <future>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/crashing_files.h"
#include "tests/fakes/fake_policy_sink.h"
#include "tests/fakes/fake_transport.h"
#include "tests/fakes/manual_executor.h"
#include "tests/fakes/sample_bundle.h"
#include "tests/fakes/wire_set.h"

namespace tollgate::proxy {
namespace {

using fakes::CutBetween;
using fakes::SampleBundle;
using fakes::ToActiveSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Describe(const AdsClient::Request& request) {
  const size_t slash = request.type_url().rfind('.');
  return (request.has_error_detail() ? "NACK " : "ACK ") + request.response_nonce() + " " +
         request.type_url().substr(slash + 1);
}

class AdsClientTest : public ::testing::Test {
 protected:
  void Start(ActiveSet active = {}, Revocations revocations = {}) {
    AdsClient::Options options;
    options.node = {"payments-1", "payments", "default", "10.0.0.1:8080", "0.1.0"};
    options.active = std::move(active);
    options.revocations = std::move(revocations);
    options.last_known_good = lkg_.get();
    options.on_outcome = [this](const agent::v1::ApplyStatus& s) { outcomes_.push_back(s); };
    client_ =
        std::make_unique<AdsClient>(std::move(options), &transport_, &sink_, executor_, &clock_);
    client_->Start();
    executor_->Run();
  }
  void Deliver(const std::vector<AdsClient::Response>& responses) {
    for (const AdsClient::Response& response : responses) transport_.Deliver(response);
    executor_->Run();
  }
  std::vector<std::string> Answers() {
    std::vector<std::string> answers;
    for (const AdsClient::Request& request : transport_.TakeSent()) {
      answers.push_back(Describe(request));
    }
    return answers;
  }
  // Adopts this release from what is active now.
  ActiveSet Adopt(const ActiveSet& have, uint64_t release) {
    const ActiveSet want = ToActiveSet(SampleBundle(release));
    Deliver(CutBetween(have, want, "r"));
    EXPECT_EQ(client_->status().serving_release, release);
    transport_.TakeSent();
    return want;
  }

  // Adopts release 1; then mallory is denied, and listed no more, for which nothing vouches yet.
  ActiveSet AdoptOneThenDenyAndLift() {
    const ActiveSet one = Adopt({}, 1);
    Deliver({fakes::ResponseOf(fakes::DenyingSubjects(2, {"mallory"}), "deny")});
    auto lifting = fakes::EmptyResponse(ResourceType::kRevocation, "lift");
    lifting.add_removed_resources("denied");
    Deliver({lifting});
    return one;
  }

  FakeClock clock_;
  std::shared_ptr<fakes::ManualExecutor> executor_ =
      std::make_shared<fakes::ManualExecutor>(&clock_);
  fakes::FakeAdsTransport transport_;
  fakes::FakePolicySink sink_;
  std::vector<agent::v1::ApplyStatus> outcomes_;
  fakes::CrashingDisk disk_{1};
  fakes::CrashingFiles files_{&disk_};
  std::unique_ptr<LastKnownGood> lkg_;  // null: nothing is kept
  std::unique_ptr<AdsClient> client_;
};

TEST_F(AdsClientTest, KeepsForEverOnDiskWhatWasRevokedBeforeAStoreWasRestored) {
  const auto open = [&] {
    lkg_.reset();  // writes what is pending
    lkg_ = *LastKnownGood::Open({"/lkg", "payments-1", std::nullopt}, &files_, &clock_);
  };
  open();
  Start({}, Revocations{{}, {{"tg_x", 1}}, "before the restore"});
  Adopt({}, 60);
  open();
  EXPECT_THAT(lkg_->Load()->revocations.lingering, ElementsAre(std::pair("tg_x", kForever)));
}

TEST_F(AdsClientTest, IntroducesItselfAndSubscribesToEverything) {
  Start();
  const std::vector<AdsClient::Request> sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(kResourceTypes));
  EXPECT_EQ(sent[0].type_url(), TypeUrl(ResourceType::kRevocation));
  EXPECT_EQ(sent[0].node().id(), "payments-1");
  EXPECT_EQ(sent[0].node().cluster(), "payments");
  EXPECT_EQ(sent[0].node().metadata().fields().at("schema").number_value(), kSchema);
  EXPECT_EQ(sent[0].node().metadata().fields().at("address").string_value(), "10.0.0.1:8080");
  EXPECT_EQ(sent[8].type_url(), TypeUrl(ResourceType::kEpoch));
  for (const AdsClient::Request& request : sent) {
    EXPECT_THAT(request.resource_names_subscribe(), ElementsAre("*"));
    EXPECT_TRUE(request.initial_resource_versions().empty());
  }
}

TEST_F(AdsClientTest, AcknowledgesTypesWhenStagedAndTheEpochWhenAdopted) {
  Start();
  transport_.TakeSent();
  sink_.Hold();
  Deliver(CutBetween({}, ToActiveSet(SampleBundle(1)), "1"));
  EXPECT_THAT(Answers(), ElementsAre("ACK Upstream-1 Upstream", "ACK Endpoints-1 Endpoints",
                                     "ACK Secret-1 Secret", "ACK ConsumerShard-1 ConsumerShard",
                                     "ACK PolicySet-1 PolicySet", "ACK RouteTable-1 RouteTable",
                                     "ACK Listener-1 Listener"));
  EXPECT_TRUE(sink_.holding());
  sink_.Release();
  executor_->Run();
  EXPECT_THAT(Answers(), ElementsAre("ACK Epoch-1 Epoch"));
  ASSERT_THAT(sink_.adopted(), SizeIs(1));
  EXPECT_EQ(sink_.adopted()[0]->epoch.release, 1u);
  ASSERT_THAT(outcomes_, SizeIs(1));
  EXPECT_TRUE(outcomes_[0].applied());
  EXPECT_EQ(outcomes_[0].serving_release(), 1u);
  EXPECT_EQ(client_->status().adopted, 1u);
}

TEST_F(AdsClientTest, RefusesAnUnknownFieldWithItsPathAndGoesOnWithTheLastPolicy) {
  Start();
  const ActiveSet have = Adopt({}, 1);
  config::v1::Bundle bundle = SampleBundle(2);
  config::v1::Route* route = bundle.mutable_route_tables(0)->mutable_routes(0);
  route->GetReflection()->MutableUnknownFields(route)->AddVarint(99, 1);
  Deliver(CutBetween(have, ToActiveSet(bundle), "2"));
  const std::vector<AdsClient::Request> sent = transport_.TakeSent();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(Describe(sent.back()), "NACK Epoch-2 Epoch");
  agent::v1::ResourceError error;
  ASSERT_TRUE(sent.back().error_detail().details(0).UnpackTo(&error));
  EXPECT_EQ(error.code(), "UNKNOWN_FIELD");
  EXPECT_EQ(error.name(), "cards/v1");
  EXPECT_EQ(error.field_path(), "routes[0]");
  EXPECT_THAT(sink_.adopted(), SizeIs(1));
  EXPECT_EQ(client_->status().serving_release, 1u);
  EXPECT_EQ(client_->status().refused, 1u);
  ASSERT_THAT(outcomes_, SizeIs(2));
  EXPECT_FALSE(outcomes_[1].applied());
  EXPECT_EQ(outcomes_[1].serving_release(), 1u);
  // The next cut comes against what is active, and is adopted.
  Adopt(have, 3);
}

TEST_F(AdsClientTest, RefusesWhatTheSinkCannotAdopt) {
  Start();
  const ActiveSet have = Adopt({}, 1);
  sink_.RefuseWith({{std::string(TypeUrl(ResourceType::kListener)), "inbound/payments",
                     "ADDRESS_IN_USE", "address", "127.0.0.1:8080 is taken"}});
  Deliver(CutBetween(have, ToActiveSet(SampleBundle(2)), "2"));
  EXPECT_THAT(Answers().back(), "NACK Epoch-2 Epoch");
  EXPECT_EQ(client_->status().serving_release, 1u);
  ASSERT_THAT(client_->status().errors, SizeIs(1));
  EXPECT_EQ(client_->status().errors[0].code, "ADDRESS_IN_USE");
  sink_.RefuseWith({});
  Adopt(have, 3);
  EXPECT_THAT(client_->status().errors, IsEmpty());
}

TEST_F(AdsClientTest, RefusesALowerRevision) {
  Start();
  const ActiveSet have = Adopt({}, 5);
  Deliver(CutBetween(have, ToActiveSet(SampleBundle(4)), "4"));
  EXPECT_THAT(Answers().back(), "NACK Epoch-4 Epoch");
  EXPECT_EQ(client_->status().errors[0].code, "LOWER_REVISION");
  EXPECT_EQ(sink_.offered(), 1u);
}

TEST_F(AdsClientTest, ListsWhatIsActiveWhenItReconnects) {
  Start();
  const ActiveSet have = Adopt({}, 1);
  transport_.Accept();
  executor_->Run();
  EXPECT_TRUE(client_->status().connected);
  // Half of a cut is lost with the stream: it must not be listed, nor linger.
  const auto cut = CutBetween(have, ToActiveSet(SampleBundle(2)), "2");
  Deliver({cut[0]});
  transport_.Close(absl::UnavailableError("gone"));
  executor_->Run();
  EXPECT_FALSE(client_->status().connected);
  executor_->Advance(std::chrono::seconds(1));
  ASSERT_EQ(transport_.opened(), 2);
  for (const AdsClient::Request& request : transport_.TakeSent()) {
    const ResourceType type = *ParseTypeUrl(request.type_url());
    if (InCut(type)) {
      const auto expected = Versions(have.types[Index(type)]);
      EXPECT_EQ((std::map<std::string, std::string>(request.initial_resource_versions().begin(),
                                                    request.initial_resource_versions().end())),
                expected);
    } else if (type == ResourceType::kEpoch) {
      EXPECT_EQ(request.initial_resource_versions().at("epoch"), have.epoch_version);
    }
  }
  Adopt(have, 3);
}

TEST_F(AdsClientTest, ReconnectsOnlyOnceTheRunningAdoptionIsDecided) {
  Start();
  sink_.Hold();
  const ActiveSet want = ToActiveSet(SampleBundle(1));
  Deliver(CutBetween({}, want, "1"));
  transport_.Close(absl::UnavailableError("gone"));
  executor_->Run();
  executor_->Advance(std::chrono::seconds(20));
  EXPECT_EQ(transport_.opened(), 1);
  sink_.Release();
  executor_->Run();
  ASSERT_EQ(transport_.opened(), 2);
  const std::vector<AdsClient::Request> sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(kResourceTypes));  // no answer of the old stream among them
  EXPECT_EQ(sent[8].initial_resource_versions().at("epoch"), want.epoch_version);
}

TEST_F(AdsClientTest, WhatArrivesDuringAnAdoptionWaitsForItsOutcome) {
  Start();
  sink_.Hold();
  const ActiveSet one = ToActiveSet(SampleBundle(1));
  const ActiveSet two = ToActiveSet(SampleBundle(2));
  Deliver(CutBetween({}, one, "1"));
  Deliver(CutBetween(one, two, "2"));
  EXPECT_EQ(sink_.offered(), 1u);
  sink_.Release();
  executor_->Run();
  EXPECT_EQ(client_->status().serving_release, 2u);
  EXPECT_THAT(Answers().back(), "ACK Epoch-2 Epoch");
}

TEST_F(AdsClientTest, ARevocationAppliesAtOnceInTheMiddleOfACut) {
  Start();
  const auto cut = CutBetween({}, ToActiveSet(SampleBundle(1)), "1");
  Deliver({cut[0], cut[1]});
  transport_.TakeSent();
  Deliver({fakes::RevocationResponse(1, {"tg_till"}, "rev")});
  EXPECT_TRUE(sink_.revoked().contains("tg_till"));
  EXPECT_THAT(Answers(), ElementsAre("ACK rev Revocation"));
  EXPECT_EQ(sink_.offered(), 0u);
  Deliver({cut.begin() + 2, cut.end()});
  EXPECT_EQ(client_->status().serving_release, 1u);
}

TEST_F(AdsClientTest, ARevocationAppliesWhileAPolicyIsBeingAdopted) {
  Start();
  sink_.Hold();
  Deliver(CutBetween({}, ToActiveSet(SampleBundle(1)), "1"));
  transport_.TakeSent();
  Deliver({fakes::RevocationResponse(2, {"tg_till"}, "rev")});
  EXPECT_TRUE(sink_.revoked().contains("tg_till"));
  EXPECT_THAT(Answers(), ElementsAre("ACK rev Revocation"));
  sink_.Release();
}

// The set of a release whose Epoch vouches for these lists.
ActiveSet Vouching(uint64_t release, const std::vector<config::v1::Revocation>& lists) {
  ActiveSet set = ToActiveSet(SampleBundle(release));
  config::v1::Epoch epoch;
  EXPECT_TRUE(epoch.ParseFromString(set.epoch_bytes));
  (*epoch.mutable_digests())[std::string(TypeUrl(ResourceType::kRevocation))] =
      fakes::RevocationDigest(lists);
  set.epoch_bytes = epoch.SerializeAsString();
  set.epoch_version = fakes::VersionOf(set.epoch_bytes);
  return set;
}

TEST_F(AdsClientTest, ADeniedTokenIsDeniedAtOnceAndLiftedWithTheEpochThatSaysSo) {
  Start();
  const ActiveSet one = Adopt({}, 1);
  const auto denying = fakes::DenyingSubjects(2, {"mallory"});
  Deliver({fakes::ResponseOf(denying, "deny")});
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("mallory"));
  EXPECT_THAT(Answers(), ElementsAre("ACK deny Revocation"));
  const ActiveSet two = Vouching(2, {denying});
  Deliver(CutBetween(one, two, "2"));
  EXPECT_EQ(client_->status().serving_release, 2u);
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("mallory"));
  auto lifting = fakes::EmptyResponse(ResourceType::kRevocation, "lift");
  lifting.add_removed_resources("denied");
  Deliver({lifting});
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("mallory")) << "nothing vouches for that yet";
  Deliver(CutBetween(two, Vouching(3, {}), "3"));
  EXPECT_EQ(client_->status().serving_release, 3u);
  EXPECT_THAT(sink_.denied_tokens(), IsEmpty());
}

TEST_F(AdsClientTest, ARefusedCutLiftsNothing) {
  Start();
  const ActiveSet one = AdoptOneThenDenyAndLift();
  sink_.RefuseWith({{std::string(TypeUrl(ResourceType::kListener)), "inbound/payments",
                     "ADDRESS_IN_USE", "address", "127.0.0.1:8080 is taken"}});
  Deliver(CutBetween(one, Vouching(3, {}), "3"));
  EXPECT_EQ(client_->status().serving_release, 1u);
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("mallory"));
}

TEST_F(AdsClientTest, APolicyThatIsKeptLateLiftsNothingWhileAnotherOneIsBeingAdopted) {
  lkg_ = *LastKnownGood::Open({"/lkg", "payments-1", std::nullopt}, &files_, &clock_);
  Start();
  const ActiveSet one = AdoptOneThenDenyAndLift();
  const ActiveSet three = Vouching(3, {});
  std::promise<void> kept;
  {
    const auto stalled = disk_.Stall();
    Deliver(CutBetween(one, three, "3"));
    EXPECT_EQ(client_->status().serving_release, 3u);
    EXPECT_THAT(sink_.denied_tokens(), ElementsAre("mallory")) << "not kept yet";
    sink_.Hold();
    sink_.RefuseWith({{std::string(TypeUrl(ResourceType::kListener)), "inbound/payments",
                       "ADDRESS_IN_USE", "address", "127.0.0.1:8080 is taken"}});
    Deliver(CutBetween(three, Vouching(4, {}), "4"));
    ASSERT_TRUE(sink_.holding());
    lkg_->SavePolicy(std::make_shared<const ActiveSet>(three),
                     [&](const absl::Status&) { kept.set_value(); });  // after the client's
  }
  kept.get_future().wait();
  executor_->Run();
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("mallory")) << "release 4 may need it";
  sink_.Release();
  executor_->Run();
  EXPECT_EQ(client_->status().serving_release, 3u);
  EXPECT_THAT(sink_.denied_tokens(), IsEmpty()) << "release 3 stays, is kept and vouches";
}

// mallory was denied at revision 2, and is no longer listed.
Revocations Lingering() {
  Revocations revocations;
  revocations.lingering_tokens[{{"https://login.bank.example/", DeniedClaim::kSubject, "mallory"},
                                "life-1"}] = {2, kNoEnd};
  return revocations;
}

TEST_F(AdsClientTest, ARestartBetweenTheEpochAndTheForgettingForgetsThen) {
  // The policy that vouches was kept, the revocations were not yet written anew.
  Start(Vouching(3, {}), Lingering());
  Deliver({fakes::ResponseOf(fakes::DenyingSubjects(4, {"eve"}), "rev")});
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("eve"));
}

TEST_F(AdsClientTest, ARestartWithAPolicyFromBeforeADenialForgetsNothing) {
  Start(Vouching(1, {}), Lingering());
  Deliver({fakes::ResponseOf(fakes::DenyingSubjects(4, {"eve"}), "rev")});
  EXPECT_THAT(sink_.denied_tokens(), ElementsAre("eve", "mallory"));
}

TEST_F(AdsClientTest, ListsTheRevocationsThatItHasAcknowledged) {
  Start();
  const auto response = fakes::RevocationResponse(1, {"tg_till"}, "rev");
  Deliver({response});
  transport_.Close(absl::UnavailableError("gone"));
  executor_->Run();
  executor_->Advance(std::chrono::seconds(1));
  EXPECT_EQ(transport_.TakeSent()[0].initial_resource_versions().at("revoked"),
            response.resources(0).version());
}

TEST_F(AdsClientTest, AsksAfterARestartForWhatAnOlderVersionMayHaveUnderstoodInPart) {
  Revocations kept;
  kept.listed["denied"] = {"v7", 7, {}, {}, "life-1"};  // its tokens were not understood
  Start({}, std::move(kept));
  const auto sent = transport_.TakeSent();
  EXPECT_EQ(sent[0].initial_resource_versions().at("denied"), "");
}

TEST_F(AdsClientTest, AppliesWhatItUnderstandsOfARevocationAndRefusesTheRest) {
  Start();
  transport_.TakeSent();
  auto response = fakes::RevocationResponse(1, {"tg_till"}, "rev");
  *response.mutable_resources(0)->mutable_resource()->mutable_value() += "\x98\x06\x01";  // 99: 1
  Deliver({response});
  EXPECT_TRUE(sink_.revoked().contains("tg_till"));
  EXPECT_THAT(Answers(), ElementsAre("NACK rev Revocation"));
}

TEST_F(AdsClientTest, ConnectsAtOnceFirstThenBacksOffWithJitter) {
  Start();
  EXPECT_EQ(transport_.opened(), 1);
  Duration bound = std::chrono::milliseconds(200);
  for (int i = 2; i < 12; ++i) {
    transport_.Close(absl::UnavailableError("refused"));
    executor_->Run();
    executor_->Advance(bound / 10 - std::chrono::milliseconds(1));
    EXPECT_EQ(transport_.opened(), i - 1) << "sooner than a tenth of the bound";
    executor_->Advance(bound);
    EXPECT_EQ(transport_.opened(), i) << "later than the bound";
    bound = std::min<Duration>(bound * 2, std::chrono::seconds(10));
  }
}

TEST_F(AdsClientTest, EventsOfAnOlderStreamAreIgnored) {
  Start();
  transport_.Close(absl::UnavailableError("gone"));
  transport_.Deliver(fakes::RevocationResponse(1, {"tg_late"}, "late"));
  executor_->Run();
  EXPECT_THAT(sink_.revoked(), IsEmpty());
  transport_.Close(absl::UnavailableError("twice"));
  executor_->Advance(std::chrono::seconds(1));
  EXPECT_EQ(transport_.opened(), 2);
}

}  // namespace
}  // namespace tollgate::proxy
