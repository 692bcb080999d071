#include "control-plane/push/release_source.h"

#include "absl/strings/str_cat.h"
#include "control-plane/model/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

constexpr absl::string_view kYaml = R"(
kind: Service
name: payments
protocol: http1
local: 127.0.0.1:9000
endpoints: ["127.0.0.1:8080"]
---
kind: Plan
name: standard
limit: 10/second
algorithm: sliding-window
per: consumer
scope: sidecar
---
kind: Consumer
name: shop-42
plan: standard
grants: [payments.read]
api_keys: [till]
---
kind: Api
name: cards
hosts: [pay.example.com]
service: payments
authenticate: [{api_key: {header: X-Api-Key}}]
version_from: {default_version: v1}
versions:
  - name: v1
    state: active
    routes:
      - {name: get, match: "GET /payments/{id}", require: [payments.read], timeout: TIMEOUT}
)";

std::shared_ptr<const DocumentSet> Documents(const std::string& timeout) {
  std::string yaml(kYaml);
  yaml.replace(yaml.find("TIMEOUT"), 7, timeout);
  ParseResult parsed = ParseDocuments("t.yaml", yaml);
  EXPECT_EQ(ToString(parsed.problems), "");
  auto documents = std::make_shared<DocumentSet>();
  for (SourceDocument& source : parsed.documents) {
    DocumentKey key{source.document.kind(), source.document.name()};
    documents->emplace(std::move(key), Store(std::move(source.document)));
  }
  return documents;
}

KeyRecord Key(const std::string& id) {
  KeyRecord key;
  key.id = id;
  key.consumer = "shop-42";
  key.name = "till";
  key.hash = std::string(32, 'h');
  key.pepper = "p1";
  return key;
}

std::shared_ptr<const State> StateAt(Revision revision, uint64_t release,
                                     std::shared_ptr<const DocumentSet> documents,
                                     std::vector<KeyRecord> keys = {},
                                     std::vector<KeyRecord> revoked = {}) {
  EnvironmentState environment;
  environment.release = release;
  environment.revision = revision;
  environment.documents = std::move(documents);
  environment.keys = std::move(keys);
  environment.revoked = std::move(revoked);
  State state;
  state.incarnation = "life-1";
  state.revision = revision;
  state.environments["default"] = std::make_shared<const EnvironmentState>(std::move(environment));
  return std::make_shared<const State>(std::move(state));
}

const NodeInfo kNode{"payments-1", "payments", "default", "", 1, ""};

class ReleaseSourceTest : public ::testing::Test {
 protected:
  std::shared_ptr<const ResourceSet> Get(const NodeInfo& node = kNode) {
    auto set = source_.Resources(node).set;
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? *set : nullptr;
  }
  ReleaseSource source_{{{"p1", "a pepper"}}};
};

TEST_F(ReleaseSourceTest, TranslatesTheStateInForce) {
  source_.Update(StateAt(5, 2, Documents("2s"), {Key("tg_a")}));
  const auto set = Get();
  EXPECT_EQ(set->identity.incarnation, "life-1");
  EXPECT_EQ(set->identity.revision, 5u);
  EXPECT_EQ(set->identity.release, 2u);
  EXPECT_EQ(set->schema, 1u);
  for (size_t i = 0; i < kCutTypes; ++i) {
    EXPECT_EQ(set->types[i].size(), 1u) << TypeName(TypeAt(i));
  }
}

TEST_F(ReleaseSourceTest, TranslatesOnceForAStateAndSharesWhatIsEqual) {
  const auto documents = Documents("2s");
  source_.Update(StateAt(5, 2, documents, {Key("tg_a")}));
  const auto first = Get();
  EXPECT_EQ(Get(), first);
  NodeInfo twin = kNode;
  twin.id = "payments-2";
  const auto second = Get(twin);
  EXPECT_NE(second, first);
  for (size_t i = 0; i < kCutTypes; ++i) EXPECT_EQ(first->types[i], second->types[i]);
  // A new release shares what it did not change.
  source_.Update(StateAt(6, 3, Documents("3s"), {Key("tg_a")}));
  const auto third = Get();
  EXPECT_EQ(third->types[Index(ResourceType::kUpstream)],
            first->types[Index(ResourceType::kUpstream)]);
  EXPECT_NE(third->types[Index(ResourceType::kRouteTable)],
            first->types[Index(ResourceType::kRouteTable)]);
}

TEST_F(ReleaseSourceTest, ASidecarThatMovesToAnotherZoneGetsWhatIsTrueThere) {
  ParseResult parsed = ParseDocuments("t.yaml", R"(
kind: Service
name: payments
uses: [ledger]
---
kind: Service
name: ledger
endpoints: [{address: "127.0.0.1:1", local: "127.0.0.1:2", zone: a}]
)");
  ASSERT_EQ(ToString(parsed.problems), "");
  auto documents = std::make_shared<DocumentSet>();
  for (SourceDocument& source : parsed.documents) {
    DocumentKey key{source.document.kind(), source.document.name()};
    documents->emplace(std::move(key), Store(std::move(source.document)));
  }
  source_.Update(StateAt(5, 2, documents));
  NodeInfo node = kNode;
  const auto of = [&](const std::string& zone) {
    node.zone = zone;
    return Get(node)->types[Index(ResourceType::kUpstream)];
  };
  const auto in_a = of("a");
  EXPECT_NE(of("b"), in_a);
  EXPECT_NE(of(""), in_a);
  EXPECT_EQ(of("a"), in_a);
}

TEST_F(ReleaseSourceTest, ARevokedKeyLeavesItsShardAndIsDenied) {
  const auto documents = Documents("2s");
  source_.Update(StateAt(5, 2, documents, {Key("tg_a")}));
  const auto before = Get();
  EXPECT_TRUE(before->revocations.empty());
  KeyRecord revoked = Key("tg_a");
  revoked.hash.clear();
  revoked.revoked = 1;
  revoked.revision = 6;
  source_.Update(StateAt(6, 2, documents, {}, {revoked}));
  const auto after = Get();
  EXPECT_EQ(after->revocations.size(), 1u);
  EXPECT_NE(after->types[Index(ResourceType::kConsumerShard)],
            before->types[Index(ResourceType::kConsumerShard)]);
  EXPECT_EQ(after->identity.release, 2u);
  EXPECT_EQ(after->identity.revision, 6u);
}

TEST_F(ReleaseSourceTest, ADenialOfTokensOfAnIssuerThatIsNotAcceptedConcernsNobody) {
  const auto with = [](Revision revision, std::vector<DenialRecord> denied) {
    EnvironmentState environment;
    environment.release = 2;
    environment.revision = revision;
    environment.documents = Documents("2s");
    environment.denied = std::move(denied);
    State state;
    state.incarnation = "life-1";
    state.revision = revision;
    state.environments["default"] =
        std::make_shared<const EnvironmentState>(std::move(environment));
    return std::make_shared<const State>(std::move(state));
  };
  DenialRecord record;
  record.id = "dn-1";
  record.denial.token = {"https://login.bank.example/", DeniedClaim::kSubject, "mallory"};
  record.revision = 6;
  source_.Update(with(6, {record}));
  EXPECT_TRUE(Get()->revocations.empty()) << "this Api takes keys only";
}

TEST_F(ReleaseSourceTest, SaysWhyThereIsNothing) {
  EXPECT_TRUE(absl::IsUnavailable(source_.Resources(kNode).set.status()));
  source_.Update(StateAt(1, 0, std::make_shared<DocumentSet>()));
  EXPECT_TRUE(absl::IsNotFound(source_.Resources(kNode).set.status()));
  EXPECT_EQ(source_.Resources(kNode).release, 0u) << "said of no release";
  source_.Update(StateAt(2, 1, Documents("2s")));
  NodeInfo stranger = kNode;
  stranger.service = "ledger";
  EXPECT_TRUE(absl::IsNotFound(source_.Resources(stranger).set.status()));
  EXPECT_EQ(source_.Resources(stranger).release, 1u);
  stranger = kNode;
  stranger.environment = "staging";
  EXPECT_TRUE(absl::IsNotFound(source_.Resources(stranger).set.status()));
  // A release that no longer compiles is an error, not an empty policy.
  auto broken = std::make_shared<DocumentSet>(*Documents("2s"));
  broken->erase(DocumentKey{"Service", "payments"});
  source_.Update(StateAt(3, 2, broken));
  EXPECT_TRUE(absl::IsFailedPrecondition(source_.Resources(kNode).set.status()));
  EXPECT_EQ(source_.Resources(kNode).release, 2u);
}

TEST_F(ReleaseSourceTest, TellsOfEveryChangeUntilItIsToldToStop) {
  int changes = 0;
  source_.OnChange([&] { ++changes; });
  source_.Update(StateAt(1, 0, std::make_shared<DocumentSet>()));
  EXPECT_EQ(changes, 1);
  source_.OnChange(nullptr);
  source_.Update(StateAt(2, 0, std::make_shared<DocumentSet>()));
  EXPECT_EQ(changes, 1);
}

}  // namespace
}  // namespace tollgate::control
