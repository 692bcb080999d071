#include "control-plane/push/session.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/control-plane/push/sets_for_test.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::control {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using fakes::SampleBundle;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SessionTest : public ::testing::Test, public SessionObserver {
 protected:
  void OnOffered(const CutIdentity& cut) override { Log("offered", cut); }
  void OnAcknowledged(const CutIdentity& cut) override { Log("acknowledged", cut); }
  void OnRefused(const CutIdentity& cut, std::vector<ResourceError> errors) override {
    Log("refused", cut);
    errors_ = std::move(errors);
  }
  void OnRevocationRefused(std::vector<ResourceError> errors) override {
    log_.push_back("revocation refused");
    errors_ = std::move(errors);
  }
  void Log(const char* what, const CutIdentity& cut) {
    log_.push_back(absl::StrCat(what, " ", cut.release));
  }

  static DeltaDiscoveryRequest Request(ResourceType type) {
    DeltaDiscoveryRequest request;
    request.set_type_url(std::string(TypeUrl(type)));
    return request;
  }
  static DeltaDiscoveryRequest Hello(ResourceType type) {
    DeltaDiscoveryRequest request = Request(type);
    request.mutable_node()->set_id("payments-1");
    request.mutable_node()->set_cluster("payments");
    (*request.mutable_node()->mutable_metadata()->mutable_fields())["schema"].set_number_value(1);
    request.add_resource_names_subscribe("*");
    return request;
  }
  // Subscribes to everything, listing the versions of `active` when it is given.
  void Subscribe(const ResourceSet* active = nullptr) {
    for (size_t i = 0; i < kResourceTypes; ++i) {
      DeltaDiscoveryRequest request = Hello(TypeAt(i));
      auto& known = *request.mutable_initial_resource_versions();
      if (active != nullptr && i < kCutTypes) {
        for (const ResourcePtr& r : active->types[i]) known[r->name] = r->version;
      } else if (active != nullptr && TypeAt(i) == ResourceType::kEpoch) {
        known["epoch"] = active->epoch->version;
      } else if (active != nullptr) {
        for (const ResourcePtr& r : active->revocations) known[r->name] = r->version;
      }
      ASSERT_TRUE(session_.OnRequest(request).ok());
    }
  }
  void Offer(const config::v1::Bundle& bundle) { session_.Offer(SetOf(bundle, &pool_)); }
  // Everything that the session wants written now.
  std::vector<Session::Response> Drain() {
    std::vector<Session::Response> out;
    while (std::optional<Session::Response> response = session_.Next()) out.push_back(*response);
    return out;
  }
  static std::vector<std::string> Types(const std::vector<Session::Response>& responses) {
    std::vector<std::string> types;
    for (const auto& response : responses) types.emplace_back(TypeName(response.type));
    return types;
  }
  absl::Status Ack(const Session::Response& response) {
    DeltaDiscoveryRequest request = Request(response.type);
    request.set_response_nonce(response.nonce);
    return session_.OnRequest(request);
  }
  absl::Status Nack(const Session::Response& response, const std::string& code = "UNKNOWN_FIELD") {
    DeltaDiscoveryRequest request = Request(response.type);
    request.set_response_nonce(response.nonce);
    request.mutable_error_detail()->set_code(3);
    request.mutable_error_detail()->set_message("no");
    agent::v1::ResourceError error;
    error.set_type_url(std::string(TypeUrl(response.type)));
    error.set_name("cards/v1");
    error.set_code(code);
    error.set_field_path("routes[0].x");
    request.mutable_error_detail()->add_details()->PackFrom(error);
    return session_.OnRequest(request);
  }
  void AckAll(const std::vector<Session::Response>& responses) {
    for (const auto& response : responses) ASSERT_TRUE(Ack(response).ok());
  }

  ResourcePool pool_;
  Session session_{this};
  std::vector<std::string> log_;
  std::vector<ResourceError> errors_;
};

TEST_F(SessionTest, SendsACutInOrderAndItsEpochLast) {
  Offer(SampleBundle(1));
  EXPECT_THAT(Drain(), IsEmpty()) << "nobody asked yet";
  Subscribe();
  const auto cut = Drain();
  EXPECT_THAT(Types(cut), ElementsAre("Upstream", "Endpoints", "Secret", "ConsumerShard",
                                      "PolicySet", "RouteTable", "Listener", "Epoch"));
  EXPECT_EQ(session_.node()->id, "payments-1");
  EXPECT_EQ(session_.node()->schema, 1u);
  AckAll(cut);
  EXPECT_THAT(log_, ElementsAre("offered 1", "acknowledged 1"));
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(SessionTest, WaitsForEverySubscription) {
  Offer(SampleBundle(1));
  for (size_t i = 0; i + 2 < kResourceTypes; ++i) {
    ASSERT_TRUE(session_.OnRequest(Hello(TypeAt(i))).ok());
    EXPECT_THAT(Drain(), IsEmpty());
  }
  ASSERT_TRUE(session_.OnRequest(Hello(ResourceType::kEpoch)).ok());
  EXPECT_THAT(Drain(), SizeIs(8));
}

TEST_F(SessionTest, SendsOnlyWhatChangedAndWhatIsGone) {
  Subscribe();
  config::v1::Bundle first = SampleBundle(1);
  first.add_secrets()->set_name("pepper/z-old");
  Offer(first);
  AckAll(Drain());
  Offer(SampleBundle(2));
  const auto cut = Drain();
  EXPECT_THAT(Types(cut), ElementsAre("Upstream", "Secret", "PolicySet", "RouteTable", "Epoch"));
  EXPECT_THAT(cut[1].resources, IsEmpty());
  EXPECT_THAT(cut[1].removed, ElementsAre("pepper/z-old"));
}

TEST_F(SessionTest, FinishesTheCutThatItHasBegunThenSendsTheNewestOnly) {
  Subscribe();
  Offer(SampleBundle(1));
  std::vector<Session::Response> cut = {*session_.Next(), *session_.Next()};
  for (uint64_t release = 2; release <= 50; ++release) Offer(SampleBundle(release));
  for (auto& response : Drain()) cut.push_back(response);
  EXPECT_THAT(cut, SizeIs(8));
  for (const auto& response : cut) {
    EXPECT_EQ(response.version_info, "life-1/1") << TypeName(response.type);
  }
  EXPECT_THAT(Drain(), IsEmpty()) << "the next begins when the first is decided";
  AckAll(cut);
  AckAll(Drain());
  EXPECT_THAT(log_, ElementsAre("offered 1", "acknowledged 1", "offered 50", "acknowledged 50"));
}

TEST_F(SessionTest, ReconnectingSendsNothingKnown) {
  const auto set = SetOf(WithRevocation(SampleBundle(1), 1, {"tg_a"}), &pool_);
  session_.Offer(set);
  Subscribe(set.get());
  EXPECT_THAT(Drain(), IsEmpty());
  EXPECT_THAT(log_, ElementsAre("offered 1", "acknowledged 1"));
}

TEST_F(SessionTest, ReconnectingSendsTheDifferenceOnly) {
  const auto set = SetOf(SampleBundle(1), &pool_);
  Offer(SampleBundle(2));
  Subscribe(set.get());
  EXPECT_THAT(Types(Drain()), ElementsAre("Upstream", "PolicySet", "RouteTable", "Epoch"));
}

TEST_F(SessionTest, ASidecarThatKeptNoSecretsGetsThemAndTheEpochAgain) {
  ResourceSet kept = *SetOf(SampleBundle(1), &pool_);
  kept.types[Index(ResourceType::kSecret)].clear();
  Offer(SampleBundle(1));
  Subscribe(&kept);
  EXPECT_THAT(Types(Drain()), ElementsAre("Secret", "Epoch"));
}

TEST_F(SessionTest, ARefusedCutIsNotSentAgainUntilSomethingNewerExists) {
  Subscribe();
  Offer(SampleBundle(1));
  AckAll(Drain());
  Offer(SampleBundle(2));
  const auto cut = Drain();
  for (size_t i = 0; i + 1 < cut.size(); ++i) ASSERT_TRUE(Ack(cut[i]).ok());
  ASSERT_TRUE(Nack(cut.back()).ok());
  EXPECT_THAT(log_, ElementsAre("offered 1", "acknowledged 1", "offered 2", "refused 2"));
  ASSERT_THAT(errors_, SizeIs(1));
  EXPECT_EQ(errors_[0].code, "UNKNOWN_FIELD");
  EXPECT_EQ(errors_[0].field_path, "routes[0].x");
  Offer(SampleBundle(2));
  EXPECT_THAT(Drain(), IsEmpty());
  // The newer one is sent against release 1, which is what the sidecar has.
  Offer(SampleBundle(3));
  EXPECT_THAT(Types(Drain()), ElementsAre("Upstream", "PolicySet", "RouteTable", "Epoch"));
}

TEST_F(SessionTest, ARefusedPartRefusesTheCutWhichIsStillFinished) {
  Subscribe();
  Offer(SampleBundle(1));
  const Session::Response first = *session_.Next();
  ASSERT_TRUE(Nack(first, "INVALID").ok());
  const auto rest = Drain();
  EXPECT_EQ(rest.back().type, ResourceType::kEpoch);
  EXPECT_THAT(log_, ElementsAre("offered 1"));
  ASSERT_TRUE(Nack(rest.back(), "INVALID").ok());
  EXPECT_THAT(log_, ElementsAre("offered 1", "refused 1"));
}

TEST_F(SessionTest, AcknowledgingTheEpochOfARefusedPartEndsTheStream) {
  Subscribe();
  Offer(SampleBundle(1));
  const auto cut = Drain();
  ASSERT_TRUE(Nack(cut[0]).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Ack(cut.back())));
}

TEST_F(SessionTest, ARefusalWithoutDetailsIsStillAnError) {
  Subscribe();
  Offer(SampleBundle(1));
  DeltaDiscoveryRequest request = Request(ResourceType::kEpoch);
  request.set_response_nonce(Drain().back().nonce);
  request.mutable_error_detail()->set_message("no");
  ASSERT_TRUE(session_.OnRequest(request).ok());
  ASSERT_THAT(errors_, SizeIs(1));
  EXPECT_EQ(errors_[0].code, "REFUSED");
  EXPECT_EQ(errors_[0].message, "no");
}

TEST_F(SessionTest, ARevocationGoesOutInTheMiddleOfACut) {
  Subscribe();
  Offer(SampleBundle(1));
  const Session::Response first = *session_.Next();
  Offer(WithRevocation(SampleBundle(2), 2, {"tg_till"}));
  const Session::Response second = *session_.Next();
  EXPECT_EQ(second.type, ResourceType::kRevocation);
  ASSERT_THAT(second.resources, SizeIs(1));
  ASSERT_TRUE(Ack(second).ok());
  const auto rest = Drain();
  EXPECT_EQ(rest.front().version_info, "life-1/1") << "the cut goes on";
  EXPECT_EQ(rest.back().type, ResourceType::kEpoch);
  ASSERT_TRUE(Ack(first).ok());
  AckAll(rest);
  AckAll(Drain());
  EXPECT_THAT(log_, ElementsAre("offered 1", "acknowledged 1", "offered 2", "acknowledged 2"));
}

TEST_F(SessionTest, ARefusedRevocationIsReported) {
  Subscribe();
  Offer(WithRevocation(SampleBundle(1), 1, {"tg_till"}));
  ASSERT_TRUE(Nack(*session_.Next(), "NOT_DURABLE").ok());
  EXPECT_THAT(log_, ElementsAre("revocation refused"));
  EXPECT_EQ(errors_[0].code, "NOT_DURABLE");
}

TEST_F(SessionTest, StaleNoncesDecideNothing) {
  Subscribe();
  Offer(SampleBundle(1));
  auto cut = Drain();
  cut.back().nonce = "999";
  ASSERT_TRUE(Ack(cut.back()).ok());
  EXPECT_THAT(log_, ElementsAre("offered 1"));
}

TEST_F(SessionTest, SplitsLargeTypesUnderAMebibyte) {
  Subscribe();
  config::v1::Bundle bundle = SampleBundle(1);
  for (int i = 0; i < 300; ++i) {
    config::v1::Secret* secret = bundle.add_secrets();
    secret->set_name(absl::StrCat("s", 100 + i));
    secret->set_value(std::string(10'000, 'x'));
  }
  Offer(bundle);
  size_t resources = 0;
  int responses = 0;
  for (const Session::Response& response : Drain()) {
    size_t bytes = 0;
    for (const ResourcePtr& resource : response.resources) bytes += resource->entry.size();
    EXPECT_LE(bytes, Session::kMaxResponseBytes);
    if (response.type != ResourceType::kSecret) continue;
    ++responses;
    resources += response.resources.size();
  }
  EXPECT_EQ(responses, 4);
  EXPECT_EQ(resources, 301u);
}

TEST_F(SessionTest, RefusesStreamsThatItCannotServe) {
  const auto refused = [](auto change) {
    struct Nobody : SessionObserver {
      void OnOffered(const CutIdentity&) override {}
      void OnAcknowledged(const CutIdentity&) override {}
      void OnRefused(const CutIdentity&, std::vector<ResourceError>) override {}
      void OnRevocationRefused(std::vector<ResourceError>) override {}
    } nobody;
    Session session(&nobody);
    DeltaDiscoveryRequest request = Hello(ResourceType::kUpstream);
    change(&request);
    return absl::IsInvalidArgument(session.OnRequest(request));
  };
  EXPECT_FALSE(refused([](auto*) {}));
  EXPECT_TRUE(refused([](auto* r) { r->clear_node(); }));
  EXPECT_TRUE(refused([](auto* r) { r->mutable_node()->clear_id(); }));
  EXPECT_TRUE(refused([](auto* r) { r->mutable_node()->clear_cluster(); }));
  EXPECT_TRUE(refused([](auto* r) { r->mutable_node()->set_id("two words"); }));
  EXPECT_TRUE(refused([](auto* r) { r->mutable_node()->set_id(std::string(300, 'x')); }));
  EXPECT_TRUE(refused([](auto* r) { r->mutable_node()->clear_metadata(); }));
  EXPECT_TRUE(refused([](auto* r) {
    auto& fields = *r->mutable_node()->mutable_metadata()->mutable_fields();
    fields["schema"].set_number_value(1.5);
  }));
  EXPECT_TRUE(refused([](auto* r) {
    auto& fields = *r->mutable_node()->mutable_metadata()->mutable_fields();
    fields["environment"].set_number_value(1);
  }));
  EXPECT_FALSE(refused([](auto* r) { r->mutable_node()->mutable_locality()->set_zone("eu-1a"); }));
  EXPECT_TRUE(refused([](auto* r) { r->mutable_node()->mutable_locality()->set_zone("eu 1a"); }));
  EXPECT_TRUE(refused([](auto* r) { r->set_resource_names_subscribe(0, "local/payments"); }));
  EXPECT_TRUE(refused([](auto* r) { r->add_resource_names_unsubscribe("*"); }));
}

TEST_F(SessionTest, TypesOfNewerSidecarsAreIgnored) {
  DeltaDiscoveryRequest request = Hello(ResourceType::kUpstream);
  request.set_type_url("type.googleapis.com/tollgate.config.v9.Quota");
  EXPECT_TRUE(session_.OnRequest(request).ok());
}

TEST(ResourcePool, KeepsOneCopyOfEqualResources) {
  ResourcePool pool;
  const auto one = SetOf(SampleBundle(1), &pool);
  const auto two = SetOf(SampleBundle(2), &pool);
  const auto endpoints = Index(ResourceType::kEndpoints);
  const auto routes = Index(ResourceType::kRouteTable);
  EXPECT_EQ(one->types[endpoints][0], two->types[endpoints][0]);
  EXPECT_NE(one->types[routes][0], two->types[routes][0]);
}

}  // namespace
}  // namespace tollgate::control
